"""Every setting of the server, typed, frozen, with its meaning.

Precedence: command line > environment (``OMNICALL_TURN__MIN_SILENCE_S=0.8``) > TOML file >
default. Unknown keys are errors. The README's table is generated from this file.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from server.errors import ConfigurationError

ENVIRONMENT_PREFIX = "OMNICALL_"
NESTING = "__"


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
