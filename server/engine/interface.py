"""What crosses the border between the session side and the engine.

Frozen dataclasses that pickle; no tensors, no asyncio. Commands are ordered per session: a
``Prefill`` sent after a ``Respond`` waits until the response is done or cancelled. Every event of
a response carries its ``response_id``; whoever no longer wants that response drops it by identity.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

Mode = Literal["omni", "audio"]
"""``omni``: units of one frame and one second of audio; ``audio``: units of audio alone."""
Language = Literal["en", "zh"]
Role = Literal["user", "system", "assistant"]
Mark = int
"""Opaque name of a moment in a session's history, given out by the engine."""


# --- what a session and a response are made of


@dataclass(frozen=True, slots=True)
class SessionSpec:
    """How a session starts: becomes the system prompt."""

    mode: Mode = "omni"
    language: Language = "en"
    instructions: str | None = None
    """Replaces the task sentence of the mode's own system prompt; None keeps it."""
    voice_pcm: bytes = b""
    """Reference audio whose voice the model takes on, 16-bit little-endian mono at 16 kHz, at most
    30 s; empty for the checkpoint's own voice."""
    hd: bool = False
    """Encode the last frame before a response in up to 9 slices instead of one."""


@dataclass(frozen=True, slots=True)
class SamplingSpec:
    """How text tokens are drawn. ``temperature == 0`` means greedy."""

    temperature: float = 0.7
    top_p: float = 0.8
    top_k: int = 100
    repetition_penalty: float = 1.05
    speech_greedy: bool = False
    """Draw speech codes by argmax instead of sampling: reproducible, less lively."""
    seed: int | None = None
    """Makes a sampled response reproducible."""


@dataclass(frozen=True, slots=True)
class ResponseSpec:
    """What is wanted of one response."""

    audio: bool = True
    """False: text only."""
    max_output_tokens: int = 512
    sampling: SamplingSpec = field(default_factory=SamplingSpec)


@dataclass(frozen=True, slots=True)
class ImageFrame:
    """One picture, 8 bits a channel, RGB rows from the top."""

    width: int
    height: int
    rgb: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class InputUnit:
    """One model input step: up to 1 s of audio and at most one frame."""

    index: int
    """Counts the units of a session from 0."""
    audio_pcm: bytes = field(default=b"", repr=False)
    """16-bit little-endian mono at 16 kHz; 32,000 bytes for a full unit, fewer for a last one."""
    image: ImageFrame | None = None


@dataclass(frozen=True, slots=True)
class TextMessage:
    """Typed text (and pictures) of one role."""

    role: Role
    text: str
    images: tuple[ImageFrame, ...] = ()


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What runs behind the engine; sent once it is ready."""

    checkpoint: str
    trained: bool
    device: str
    dtype: str
    n_rows: int
    context_tokens: int
    parameters: int
    load_s: float
    voices: Mapping[str, bytes] = field(default_factory=dict, repr=False, hash=False)
    """Recordings the checkpoint brings, by name, as ``SessionSpec.voice_pcm`` takes them."""

    @property
    def label(self) -> str:
        """Name shown to people and clients; says so when the weights are random."""
        return self.checkpoint if self.trained else f"{self.checkpoint}-untrained"


# --- commands


@dataclass(frozen=True, slots=True)
class Open:
    """Take a row and prefill the system prompt. Answered by ``Opened`` or ``SessionLost``."""

    session_id: str
    spec: SessionSpec


@dataclass(frozen=True, slots=True)
class Prefill:
    """Append a unit or a message to the history. Answered by ``UnitPrefilled``."""

    session_id: str
    content: InputUnit | TextMessage
    deadline_s: float = 1.0
    """Seconds from now by which it should be done; it decides the order, nothing is dropped."""


@dataclass(frozen=True, slots=True)
class Respond:
    """Answer what was prefilled. Answered by chunks and one ``ResponseDone``."""

    session_id: str
    response_id: str
    spec: ResponseSpec = field(default_factory=ResponseSpec)


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stop a response within one audio chunk; jumps the session's queue.

    Answered by its ``ResponseDone`` with status ``cancelled``; unknown or finished ids are ignored.
    Text that left before it stays in the history, to be shortened by ``Rewind``; if none left, the
    response leaves no trace.
    """

    session_id: str
    response_id: str


@dataclass(frozen=True, slots=True)
class Rewind:
    """Make the history what it was at ``mark``. Cancels a running response first.

    Answered by ``Rewound``, or ``CommandRejected`` when the mark has expired (evicted, reset, or
    its audio context was overwritten).
    """

    session_id: str
    mark: Mark


