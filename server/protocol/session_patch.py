"""What a client may change of its session: the ``session`` of ``session.update``."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from server.protocol.audio_formats import AudioFormat
from server.protocol.wire_model import ClientModel

OutputModalities = Annotated[list[Literal["text", "audio"]], Field(min_length=1, max_length=1)]
"""``["audio"]``, which includes its transcript, or ``["text"]``; never both."""
MAX_OUTPUT_TOKENS = 4096
MaxOutputTokens = Annotated[int, Field(ge=1, le=MAX_OUTPUT_TOKENS)] | Literal["inf"]
MAX_INSTRUCTIONS_CHARACTERS = 32_768
MAX_LIST_ENTRIES = 128
MAX_SEED = 2**63 - 1

Extension = Literal["unit.prefilled", "response.timings"]
"""Server events beyond the dialect; sent to whoever asks for them."""
Mode = Literal["omni", "audio"]
Language = Literal["en", "zh"]


class TurnDetectionPatch(ClientModel):
    """Fields of both kinds of turn detection."""

    type: Literal["server_vad", "semantic_vad"]
    threshold: Annotated[float, Field(gt=0, lt=1)] | None = None
    prefix_padding_ms: Annotated[int, Field(ge=0, le=5000)] | None = None
    silence_duration_ms: Annotated[int, Field(ge=1, le=5000)] | None = None
    create_response: bool | None = None
    interrupt_response: bool | None = None
    eagerness: Literal["low", "medium", "high", "auto"] | None = None
    idle_timeout_ms: int | None = None


class VoiceReference(ClientModel):
    """A voice by id, or one to take on from a recording (extension)."""

    id: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    reference_audio: str | None = None
    """Recording of the voice: base64 of 16-bit little-endian mono at 24 kHz, at most 30 s."""


VoicePatch = str | VoiceReference


class AudioInputPatch(ClientModel):
    """How the microphone is heard."""

    format: AudioFormat | None = None
    turn_detection: TurnDetectionPatch | None = None
    noise_reduction: dict[str, Any] | None = None
    transcription: dict[str, Any] | None = None


class AudioOutputPatch(ClientModel):
    """How the answer sounds."""

    format: AudioFormat | None = None
    voice: VoicePatch | None = None
    speed: float | None = None


class AudioPatch(ClientModel):
    """Both directions."""

    input: AudioInputPatch | None = None
    output: AudioOutputPatch | None = None


class SamplingPatch(ClientModel):
    """How answers are drawn (extension)."""

    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    repetition_penalty: Annotated[float, Field(gt=0, le=2)] | None = None
    speech_greedy: bool | None = None
    seed: Annotated[int, Field(ge=0, le=MAX_SEED)] | None = None
    """Null draws anew for each response."""


class SessionPatch(ClientModel):
    """The ``session`` of ``session.update``."""

    type: Literal["realtime"]
    id: str | None = None
    object: str | None = None
    model: str | None = None
    instructions: Annotated[str, Field(max_length=MAX_INSTRUCTIONS_CHARACTERS)] | None = None
    output_modalities: OutputModalities | None = None
    max_output_tokens: MaxOutputTokens | None = None
    audio: AudioPatch | None = None
    tools: list[Any] | None = None
    tool_choice: Any = None
    parallel_tool_calls: bool | None = None
    prompt: Any = None
    reasoning: Any = None
    tracing: Any = None
    truncation: Any = None
    include: list[Any] | None = None
    mode: Mode | None = None
    language: Language | None = None
    hd: bool | None = None
    sampling: SamplingPatch | None = None
    extensions: Annotated[list[Extension], Field(max_length=MAX_LIST_ENTRIES)] | None = None
