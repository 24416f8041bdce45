"""Whether calls are taken, and in plain words why not."""

from __future__ import annotations

from server.engine.client import EngineClient, EngineStatus
from server.session.session_manager import SessionManager

REASONS = {
    EngineStatus.STARTING: "the model is loading",
    EngineStatus.RESTARTING: "the model is being restarted after a failure",
    EngineStatus.FAILED: "the model cannot start; the server's log says why",
    EngineStatus.STOPPED: "the model was stopped",
}


class Readiness:
    """The one answer to "may a call begin?", for `/ready` and whoever runs the server."""

    def __init__(self, engine: EngineClient, manager: SessionManager) -> None:
        self._engine = engine
        self._manager = manager
        self.failure = ""
        """Why the model never became ready; set by the app, empty otherwise."""

    @property
    def engine_status(self) -> str:
        """The engine's state by name."""
        return self._engine.status.value

    def reason(self) -> str:
        """Why no call is taken; empty when calls are."""
        if self._manager.is_draining:
            return "the server is shutting down"
        return REASONS.get(self._engine.status, "")
