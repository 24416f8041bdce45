"""The session object: what is in effect, and what a client's patch makes of it.

Rules of the dialect: only present fields change; ``""`` clears the instructions; null clears the
turn detection; the model never changes; the answer is the full configuration in effect. A wish
that only asks for more quality or more telling (noise reduction, transcription, tracing, semantic
turn detection) is taken and answered with what is done instead; a wish whose neglect would change
what the client gets (tools, prompt templates, speech rate) is refused.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from server.config import DEFAULT_VOICE
from server.errors import ProtocolError
from server.protocol.audio_formats import AudioFormat, PcmFormat
from server.protocol.payload import decode_base64, decoded_bytes
from server.protocol.session_patch import (
    AudioInputPatch,
    AudioOutputPatch,
    Extension,
    Language,
    Mode,
    SamplingPatch,
    SessionPatch,
    TurnDetectionPatch,
    VoicePatch,
    VoiceReference,
)

REFERENCE_VOICE = "reference"
"""Name of a recorded voice that came without one."""
STOCK_VOICES = frozenset(
    {
        DEFAULT_VOICE,
        "alloy",
        "ash",
        "ballad",
        "cedar",
        "coral",
        "echo",
        "marin",
        "sage",
        "shimmer",
        "verse",
    }
)
"""Names stock clients send unasked; each gets the checkpoint's own voice and is told so,
unless the checkpoint brings a voice of that name."""
VOICE_RATE_HZ = 24_000
"""Rate of a voice's recording, the dialect's own."""
MAX_VOICE_S = 30
MAX_VOICE_BYTES = MAX_VOICE_S * VOICE_RATE_HZ * 2
MAX_SHOWN_CHARACTERS = 80
VOICE_PARAM = "session.audio.output.voice"
EAGERNESS_SILENCE_MS = {"high": 300, "low": 1000}
"""Silence that ends a turn for the eagerness of ``semantic_vad``; others keep the default."""


@dataclass(frozen=True, slots=True)
class ServerVad:
    """Turn detection in effect."""

    threshold: float = 0.5
    prefix_padding_ms: int = 300
    silence_duration_ms: int = 500
    create_response: bool = True
    interrupt_response: bool = True

    def to_wire(self) -> dict[str, Any]:
        """The object a client sees."""
        return {
            "type": "server_vad",
            "threshold": self.threshold,
            "prefix_padding_ms": self.prefix_padding_ms,
            "silence_duration_ms": self.silence_duration_ms,
            "create_response": self.create_response,
            "interrupt_response": self.interrupt_response,
            "idle_timeout_ms": None,
        }


@dataclass(frozen=True, slots=True)
class WireVoice:
    """The voice in effect."""

    name: str = DEFAULT_VOICE
    pcm: bytes = field(default=b"", repr=False)
    """Recording the client sent, 16-bit little-endian mono at 24 kHz; empty for a voice of the
    checkpoint."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How answers are drawn."""

    temperature: float = 0.7
    top_p: float = 0.8
    top_k: int = 100
    repetition_penalty: float = 1.05
    speech_greedy: bool = False
    seed: int | None = None

    def to_wire(self) -> dict[str, Any]:
        """The object a client sees."""
        return {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "top_k": self.top_k,
            "repetition_penalty": self.repetition_penalty,
            "speech_greedy": self.speech_greedy,
            "seed": self.seed,
        }


