"""Every setting of the server, typed, frozen, with its meaning.

Precedence: command line > environment (``OMNICALL_TURN__MIN_SILENCE_S=0.8``) > TOML file >
default. Unknown keys are errors. The README's table is generated from this file.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from server.errors import ConfigurationError

ENVIRONMENT_PREFIX = "OMNICALL_"
NESTING = "__"
DEFAULT_VOICE = "default"
"""What the checkpoint's own voice is called."""


class Section(BaseModel):
    """One group of settings."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class ServerConfig(Section):
    """Where the server listens and how it stops."""

    host: str = "0.0.0.0"
    """Address to listen on."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8443
    """Port to listen on; 0 lets the system choose."""
    insecure_http: bool = False
    """Serve plain HTTP. Browsers then allow camera and microphone on localhost only."""
    cert_file: Path = Path("certs/cert.pem")
    """TLS certificate; made on first start when missing."""
    key_file: Path = Path("certs/key.pem")
    """TLS private key; made with the certificate."""
    api_key: str = ""
    """Key clients must present as `Authorization: Bearer`; empty lets everyone in."""
    max_message_bytes: Annotated[int, Field(ge=65_536)] = 24 * 1024 * 1024
    """Largest WebSocket message taken."""
    max_image_bytes: Annotated[int, Field(ge=1024)] = 10 * 1024 * 1024
    """Largest encoded picture taken."""
    max_image_pixels: Annotated[int, Field(ge=1024)] = 16 * 1024 * 1024
    """Largest picture taken, width times height."""
    max_image_side: Annotated[int, Field(ge=64)] = 8192
    """Longest side of a picture taken, in pixels."""
    send_queue_events: Annotated[int, Field(ge=16)] = 1024
    """Events waiting for a slow client before its connection is closed."""
    send_timeout_s: Annotated[float, Field(gt=0)] = 15.0
    """A client that takes no data for this long is disconnected."""
    shutdown_grace_s: Annotated[float, Field(ge=0)] = 10.0
    """Time running responses get to finish when the server stops."""


def _split(value: Any) -> Any:
    """A list as the environment and the command line write it: words between commas."""
    return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value


def _origin(text: str) -> str:
    scheme, separator, host = text.lower().partition("://")
    if scheme not in ("http", "https") or not separator or not host or set(host) & set("/?#@ "):
        raise ValueError(f"{text!r} is no origin; write https://host or https://host:port")
    return f"{scheme}://{host}"


class AccessConfig(Section):
    """Who may place calls from a browser."""

    allowed_origins: Annotated[
        tuple[Annotated[str, AfterValidator(_origin)], ...], BeforeValidator(_split)
    ] = ()
    """Sites whose pages may call this server as its own page does, such as `https://example.org`."""
    max_client_secrets: Annotated[int, Field(ge=1)] = 4096
    """Ephemeral secrets that are valid at once; more are refused until some expire."""


class FeedbackConfig(Section):
    """What callers say about their calls, and what is kept of it."""

    enabled: bool = True
    """Take ratings. Without it, `POST /v1/feedback` is refused."""
    store_content: bool = False
    """Also keep comments and transcripts, which repeat what people said."""
    database: Path = Path("data/feedback.sqlite3")
    """SQLite file; made with the first rating."""
    retention_days: Annotated[int, Field(ge=0)] = 365
    """Feedback older than this is deleted; 0 keeps it."""
    max_entries: Annotated[int, Field(ge=1)] = 100_000
    """Calls whose feedback is kept; the oldest make room."""


