"""The application: everything is made here, by argument, and ended here, in order."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from importlib import metadata
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.routing import Match

from server.clock import Clock, epoch_s
from server.config import Config
from server.engine.client import EngineClient, EngineStatus
from server.errors import EngineUnavailableError, OmnicallError
from server.gateway.auth import Access
from server.gateway.client_secrets import ClientSecrets
from server.gateway.client_secrets_route import client_secrets_router
from server.gateway.error_bodies import error_response, status_response
from server.gateway.feedback_recorder import FeedbackRecorder
from server.gateway.feedback_route import feedback_router
from server.gateway.ice_route import ice_router
from server.gateway.readiness import Readiness
from server.gateway.realtime_connection import GatewayContext
from server.gateway.rest import models_router, operations_router, sessions_router
from server.gateway.server_info import info_router
from server.gateway.static import WEB_CLIENT, WebClient
from server.gateway.webrtc.calls_route import calls_router
from server.gateway.webrtc.gateway import WebRtcGateway
from server.gateway.websocket import RealtimeWebSocket
from server.media.voice_activity import SileroVoiceActivity, VoiceActivity
from server.metrics import Metrics
from server.session.session_manager import SessionManager

logger = logging.getLogger("omnicall")

TITLE = "Omnicall"
DISTRIBUTION = "omnicall"
DESCRIPTION = "Real-time voice and video calls. Calls themselves are placed at `/v1/realtime`."


def create_app(
    config: Config,
    engine: EngineClient,
    clock: Clock,
    *,
    new_voice_activity: Callable[[], VoiceActivity] = SileroVoiceActivity,
    web_client: Path = WEB_CLIENT,
) -> FastAPI:
    """The server as an ASGI application.

    Its lifespan starts the engine (without waiting: `/ready` says when it is there) and ends in
    order: sessions are told, running responses get `shutdown_grace_s`, then the engine is stopped.

    Args:
        config: All settings.
        engine: Not started yet.
        clock: Wall time for time-outs.
        new_voice_activity: Makes the speech detector of a session.
        web_client: Folder of the pages; none are served when it does not exist.

    Returns:
        The app; ``app.state`` holds ``drain`` (awaited by the HTTP server before it cuts
        connections), ``readiness``, ``manager`` and ``metrics``.
    """
    metrics = Metrics()
    secrets = ClientSecrets(clock, config.access.max_client_secrets)
    access = Access(config, secrets)
    recorder = FeedbackRecorder(config.feedback, epoch_s)
    manager = SessionManager(config, engine, clock, new_voice_activity)
    context = GatewayContext(config, clock, metrics)
    calls = WebRtcGateway(manager, engine, context)
    readiness = Readiness(engine, manager)
    metrics.count_open_sessions(lambda: len(manager.list()))
    metrics.engine_ready.set_function(lambda: engine.status is EngineStatus.READY)
    engine.on_status(_counting(metrics))

    app = FastAPI(
        title=TITLE,
        version=_version(),
        description=DESCRIPTION,
        lifespan=lambda _: _running(engine, readiness, manager, calls, recorder, metrics),
        docs_url=None,
        redoc_url=None,
    )

    async def drain() -> None:
        await manager.drain()
        await gateway.closed()
        await calls.closed()

    app.state.drain = drain
    app.state.readiness = readiness
    app.state.manager = manager
    app.state.metrics = metrics
    routers = [
        operations_router(readiness, manager, config, metrics),
        models_router(engine, config),
        sessions_router(manager, config, access),
        info_router(manager, engine, config),
        client_secrets_router(secrets, engine, config, epoch_s),
        ice_router(config, access, epoch_s),
        feedback_router(recorder, config, access, epoch_s),
        calls_router(calls, config, access, metrics),
    ]
    for router in routers:
        app.include_router(router)
    gateway = RealtimeWebSocket(manager, engine, context, access)
    app.add_api_websocket_route("/v1/realtime", gateway.serve)
    if web_client.is_dir():
        app.mount("/", WebClient(web_client))
    _allow_origins(app, config.access.allowed_origins)
    _answer_errors(app, routers)
    _describe(app)
    return app


@asynccontextmanager
async def _running(
    engine: EngineClient,
    readiness: Readiness,
    manager: SessionManager,
    calls: WebRtcGateway,
    recorder: FeedbackRecorder,
    metrics: Metrics,
) -> AsyncIterator[None]:
    """What runs beside the requests: started in order, and ended in order."""
    async with asyncio.TaskGroup() as tasks:
        watch = tasks.create_task(metrics.watch_event_loop(), name="event loop watch")
        sweep = tasks.create_task(recorder.keep_swept(), name="feedback sweep")
        start = tasks.create_task(_start_engine(engine, readiness), name="engine start")
        async with calls, manager:
            yield
        start.cancel()
        await asyncio.wait([start])
        await engine.stop()
        watch.cancel()
        sweep.cancel()
        recorder.close()


def _allow_origins(app: FastAPI, origins: Sequence[str]) -> None:
    """Let pages of other sites read what they may ask for; the routes decide who may ask."""
    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type"],
            expose_headers=["Location"],
        )


def _version() -> str:
    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return "not installed"


async def _start_engine(engine: EngineClient, readiness: Readiness) -> None:
    try:
        await engine.start()
    except EngineUnavailableError as error:
        logger.error("the model cannot start: %s", error.message)
        readiness.failure = error.message
    else:
        info = engine.info
        if info is not None:
            logger.info(
                "ready: %s (%s) on %s, %s, loaded in %.1f s",
                info.checkpoint,
                "trained" if info.trained else "untrained",
                info.device,
                info.dtype,
                info.load_s,
            )


def _counting(metrics: Metrics) -> Callable[[EngineStatus], None]:
    def count(status: EngineStatus) -> None:
        if status is EngineStatus.RESTARTING:
            metrics.engine_restarts.inc()

    return count


def _answer_errors(app: FastAPI, routers: Sequence[APIRouter]) -> None:
    """Answer every error in the shape of the OpenAI API, without internals."""

    @app.exception_handler(OmnicallError)
    async def refused(_: Request, error: OmnicallError) -> Response:
        return error_response(error)

    @app.exception_handler(RequestValidationError)
    async def malformed(_: Request, error: RequestValidationError) -> Response:
        problem = error.errors()[0]
        param = ".".join(map(str, problem["loc"]))
        return status_response(
            HTTPStatus.BAD_REQUEST, f"{param}: {problem['msg']}", "invalid_value", param
        )

    @app.exception_handler(HTTPException)
    async def unrouted(request: Request, error: HTTPException) -> Response:
        allowed = _allowed_methods(routers, request.url.path)
        if allowed and request.method not in allowed:
            # The pages under "/" match every path: theirs is not the word on a path of ours.
            return status_response(
                HTTPStatus.METHOD_NOT_ALLOWED,
                f"{request.method} is not for this path; use {', '.join(allowed)}",
                "method_not_allowed",
                headers={"Allow": ", ".join(allowed)},
            )
        headers = dict(error.headers or {})
        return status_response(error.status_code, str(error.detail), headers=headers)

    @app.exception_handler(Exception)
    async def failed(_: Request, __: Exception) -> Response:
        return status_response(
            HTTPStatus.INTERNAL_SERVER_ERROR, "the server failed; its log says why", "server_error"
        )


def _allowed_methods(routers: Sequence[APIRouter], path: str) -> list[str]:
    """Methods of the routes of one path; none for a path that is no route's."""
    scope = {"type": "http", "path": path, "method": "", "headers": [], "root_path": ""}
    return sorted(
        method
        for router in routers
        for route in router.routes
        if isinstance(route, APIRoute) and route.matches(scope)[0] is not Match.NONE
        for method in route.methods or ()
    )


def _describe(app: FastAPI) -> None:
    """Make OpenAPI say what is true: no route here answers 422, FastAPI's own validation error."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(
                title=app.title,
                version=app.version,
                description=app.description,
                routes=app.routes,
            )
            for path in schema["paths"].values():
                for operation in path.values():
                    operation["responses"].pop("422", None)
            for unused in ("HTTPValidationError", "ValidationError"):
                schema.get("components", {}).get("schemas", {}).pop(unused, None)
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