@dataclass(frozen=True, slots=True)
class SessionObject:
    """The full configuration in effect."""

    model: str
    instructions: str = ""
    """Empty: the model's own system prompt."""
    output_modality: Literal["audio", "text"] = "audio"
    max_output_tokens: int | Literal["inf"] = 512
    input_format: AudioFormat = field(default_factory=PcmFormat)
    output_format: AudioFormat = field(default_factory=PcmFormat)
    turn_detection: ServerVad | None = field(default_factory=ServerVad)
    """None: the client commits and asks for responses."""
    voice: WireVoice = field(default_factory=WireVoice)
    mode: Mode = "omni"
    language: Language = "en"
    hd: bool = False
    sampling: Sampling = field(default_factory=Sampling)
    extensions: frozenset[Extension] = frozenset()
    voices: Mapping[str, bytes] = field(default_factory=dict, repr=False, compare=False)
    """What the checkpoint offers, not a choice: recordings by name, 16-bit little-endian mono at
    16 kHz. Empty before it is loaded."""

    def to_wire(self, session_id: str) -> dict[str, Any]:
        """The ``session`` of ``session.created`` and ``session.updated``."""
        detection = self.turn_detection
        return {
            "type": "realtime",
            "object": "realtime.session",
            "id": session_id,
            "model": self.model,
            "instructions": self.instructions,
            "output_modalities": [self.output_modality],
            "max_output_tokens": self.max_output_tokens,
            "audio": {
                "input": {
                    "format": self.input_format.model_dump(),
                    "turn_detection": None if detection is None else detection.to_wire(),
                    "noise_reduction": None,
                    "transcription": None,
                },
                "output": {
                    "format": self.output_format.model_dump(),
                    "voice": self.voice.name,
                    "speed": 1.0,
                },
            },
            "tools": [],
            "tool_choice": "auto",
            "tracing": None,
            "prompt": None,
            "truncation": "auto",
            "include": None,
            "mode": self.mode,
            "language": self.language,
            "hd": self.hd,
            "sampling": self.sampling.to_wire(),
            "extensions": sorted(self.extensions),
        }


def apply_patch(
    current: SessionObject,
    patch: SessionPatch,
    defaults: SessionObject,
    model_names: Collection[str],
) -> SessionObject:
    """The configuration after a ``session.update``; ``current`` stays as it is.

    Args:
        current: What is in effect.
        patch: What the client sent.
        defaults: What the session began with; fills turn detection that comes back after null.
        model_names: Names under which the client may name the model it already has.

    Raises:
        ProtocolError: A wish that cannot be met; nothing of the patch is then in effect.
    """
    _refuse_unsupported(patch, model_names)
    changes: dict[str, Any] = {
        name: value
        for name in ("instructions", "max_output_tokens", "mode", "language", "hd")
        if (value := getattr(patch, name)) is not None
    }
    if patch.output_modalities is not None:
        changes["output_modality"] = patch.output_modalities[0]
    if patch.extensions is not None:
        changes["extensions"] = frozenset(patch.extensions)
    if patch.sampling is not None:
        changes["sampling"] = _with_sampling(current.sampling, patch.sampling)
    if patch.audio is not None:
        if patch.audio.input is not None:
            changes |= _input_changes(current, patch.audio.input, defaults)
        if patch.audio.output is not None:
            changes |= _output_changes(current, patch.audio.output)
    return replace(current, **changes)


def voice_in_effect(wish: VoicePatch, current: SessionObject, param: str) -> WireVoice:
    """The voice a client gets for the one it names.

    Args:
        wish: A name, or a recording.
        current: What is in effect, with the voices there are.
        param: Where the wish stands, for the error.

    Raises:
        ProtocolError: An unknown name or an unusable recording.
    """
    if isinstance(wish, VoiceReference) and wish.reference_audio is not None:
        pcm = _recording(wish.reference_audio, f"{param}.reference_audio")
        return WireVoice(wish.id or REFERENCE_VOICE, pcm)
    name = wish.id if isinstance(wish, VoiceReference) else wish
    if name is None:
        raise ProtocolError(
            "a voice has an id or reference_audio", code="invalid_value", param=param
        )
    if name == current.voice.name:
        return current.voice
    if name in current.voices:
        return WireVoice(name)
    if name in STOCK_VOICES:
        return WireVoice()
    raise no_such_voice(name, current.voices, param)


