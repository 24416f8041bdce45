"""What is written about a session: its name in every line, and one summary of numbers."""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any

from server.engine.interface import Language, Mode
from server.session.states import SessionState


class SessionLog(logging.LoggerAdapter[logging.Logger]):
    """Puts the session's id before every message and into the record's ``session_id``."""

    def __init__(self, logger: logging.Logger, session_id: str) -> None:
        super().__init__(logger, {"session_id": session_id})
        self._session_id = session_id

    def process(
        self, msg: Any, kwargs: MutableMapping[str, Any]
    ) -> tuple[Any, MutableMapping[str, Any]]:
        """See :class:`logging.LoggerAdapter`."""
        message, kwargs = super().process(msg, kwargs)
        return f"{self._session_id}: {message}", kwargs


@dataclass(frozen=True, slots=True)
class SessionSummary:
    """A session in numbers; nothing of what was said."""

    id: str
    state: SessionState
    mode: Mode
    language: Language
    age_s: float
    """Since it was admitted."""
    units: int
    """Units the model has taken in."""
    units_late: int
    """Of these, after their deadline."""
    turns: int
    """Turns of the user that ended or were committed."""
    responses: int
    interruptions: int
    """Responses the user spoke into."""
    audio_in_s: float
    """Audio received."""
    audio_out_s: float
    """Speech released."""
    audio_dropped_s: float
    """Audio received during responses that nobody waited for."""

    def __str__(self) -> str:
        return (
            f"mode={self.mode} language={self.language} age_s={self.age_s:.1f} "
            f"units={self.units} units_late={self.units_late} turns={self.turns} "
            f"responses={self.responses} interruptions={self.interruptions} "
            f"audio_in_s={self.audio_in_s:.1f} audio_out_s={self.audio_out_s:.1f} "
            f"audio_dropped_s={self.audio_dropped_s:.1f}"
        )
