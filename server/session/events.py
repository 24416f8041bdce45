"""What a session tells the connection attached to it. Domain terms; no wire names."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from server.engine.interface import ResponseStatus, ResponseTimings, Usage


class ResponseTrigger(StrEnum):
    """Why a response began."""

    TURN_ENDED = "turn_ended"
    REQUESTED = "requested"


@dataclass(frozen=True, slots=True)
class TurnStarted:
    """The user began to speak."""

    turn_id: str
    audio_start_s: float
    """Audio time, prefix padding included."""


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """The user's turn is over by the turn detector's decision."""

    turn_id: str
    audio_end_s: float
    """Audio time at which the speech ended."""


@dataclass(frozen=True, slots=True)
class TurnCommitted:
    """The turn's audio is part of the conversation; its last unit was flushed to the engine."""

    turn_id: str
    audio_s: float
    """Length of the audio committed."""


@dataclass(frozen=True, slots=True)
class AudioCleared:
    """Audio that was not yet committed was thrown away."""


@dataclass(frozen=True, slots=True)
class ResponseStarted:
    """A response was asked of the engine."""

    response_id: str
    trigger: ResponseTrigger
    wants_audio: bool


@dataclass(frozen=True, slots=True)
class ResponseText:
    """More text of the response."""

    response_id: str
    text: str


@dataclass(frozen=True, slots=True)
class ResponseAudio:
    """More speech of the response, released by the playout."""

    response_id: str
    pcm: bytes = field(repr=False)
    """16-bit little-endian mono at 24 kHz."""
    start_s: float
    """Where it begins within the response's speech."""


class CancelReason(StrEnum):
    """Why a response was cancelled."""

    TURN_DETECTED = "turn_detected"
    CLIENT_CANCELLED = "client_cancelled"
    SESSION_RESET = "session_reset"
    SESSION_CLOSED = "session_closed"


@dataclass(frozen=True, slots=True)
class ResponseFinished:
    """Nothing more comes for this response. Sent after its last audio was released."""

    response_id: str
    status: ResponseStatus
    reason: str | None
    """A :class:`CancelReason`, or the engine's reason."""
    usage: Usage
    timings: ResponseTimings
    eou_delay_s: float | None
    """End of speech to the decision that the turn is over; None without a detected turn."""
    heard_s: float
    """Speech the listener is taken to have heard when it ended."""


@dataclass(frozen=True, slots=True)
class UnitDone:
    """A unit is in the model's context."""

    unit_index: int
    n_tokens: int
    context_tokens: int
    queue_s: float
    compute_s: float
    late: bool


@dataclass(frozen=True, slots=True)
class Truncated:
    """The history keeps only what was heard of a response."""

    response_id: str
    audio_end_s: float


@dataclass(frozen=True, slots=True)
class HistoryReset:
    """The model remembers nothing but its system prompt."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something the client asked for could not be done; the session goes on."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class SessionEnded:
    """The last event: the session is over."""

    code: str
    """``closed``, ``idle_timeout``, ``deleted``, ``draining``, ``engine_failed``, ``overload`` or
    ``server_error``."""
    message: str


SessionOutput = (
    TurnStarted
    | TurnEnded
    | TurnCommitted
    | AudioCleared
    | ResponseStarted
    | ResponseText
    | ResponseAudio
    | ResponseFinished
    | UnitDone
    | Truncated
    | HistoryReset
    | Problem
    | SessionEnded
)