def no_such_voice(name: str, voices: Collection[str], param: str) -> ProtocolError:
    """What a client is told that names a voice this checkpoint does not bring."""
    known = ", ".join(repr(each) for each in (DEFAULT_VOICE, *voices))
    return ProtocolError(
        f"there is no voice {name[:MAX_SHOWN_CHARACTERS]!r}; name one of {known}, or send "
        '{"reference_audio": base64} to have a recorded voice taken on',
        code="invalid_value",
        param=param,
    )


def _recording(text: str, param: str) -> bytes:
    if decoded_bytes(text) > MAX_VOICE_BYTES + 2:
        raise ProtocolError(
            f"the recording of a voice is at most {MAX_VOICE_S} s long",
            code="invalid_audio",
            param=param,
        )
    pcm = decode_base64(text, param)
    if not pcm or len(pcm) % 2:
        raise ProtocolError(
            "the recording of a voice is whole 16-bit samples, at least one",
            code="invalid_audio",
            param=param,
        )
    return pcm


def _refuse_unsupported(patch: SessionPatch, model_names: Collection[str]) -> None:
    if patch.model is not None and patch.model not in model_names:
        raise ProtocolError(
            "the model of a session cannot change", code="invalid_value", param="session.model"
        )
    refuse_tools(patch.tools, patch.tool_choice, "session")
    if patch.prompt is not None:
        raise _unsupported("prompt templates are not supported; send instructions", "prompt")
    if patch.truncation == "disabled":
        raise _unsupported(
            "old units always make room for new ones; truncation is 'auto'", "truncation"
        )
    output = patch.audio.output if patch.audio is not None else None
    if output is not None and output.speed not in (None, 1):
        raise _unsupported("speech has one speed, 1.0", "audio.output.speed")


def refuse_tools(tools: list[Any] | None, tool_choice: Any, param: str) -> None:
    """Say that there are no tools, where a client depends on them.

    Raises:
        ProtocolError: Tools were given, or their use demanded.
    """
    if tools:
        raise ProtocolError(
            "this model does not call tools", code="unsupported_parameter", param=f"{param}.tools"
        )
    if tool_choice not in (None, "auto", "none"):
        raise ProtocolError(
            "this model does not call tools; tool_choice is 'auto' or 'none'",
            code="unsupported_parameter",
            param=f"{param}.tool_choice",
        )


def _unsupported(message: str, field_name: str) -> ProtocolError:
    return ProtocolError(message, code="unsupported_parameter", param=f"session.{field_name}")


def _with_sampling(current: Sampling, patch: SamplingPatch) -> Sampling:
    changes = {
        name: value
        for name in patch.model_fields_set
        if (value := getattr(patch, name)) is not None or name == "seed"
    }
    return replace(current, **changes)


def _input_changes(
    current: SessionObject, patch: AudioInputPatch, defaults: SessionObject
) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if patch.format is not None:
        changes["input_format"] = patch.format
    if "turn_detection" in patch.model_fields_set:
        changes["turn_detection"] = (
            None
            if patch.turn_detection is None
            else _with_detection(
                current.turn_detection or defaults.turn_detection or ServerVad(),
                patch.turn_detection,
                defaults.turn_detection or ServerVad(),
            )
        )
    return changes


def _with_detection(
    current: ServerVad, patch: TurnDetectionPatch, defaults: ServerVad
) -> ServerVad:
    changes: dict[str, Any] = {
        name: value
        for name in (
            "threshold",
            "prefix_padding_ms",
            "silence_duration_ms",
            "create_response",
            "interrupt_response",
        )
        if (value := getattr(patch, name)) is not None
    }
    if patch.eagerness is not None and "silence_duration_ms" not in changes:
        changes["silence_duration_ms"] = EAGERNESS_SILENCE_MS.get(
            patch.eagerness, defaults.silence_duration_ms
        )
    return replace(current, **changes)


def _output_changes(current: SessionObject, patch: AudioOutputPatch) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if patch.format is not None:
        changes["output_format"] = patch.format
    if patch.voice is not None:
        changes["voice"] = voice_in_effect(patch.voice, current, VOICE_PARAM)
    return changes
