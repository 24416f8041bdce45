"""Everything that is not a call: health, metrics, models, and the table of sessions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict

from server.config import Config
from server.engine.client import EngineClient
from server.errors import UnknownModelError
from server.gateway.auth import Access, Caller, check_model, check_operator, model_names
from server.gateway.error_bodies import ErrorBody
from server.gateway.readiness import Readiness
from server.metrics import Metrics
from server.session.session import Session
from server.session.session_manager import SessionManager

OWNER = "omnicall"


class Body(BaseModel):
    """Base of every answer."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class HealthBody(Body):
    """The process runs."""

    status: Literal["ok"] = "ok"


class ReadyBody(Body):
    """Whether calls are taken now."""

    ready: bool
    reason: str
    """Why not; empty when ready."""
    engine: str
    """`starting`, `ready`, `restarting`, `failed` or `stopped`."""
    sessions_open: int
    sessions_limit: int


class ModelBody(Body):
    """The checkpoint this server runs."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    """Not known; kept for clients that expect a number."""
    owned_by: str = OWNER
    trained: bool | None = None
    """False: the weights are random. Null until the checkpoint is loaded."""
    parameters: int | None = None
    device: str | None = None
    dtype: str | None = None
    context_tokens: int | None = None


class ModelListBody(Body):
    """All models: one."""

    object: Literal["list"] = "list"
    data: list[ModelBody]


class SessionBody(Body):
    """An open session in numbers; nothing of what is said."""

    id: str
    object: Literal["realtime.session"] = "realtime.session"
    state: str
    """`connecting`, `listening`, `responding`, `closing` or `closed`."""
    mode: str
    language: str
    age_s: float
    """Since it was admitted."""
    units: int
    """Units the model has taken in."""
    units_late: int
    """Of these, after the next one was complete."""
    turns: int
    """Turns of the user."""
    responses: int
    interruptions: int
    """Responses the user spoke into."""
    audio_in_s: float
    """Audio received."""
    audio_out_s: float
    """Speech sent."""


class SessionListBody(Body):
    """All open sessions."""

    object: Literal["list"] = "list"
    data: list[SessionBody]


class SessionDeletedBody(Body):
    """The session is ending."""

    id: str
    object: Literal["realtime.session.deleted"] = "realtime.session.deleted"
    deleted: Literal[True] = True


SessionId = Annotated[str, Path(description="Id of a session, as `session.created` says it.")]


def error_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What OpenAPI says about refusals."""
    return {status: {"model": ErrorBody} for status in statuses}


def key_check(config: Config) -> list[Any]:
    """What a route depends on that is for operators; a key is described where one is configured."""

    async def check(request: Request) -> None:
        check_operator(config, request)

    if not config.server.api_key:
        return [Depends(check)]
    scheme = HTTPBearer(auto_error=False, description="The server's `api_key`.")
    return [Depends(scheme), Depends(check)]


def caller_check(config: Config, let_in: Callable[[Request], Caller]) -> Any:
    """What a route depends on that belongs to a call; an ephemeral secret is enough.

    Args:
        config: Says whether a key is described.
        let_in: `Access.caller` for what begins a call, `Access.participant` for what comes after.

    Returns:
        A dependency whose value is the `Caller`.
    """

    async def check(request: Request) -> Caller:
        return let_in(request)

    if not config.server.api_key:
        return Depends(check)
    scheme = HTTPBearer(
        auto_error=False,
        scheme_name="KeyOrSecret",
        description="The server's `api_key`, or an ephemeral secret made with it.",
    )
    described = Depends(scheme)

    async def check_described(
        request: Request, _: HTTPAuthorizationCredentials | None = described
    ) -> Caller:
        return let_in(request)

    return Depends(check_described)