class WebRtcConfig(Section):
    """Calls over WebRTC: addresses, limits, and what happens to a peer that is gone."""

    enabled: bool = True
    """Take calls at `POST /v1/realtime/calls`."""
    ice_servers: Annotated[tuple[str, ...], BeforeValidator(_split)] = ()
    """STUN and TURN servers callers are told of, such as `turn:turn.example.org?transport=udp`."""
    turn_secret: str = ""
    """Secret shared with the TURN server (coturn's `static-auth-secret`)."""
    turn_ttl_s: Annotated[int, Field(ge=60, le=86_400)] = 3600
    """How long the credentials for TURN are valid."""
    gather_from_ice_servers: bool = False
    """The server itself uses `ice_servers`, too; for a server behind NAT."""
    include_loopback: bool = False
    """Also offer 127.0.0.1, for callers on a machine without a network."""
    max_sdp_bytes: Annotated[int, Field(ge=4096)] = 65_536
    """Largest offer taken."""
    connect_timeout_s: Annotated[float, Field(gt=0)] = 15.0
    """Time from the answer to a working connection before the call is given up."""
    dead_peer_s: Annotated[float, Field(ge=1, le=60)] = 4.5
    """A peer that sends nothing for this long is taken to be gone."""
    resume_grace_s: Annotated[float, Field(ge=0)] = 30.0
    """A call whose peer is gone waits this long to be taken up again."""
    speech_lead_s: Annotated[float, Field(gt=0, le=2)] = 0.2
    """Speech handed to the track ahead of what the listener has heard."""
    frames_per_s: Annotated[float, Field(gt=0, le=10)] = 2.0
    """Camera frames decoded; the newest of each second is what the model sees."""

    @model_validator(mode="after")
    def _relays_have_a_secret(self) -> WebRtcConfig:
        schemes = ("stun:", "stuns:", "turn:", "turns:")
        if wrong := [url for url in self.ice_servers if not url.startswith(schemes)]:
            raise ValueError(f"{wrong[0]!r} is no ICE server; write stun:host or turn:host:port")
        if not self.turn_secret and any(url.startswith("turn") for url in self.ice_servers):
            raise ValueError("a TURN server needs turn_secret, coturn's static-auth-secret")
        return self


class CheckpointConfig(Section):
    """Which model is loaded, and onto what."""

    path: str = "pocket"
    """Checkpoint folder in the layout of `openbmb/MiniCPM-o-2_6`, or `pocket` for the default."""
    device: str = "auto"
    """`cpu`, `cuda`, `cuda:N` or `auto`."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Arithmetic of the networks; `auto` is bfloat16 on CUDA and float32 on CPU."""
    threads: Annotated[int, Field(ge=0)] = 0
    """CPU threads of the model; 0 leaves one core to the gateway."""


class EngineConfig(Section):
    """The process that owns the device."""

    placement: Literal["process", "thread"] = "process"
    """`process`: a crash of the model leaves the server up; `thread`: everything in one process."""
    max_pending_commands: Annotated[int, Field(ge=16)] = 4096
    """Commands waiting for the engine, over all sessions, before new ones are refused."""
    max_pending_units: Annotated[int, Field(ge=2)] = 30
    """Units of one session waiting for prefill before further ones are refused."""
    max_batch_rows: Annotated[int, Field(ge=1)] = 64
    """Sessions in one batched step."""
    speech_lead_s: Annotated[float, Field(gt=0)] = 30.0
    """Speech generated ahead of the listener before a response pauses."""
    restart_limit: Annotated[int, Field(ge=0)] = 5
    """Restarts within `restart_window_s` before the server gives up on the engine."""
    restart_window_s: Annotated[float, Field(gt=0)] = 300.0
    """See `restart_limit`."""
    heartbeat_s: Annotated[float, Field(gt=0)] = 0.25
    """How often the engine process is looked at."""
    start_timeout_s: Annotated[float, Field(gt=0)] = 600.0
    """Time the engine gets to load the checkpoint."""


class ContextConfig(Section):
    """How much of a call the model remembers."""

    capacity_tokens: Annotated[int, Field(ge=512)] = 8192
    """Positions of one session's row."""
    high_tokens: Annotated[int, Field(ge=256)] = 6144
    """Past this many positions the oldest units are evicted."""
    low_tokens: Annotated[int, Field(ge=128)] = 4096
    """Eviction goes down to this many positions; the system prompt always stays."""

    @model_validator(mode="after")
    def _ordered(self) -> ContextConfig:
        if not self.low_tokens < self.high_tokens < self.capacity_tokens:
            raise ValueError("low_tokens < high_tokens < capacity_tokens must hold")
        return self


class SessionConfig(Section):
    """How many calls, how long, and how they begin."""

    max_sessions: Annotated[int, Field(ge=1)] = 4
    """Calls at once; each takes one row of the engine's memory."""
    idle_timeout_s: Annotated[float, Field(gt=0)] = 300.0
    """A session without any input or output for this long is closed."""
    max_backlog_s: Annotated[float, Field(ge=1)] = 10.0
    """Audio a client may be ahead of real time before it is told to slow down."""
    mode: Literal["omni", "audio"] = "omni"
    """Units with a frame (`omni`) or of audio alone (`audio`), unless the client chooses."""
    language: Literal["en", "zh"] = "en"
    """Language of the system prompt, unless the client chooses."""
    voice: Annotated[str, Field(min_length=1)] = DEFAULT_VOICE
    """`default` (the checkpoint's own) or one of its named voices, unless the client chooses."""
    hd: bool = False
    """Encode the last frame before an answer in up to 9 slices."""