@dataclass(frozen=True, slots=True)
class Reset:
    """Forget everything after the system prompt. Cancels a running response first.

    Answered by ``WasReset``. Prefills queued before it are dropped.
    """

    session_id: str


@dataclass(frozen=True, slots=True)
class Close:
    """Give the row back. Cancels a running response. Not answered."""

    session_id: str


Command = Open | Prefill | Respond | Cancel | Rewind | Reset | Close


# --- events


@dataclass(frozen=True, slots=True)
class Opened:
    """The session has a row and its system prompt is in the cache."""

    session_id: str
    mark: Mark
    n_tokens: int


@dataclass(frozen=True, slots=True)
class UnitPrefilled:
    """A unit or message is in the cache."""

    session_id: str
    unit_index: int | None
    """None for a ``TextMessage``."""
    mark: Mark
    """The history up to and including this unit."""
    n_tokens: int
    context_tokens: int
    """Positions the row holds now."""
    queue_s: float
    compute_s: float
    late: bool
    """It was done after its deadline."""


@dataclass(frozen=True, slots=True)
class TextChunk:
    """Text of a response, as it is decoded; complete characters only."""

    session_id: str
    response_id: str
    text: str
    mark: Mark
    """Rewinding here keeps the response up to and including this text."""


@dataclass(frozen=True, slots=True)
class AudioChunk:
    """Speech of a response."""

    session_id: str
    response_id: str
    pcm: bytes = field(repr=False)
    """16-bit little-endian mono at 24 kHz."""
    text_end: int
    """Characters of the response's text that have been given to the speech decoder so far."""


class ResponseStatus(StrEnum):
    """How a response ended."""

    COMPLETED = "completed"
    CANCELLED = "cancelled"
    INCOMPLETE = "incomplete"
    """Stopped at ``max_output_tokens`` or at the speech length limit."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one response."""

    input_tokens: int = 0
    """Positions in the context when the response began, its prompt included."""
    text_tokens: int = 0
    audio_tokens: int = 0
    """Speech frames (each is 4 codes and 512 samples at 24 kHz)."""


@dataclass(frozen=True, slots=True)
class ResponseTimings:
    """Seconds, counted from the moment the engine received ``Respond``."""

    queue_s: float = 0.0
    ttft_s: float | None = None
    """To the first text token."""
    ttfa_s: float | None = None
    """To the first audio sample handed out."""
    total_s: float = 0.0
    audio_s: float = 0.0
    """Length of the speech."""

    @property
    def rtf(self) -> float | None:
        """Generation time over audio time; None without audio."""
        return self.total_s / self.audio_s if self.audio_s else None


@dataclass(frozen=True, slots=True)
class ResponseDone:
    """The last event of a response."""

    session_id: str
    response_id: str
    status: ResponseStatus
    reason: str | None = None
    usage: Usage = field(default_factory=Usage)
    timings: ResponseTimings = field(default_factory=ResponseTimings)
    mark: Mark | None = None
    """The history with the whole response in it; None when it left no trace."""


@dataclass(frozen=True, slots=True)
class Rewound:
    """The history is what it was at ``mark``."""

    session_id: str
    mark: Mark


@dataclass(frozen=True, slots=True)
class WasReset:
    """The history is the system prompt alone."""

    session_id: str
    mark: Mark


@dataclass(frozen=True, slots=True)
class Evicted:
    """Old units left the context to make room; marks inside them have expired."""

    session_id: str
    n_tokens: int
    context_tokens: int


@dataclass(frozen=True, slots=True)
class CommandRejected:
    """One command could not be done; the session is as it was before it."""

    session_id: str
    command: str
    """Class name of the command."""
    code: str
    message: str
    response_id: str | None = None
    unit_index: int | None = None


@dataclass(frozen=True, slots=True)
class SessionLost:
    """The engine no longer holds this session; nothing more will come for it."""

    session_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class EngineReady:
    """The model is loaded and commands are taken."""

    info: EngineInfo


@dataclass(frozen=True, slots=True)
class EngineFailed:
    """The engine died or cannot start; every session it held is lost."""

    reason: str


SessionEvent = (
    Opened
    | UnitPrefilled
    | TextChunk
    | AudioChunk
    | ResponseDone
    | Rewound
    | WasReset
    | Evicted
    | CommandRejected
    | SessionLost
)
EngineEvent = SessionEvent | EngineReady | EngineFailed