def operations_router(
    readiness: Readiness, manager: SessionManager, config: Config, metrics: Metrics
) -> APIRouter:
    """`/health`, `/ready` and `/metrics`."""
    router = APIRouter(tags=["operations"])

    @router.get("/health")
    async def health() -> HealthBody:
        """Say that the process runs; for liveness checks."""
        return HealthBody()

    @router.get("/ready", responses={503: {"model": ReadyBody}})
    async def ready(response: Response) -> ReadyBody:
        """Say whether calls are taken now, and why not."""
        reason = readiness.reason()
        response.status_code = 503 if reason else 200
        return ReadyBody(
            ready=not reason,
            reason=reason,
            engine=readiness.engine_status,
            sessions_open=len(manager.list()),
            sessions_limit=manager.limit,
        )

    @router.get(
        "/metrics",
        dependencies=key_check(config),
        response_class=Response,
        responses=error_responses(401, 403)
        | {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    )
    async def read_metrics() -> Response:
        """All metrics in Prometheus' text format."""
        return Response(metrics.exposition(), media_type=metrics.content_type)

    return router


def models_router(engine: EngineClient, config: Config) -> APIRouter:
    """`/v1/models`."""
    router = APIRouter(prefix="/v1/models", tags=["models"], dependencies=key_check(config))

    @router.get("", responses=error_responses(401, 403))
    async def list_models() -> ModelListBody:
        """The one checkpoint this server runs."""
        return ModelListBody(data=[_model_body(engine, config)])

    @router.get("/{model:path}", responses=error_responses(401, 403, 404))
    async def retrieve_model(model: str) -> ModelBody:
        """The checkpoint, asked for by one of its names."""
        if not model:
            raise UnknownModelError("name a model; /v1/models lists it")
        check_model(model, model_names(config, engine.info))
        return _model_body(engine, config)

    return router


def sessions_router(manager: SessionManager, config: Config, access: Access) -> APIRouter:
    """`/v1/realtime/sessions`."""
    router = APIRouter(prefix="/v1/realtime/sessions", tags=["sessions"])
    for_operators = key_check(config)
    for_callers = [caller_check(config, access.participant)]

    @router.get("", dependencies=for_operators, responses=error_responses(401, 403))
    async def list_sessions() -> SessionListBody:
        """Every open session."""
        return SessionListBody(data=[_session_body(session) for session in manager.list()])

    @router.get(
        "/{session_id}", dependencies=for_operators, responses=error_responses(401, 403, 404)
    )
    async def retrieve_session(session_id: SessionId) -> SessionBody:
        """One open session."""
        return _session_body(manager.get(session_id))

    @router.delete(
        "/{session_id}", dependencies=for_operators, responses=error_responses(401, 403, 404)
    )
    async def delete_session(session_id: SessionId) -> SessionDeletedBody:
        """End a session; its client is told and disconnected."""
        manager.delete(session_id)
        return SessionDeletedBody(id=session_id)

    @router.post(
        "/{session_id}/reset",
        dependencies=for_callers,
        responses=error_responses(401, 403, 404, 409, 503),
    )
    async def reset_session(session_id: SessionId) -> SessionBody:
        """Make the model forget this call; the connection stays open, others are not touched.

        Callers may do it themselves: only they know the id of their session.
        """
        session = manager.get(session_id)
        manager.reset(session_id)
        return _session_body(session)

    return router


def _model_body(engine: EngineClient, config: Config) -> ModelBody:
    info = engine.info
    name = model_names(config, info)[0]
    if info is None:
        return ModelBody(id=name)
    return ModelBody(
        id=name,
        trained=info.trained,
        parameters=info.parameters,
        device=info.device,
        dtype=info.dtype,
        context_tokens=info.context_tokens,
    )


def _session_body(session: Session) -> SessionBody:
    summary = session.summary()
    return SessionBody(
        id=summary.id,
        state=summary.state.value,
        mode=summary.mode,
        language=summary.language,
        age_s=round(summary.age_s, 3),
        units=summary.units,
        units_late=summary.units_late,
        turns=summary.turns,
        responses=summary.responses,
        interruptions=summary.interruptions,
        audio_in_s=round(summary.audio_in_s, 3),
        audio_out_s=round(summary.audio_out_s, 3),
    )