class TurnConfig(Section):
    """When the user's turn starts and ends, in audio time."""

    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Speech probability at which a window counts as speech."""
    min_speech_s: Annotated[float, Field(gt=0, le=5)] = 0.128
    """Speech needed to start a turn."""
    min_silence_s: Annotated[float, Field(gt=0, le=5)] = 0.5
    """Silence after speech that ends the turn."""
    prefix_padding_s: Annotated[float, Field(ge=0, le=5)] = 0.3
    """Audio before the detected start that belongs to the turn."""
    interrupt_response: bool = True
    """Speech during an answer stops it."""
    create_response: bool = True
    """Answer by itself when a turn ends."""


class PlayoutConfig(Section):
    """How speech is handed to the client."""

    lead_s: Annotated[float, Field(gt=0)] = 5.0
    """Audio sent ahead of what the listener has heard, over WebSocket."""


class ResponseConfig(Section):
    """How answers are generated, unless the client chooses."""

    temperature: Annotated[float, Field(ge=0, le=2)] = 0.7
    """0 is greedy: the same input gives the same answer."""
    top_p: Annotated[float, Field(gt=0, le=1)] = 0.8
    """Nucleus of the text distribution."""
    top_k: Annotated[int, Field(ge=0)] = 100
    """Most likely text tokens kept; 0 keeps all."""
    repetition_penalty: Annotated[float, Field(gt=0, le=2)] = 1.05
    """Above 1 makes repeated text less likely."""
    speech_greedy: bool = False
    """Draw speech codes by argmax."""
    seed: int | None = None
    """Seed of every response's random draws; unset draws anew each time."""
    max_output_tokens: Annotated[int, Field(ge=1, le=4096)] = 512
    """Text tokens of one answer."""


class LogConfig(Section):
    """What is written to standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severe level shown."""


class Config(Section):
    """All settings of one server."""

    server: ServerConfig = Field(default_factory=ServerConfig)
    access: AccessConfig = Field(default_factory=AccessConfig)
    feedback: FeedbackConfig = Field(default_factory=FeedbackConfig)
    webrtc: WebRtcConfig = Field(default_factory=WebRtcConfig)
    checkpoint: CheckpointConfig = Field(default_factory=CheckpointConfig)
    engine: EngineConfig = Field(default_factory=EngineConfig)
    context: ContextConfig = Field(default_factory=ContextConfig)
    session: SessionConfig = Field(default_factory=SessionConfig)
    turn: TurnConfig = Field(default_factory=TurnConfig)
    playout: PlayoutConfig = Field(default_factory=PlayoutConfig)
    response: ResponseConfig = Field(default_factory=ResponseConfig)
    log: LogConfig = Field(default_factory=LogConfig)


def load_config(
    toml_file: Path | None = None,
    overrides: dict[str, Any] | None = None,
    environment: dict[str, str] | None = None,
) -> Config:
    """Settings from a TOML file, the environment and the command line.

    Args:
        toml_file: A file of `configs/`, or None for defaults.
        overrides: What the command line says, nested by section; wins over everything.
        environment: Variables to read instead of the process's.

    Raises:
        ConfigurationError: A file is unreadable, a key unknown or a value out of range; the text
            names the key.
    """
    merged: dict[str, Any] = {}
    if toml_file is not None:
        try:
            merged = tomllib.loads(toml_file.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigurationError(f"cannot read {toml_file}: {error.strerror}") from error
        except tomllib.TOMLDecodeError as error:
            raise ConfigurationError(f"{toml_file} is not valid TOML: {error}") from error
    variables = dict(os.environ) if environment is None else environment
    _merge(merged, _from_environment(variables))
    _merge(merged, overrides or {})
    try:
        return Config.model_validate(merged)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()
        )
        raise ConfigurationError(f"invalid settings: {problems}") from error


def _from_environment(variables: dict[str, str]) -> dict[str, Any]:
    """Nested settings named by ``OMNICALL_SECTION__KEY`` variables."""
    nested: dict[str, Any] = {}
    for name, value in variables.items():
        section, separator, key = name.removeprefix(ENVIRONMENT_PREFIX).partition(NESTING)
        if name.startswith(ENVIRONMENT_PREFIX) and separator:
            nested.setdefault(section.lower(), {})[key.lower()] = value
    return nested


def _merge(base: dict[str, Any], other: dict[str, Any]) -> None:
    """Lay ``other`` over ``base``, section by section."""
    for key, value in other.items():
        if isinstance(value, dict) and isinstance(base.get(key), dict):
            _merge(base[key], value)
        else:
            base[key] = value
