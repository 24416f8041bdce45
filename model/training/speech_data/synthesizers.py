"""Says a text in a voice, by whichever program the voice belongs to."""

from __future__ import annotations

from collections.abc import Sequence

from model.training.speech_data.clips import Clip
from model.training.speech_data.espeak import EspeakSynthesizer
from model.training.speech_data.festival import FestivalSynthesizer
from model.training.speech_data.flite import FliteSynthesizer
from model.training.speech_data.synthesis import (
    FASTEST,
    HIGHEST,
    LOWEST,
    SLOWEST,
    MissingProgramError,
    SpeechRequest,
    Synthesizer,
)
from model.training.speech_data.voices import Engine, voice_named


class SpeechSynthesizer:
    """All engines behind one door; an engine is started when it is first needed.

    Belongs to one thread and one process: the engines keep state behind C libraries.
    """

    def __init__(self) -> None:
        self._engines: dict[Engine, Synthesizer] = {}

    def speak(self, request: SpeechRequest) -> Clip:
        """Say one utterance.

        Raises:
            ValueError: The voice is not known, or text, rate or pitch cannot be spoken.
            MissingProgramError: The voice's program is not installed.
        """
        return self.speak_all([request])[0]

    def speak_all(self, requests: Sequence[SpeechRequest]) -> list[Clip]:
        """Say many utterances, of any voices, in the order given; faster than one at a time.

        Raises:
            ValueError: A voice is not known, or a text, rate or pitch cannot be spoken.
            MissingProgramError: A voice's program is not installed.
        """
        by_engine: dict[Engine, list[int]] = {}
        for index, request in enumerate(requests):
            _check(request)
            by_engine.setdefault(voice_named(request.voice).engine, []).append(index)
        clips: dict[int, Clip] = {}
        for engine, indices in by_engine.items():
            spoken = self._engine(engine).speak([requests[i] for i in indices])
            clips.update(zip(indices, spoken, strict=True))
        return [clips[index] for index in range(len(requests))]

    def _engine(self, engine: Engine) -> Synthesizer:
        if engine not in self._engines:
            self._engines[engine] = start_engine(engine)
        return self._engines[engine]


def start_engine(engine: Engine) -> Synthesizer:
    """Start one program.

    Raises:
        MissingProgramError: It is not installed.
    """
    match engine:
        case Engine.FLITE:
            return FliteSynthesizer()
        case Engine.ESPEAK:
            return EspeakSynthesizer()
        case Engine.FESTIVAL:
            return FestivalSynthesizer()


def missing_program(engine: Engine) -> str | None:
    """Why an engine cannot speak here, or None where it can."""
    try:
        start_engine(engine)
    except MissingProgramError as error:
        return str(error)
    return None


def _check(request: SpeechRequest) -> None:
    if not request.text.strip() or "\0" in request.text:
        raise ValueError(f"nothing to say in {request.text!r}")
    if not SLOWEST <= request.rate <= FASTEST:
        raise ValueError(f"rate is {SLOWEST} to {FASTEST}, not {request.rate}")
    if not LOWEST <= request.pitch <= HIGHEST:
        raise ValueError(f"pitch is {LOWEST} to {HIGHEST}, not {request.pitch}")
