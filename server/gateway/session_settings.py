"""From the dialect's session object to the session's options, and back for the defaults."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from server.config import DEFAULT_VOICE, Config
from server.engine.interface import EngineInfo, SamplingSpec
from server.errors import ProtocolError
from server.media.pcm import MODEL_HZ, bytes_from_samples, samples_from_bytes
from server.media.resampler import Resampler
from server.protocol.client_events import ResponseWishes
from server.protocol.session_object import (
    VOICE_PARAM,
    VOICE_RATE_HZ,
    Sampling,
    ServerVad,
    SessionObject,
    WireVoice,
    no_such_voice,
    refuse_tools,
    voice_in_effect,
)
from server.protocol.session_patch import MAX_OUTPUT_TOKENS, MaxOutputTokens
from server.session.options import ResponseOverrides, SessionOptions, TurnOptions, Voice


def default_settings(config: Config, model: str, info: EngineInfo | None = None) -> SessionObject:
    """What a session begins with.

    Args:
        config: The server's settings.
        model: Name of the model.
        info: What runs behind the engine, and the voices it brings; None before it is loaded.
    """
    turn = config.turn
    response = config.response.model_dump()
    max_output_tokens = response.pop("max_output_tokens")
    return SessionObject(
        model=model,
        max_output_tokens=max_output_tokens,
        turn_detection=ServerVad(
            threshold=turn.threshold,
            prefix_padding_ms=round(turn.prefix_padding_s * 1000),
            silence_duration_ms=round(turn.min_silence_s * 1000),
            create_response=turn.create_response,
            interrupt_response=turn.interrupt_response,
        ),
        mode=config.session.mode,
        language=config.session.language,
        hd=config.session.hd,
        voice=WireVoice(config.session.voice),
        sampling=Sampling(**response),
        voices={} if info is None else info.voices,
    )


def opening_settings(
    config: Config,
    model: str,
    chosen: SessionObject | None,
    info: EngineInfo | None = None,
) -> SessionObject:
    """What a call begins with: what its secret was made for, else the server's defaults.

    Args:
        config: The server's settings.
        model: Name of the model as it is loaded now; the secret may be older.
        chosen: The configuration an ephemeral secret brought, if one did.
        info: As for :func:`default_settings`.

    Raises:
        ProtocolError: The secret names a voice that the checkpoint no longer brings.
    """
    defaults = default_settings(config, model, info)
    if chosen is None:
        return defaults
    voice, voices = chosen.voice, defaults.voices
    if info is not None and not (voice.pcm or voice.name == DEFAULT_VOICE or voice.name in voices):
        raise no_such_voice(voice.name, voices, VOICE_PARAM)
    return replace(chosen, model=model, voices=voices)


def session_options(settings: SessionObject, config: Config) -> SessionOptions:
    """What the session is told when this is in effect."""
    detection = settings.turn_detection
    sampling = settings.sampling
    return SessionOptions(
        mode=settings.mode,
        language=settings.language,
        instructions=settings.instructions or None,
        voice=_voice(settings),
        hd=settings.hd,
        output_audio=settings.output_modality == "audio",
        turn_detection=None
        if detection is None
        else TurnOptions(
            threshold=detection.threshold,
            min_speech_s=config.turn.min_speech_s,
            min_silence_s=detection.silence_duration_ms / 1000,
            prefix_padding_s=detection.prefix_padding_ms / 1000,
            interrupt_response=detection.interrupt_response,
            create_response=detection.create_response,
        ),
        sampling=SamplingSpec(
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            top_k=sampling.top_k,
            repetition_penalty=sampling.repetition_penalty,
            speech_greedy=sampling.speech_greedy,
            seed=sampling.seed,
        ),
        max_output_tokens=_tokens(settings.max_output_tokens),
    )


def response_overrides(
    wishes: ResponseWishes | None, settings: SessionObject
) -> ResponseOverrides | None:
    """What the session is told about one response.

    Raises:
        ProtocolError: A wish that would be neglected: an answer outside the conversation or to
            other input, tools, prompt templates, another voice or format than the session's.
    """
    if wishes is None:
        return None
    if wishes.conversation not in (None, "auto"):
        raise _unsupported(
            "answers belong to the conversation; conversation is 'auto'", "conversation"
        )
    if wishes.input is not None:
        raise _unsupported(
            "an answer is to the whole conversation; add input with conversation.item.create",
            "input",
        )
    refuse_tools(wishes.tools, wishes.tool_choice, "response")
    if wishes.prompt is not None:
        raise _unsupported("prompt templates are not supported; send instructions", "prompt")
    output = wishes.audio.output if wishes.audio is not None else None
    if output is not None:
        if output.format is not None and output.format != settings.output_format:
            raise _unsupported(
                "the format is the session's; change it with session.update", "audio.output.format"
            )
        param = "response.audio.output.voice"
        if (
            output.voice is not None
            and voice_in_effect(output.voice, settings, param) != settings.voice
        ):
            raise _unsupported(
                "the voice is the session's; choose it with session.update before the first answer",
                "audio.output.voice",
            )
    return ResponseOverrides(
        output_audio=None
        if wishes.output_modalities is None
        else wishes.output_modalities == ["audio"],
        max_output_tokens=None
        if wishes.max_output_tokens is None
        else _tokens(wishes.max_output_tokens),
        instructions=wishes.instructions or None,
    )


def _voice(settings: SessionObject) -> Voice | None:
    """The voice at the model's rate; None for the checkpoint's own."""
    voice = settings.voice
    if not voice.pcm:
        # Names are checked before. Those that came before the checkpoint was loaded have no
        # recording here, and until then no session begins.
        pcm = settings.voices.get(voice.name)
        return None if pcm is None else Voice(voice.name, pcm)
    resampler = Resampler(VOICE_RATE_HZ, MODEL_HZ)
    recording = np.concatenate([resampler.push(samples_from_bytes(voice.pcm)), resampler.flush()])
    return Voice(voice.name, bytes_from_samples(recording))


def _tokens(limit: MaxOutputTokens) -> int:
    return MAX_OUTPUT_TOKENS if limit == "inf" else limit


def _unsupported(message: str, field_name: str) -> ProtocolError:
    return ProtocolError(message, code="unsupported_parameter", param=f"response.{field_name}")
