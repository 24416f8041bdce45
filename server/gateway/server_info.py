"""`/v1/realtime/info`: what a page must know before it can offer a call."""

from __future__ import annotations

from typing import Literal, get_args

from fastapi import APIRouter, Response

from server.config import DEFAULT_VOICE, Config
from server.engine.client import EngineClient
from server.gateway.auth import model_names
from server.gateway.feedback_route import MAX_COMMENT_CHARACTERS, MAX_TRANSCRIPT_CHARACTERS
from server.gateway.rest import Body
from server.protocol.session_patch import MAX_INSTRUCTIONS_CHARACTERS, Language, Mode
from server.session.session_manager import SessionManager

NO_CACHE = "no-cache"
Transport = Literal["webrtc", "websocket"]


class FeedbackInfoBody(Body):
    """What becomes of feedback."""

    ratings: bool
    """Whether ratings are taken at all."""
    content: bool
    """Whether comments and transcripts are kept."""
    max_comment_characters: int = MAX_COMMENT_CHARACTERS
    max_transcript_characters: int = MAX_TRANSCRIPT_CHARACTERS


class DefaultsInfoBody(Body):
    """What a call begins with when its client says nothing."""

    mode: Mode
    language: Language
    hd: bool
    voice: str
    silence_duration_ms: int
    """Silence that ends a turn."""
    interrupt_response: bool


class LimitsInfoBody(Body):
    """What a client may send, and how many calls there can be."""

    sessions: int
    instructions_characters: int = MAX_INSTRUCTIONS_CHARACTERS
    image_bytes: int
    image_pixels: int
    image_side: int
    backlog_s: float
    """How far audio may be ahead of real time."""
    idle_timeout_s: float


class ServerInfoBody(Body):
    """This server, as far as anyone may know."""

    object: Literal["realtime.info"] = "realtime.info"
    key_needed: bool
    """Whether calls want the server's key, or a secret made with it."""
    model: str
    trained: bool | None
    """False: the weights are random. Null until the checkpoint is loaded."""
    transports: list[Transport]
    """Ways to place a call, best first."""
    modes: list[Mode]
    languages: list[Language]
    voices: list[str]
    """Names for `audio.output.voice`; only `default` until the checkpoint is loaded."""
    feedback: FeedbackInfoBody
    defaults: DefaultsInfoBody
    limits: LimitsInfoBody


def info_router(manager: SessionManager, engine: EngineClient, config: Config) -> APIRouter:
    """`/v1/realtime/info`."""
    router = APIRouter(tags=["access"])

    @router.get("/v1/realtime/info")
    async def read_info(response: Response) -> ServerInfoBody:
        """What this server offers; told to everyone, key or not."""
        response.headers["Cache-Control"] = NO_CACHE
        return server_info(manager, engine, config)

    return router


def server_info(manager: SessionManager, engine: EngineClient, config: Config) -> ServerInfoBody:
    """What this server offers at the moment."""
    server, session, turn = config.server, config.session, config.turn
    info = engine.info
    return ServerInfoBody(
        key_needed=bool(server.api_key),
        model=model_names(config, info)[0],
        trained=None if info is None else info.trained,
        transports=["webrtc", "websocket"] if config.webrtc.enabled else ["websocket"],
        modes=list(get_args(Mode)),
        languages=list(get_args(Language)),
        voices=[DEFAULT_VOICE, *(() if info is None else info.voices)],
        feedback=FeedbackInfoBody(
            ratings=config.feedback.enabled,
            content=config.feedback.enabled and config.feedback.store_content,
        ),
        defaults=DefaultsInfoBody(
            mode=session.mode,
            language=session.language,
            hd=session.hd,
            voice=session.voice,
            silence_duration_ms=round(turn.min_silence_s * 1000),
            interrupt_response=turn.interrupt_response,
        ),
        limits=LimitsInfoBody(
            sessions=manager.limit,
            image_bytes=server.max_image_bytes,
            image_pixels=server.max_image_pixels,
            image_side=server.max_image_side,
            backlog_s=session.max_backlog_s,
            idle_timeout_s=session.idle_timeout_s,
        ),
    )
