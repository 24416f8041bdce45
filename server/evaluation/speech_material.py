"""Everything that has to be synthesised before calls are placed: questions and reference voices."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from model.pocket_checkpoint import cache_folder
from model.training.speech_data.augmentation import MODEL_HZ
from model.training.speech_data.cache import ClipCache, FillProgress
from model.training.speech_data.clips import Clip, to_pcm
from model.training.speech_data.reply_voices import (
    EVALUATION_REFERENCES,
    REPLY_VOICES,
    SPEECH_HZ,
    ReplyVoice,
    reference_clip,
)
from model.training.speech_data.synthesis import MissingProgramError, SpeechRequest
from model.training.speech_data.voices import VOICES, Engine, voice_named
from server.errors import OmnicallError
from server.evaluation.call_runner import VoiceReference
from server.evaluation.conditions import PlannedCall

CACHE_VARIABLE = "OMNICALL_CACHE_DIR"
TRIAL = "yes"
"""Said once in every voice to see whether it is there."""


class SynthesizerMissingError(OmnicallError):
    """A speech program is needed that is not installed."""

    code = "synthesizer_missing"


@contextmanager
def clip_folder() -> Iterator[Path]:
    """Where clips are kept: below ``$OMNICALL_CACHE_DIR``, or only until the end of the block."""
    if os.environ.get(CACHE_VARIABLE):
        yield cache_folder() / "evaluation-clips"
        return
    with TemporaryDirectory(prefix="omnicall-clips-") as folder:
        yield Path(folder)


class SpeechMaterial:
    """Clips of one evaluation, each synthesised once.

    Questions are kept at 16 kHz, what the model's voices say at 24 kHz.
    """

    def __init__(self, folder: Path) -> None:
        """Keep the clips in ``folder``; those of an earlier evaluation are used again."""
        self._questions = ClipCache(folder / "questions", MODEL_HZ)
        self._replies = ClipCache(folder / "replies", SPEECH_HZ)

    def fill(
        self, plan: Iterable[PlannedCall], report: Callable[[FillProgress], None] | None = None
    ) -> None:
        """Say all questions of a plan.

        Raises:
            SynthesizerMissingError: A voice's program is not installed.
        """
        _fill(self._questions, [r for planned in plan for r in planned.requests()], report)

    def question(self, request: SpeechRequest) -> Clip:
        """A question that was said before; safe in any thread."""
        return self._questions.read(request)

    def say_replies(self, requests: Sequence[SpeechRequest]) -> list[Clip]:
        """What voices of the model say, at 24 kHz.

        Raises:
            SynthesizerMissingError: A voice's program is not installed.
        """
        _fill(self._replies, requests)
        return [self._replies.read(request) for request in requests]

    def references(self, texts: Sequence[str] = EVALUATION_REFERENCES) -> list[VoiceReference]:
        """Reference audio of every voice of the model, of sentences that training never heard.

        Raises:
            SynthesizerMissingError: A voice's program is not installed.
        """
        return [
            VoiceReference(voice.name, self._reference(voice, text))
            for text in texts
            for voice in REPLY_VOICES
        ]

    def _reference(self, voice: ReplyVoice, text: str) -> bytes:
        clip = reference_clip(voice, text, lambda request: self.say_replies([request])[0])
        return to_pcm(clip.samples).astype("<i2").tobytes()


def missing_voices(engines: Iterable[Engine]) -> str | None:
    """Why the voices of some programs cannot speak here, or None where all of them can.

    A program may be there without its voices, which are packages of their own.
    """
    wanted = set(engines)
    heard = {voice.engine: voice.name for voice in reversed(tuple(VOICES.values()))}
    names = [heard[engine] for engine in Engine if engine in wanted]
    if Engine.FESTIVAL in wanted:
        names += [v.name for v in VOICES.values() if v.engine is Engine.FESTIVAL]
    # Through a cache, as all speech here: the programs cannot be started twice in one process.
    with TemporaryDirectory(prefix="omnicall-trial-") as folder:
        try:
            _fill(ClipCache(Path(folder), MODEL_HZ), [SpeechRequest(name, TRIAL) for name in names])
        except SynthesizerMissingError as error:
            return error.message
    return None


def _fill(
    clips: ClipCache,
    requests: Sequence[SpeechRequest],
    report: Callable[[FillProgress], None] | None = None,
) -> None:
    try:
        clips.fill(requests, report=report)
    except MissingProgramError as error:
        raise SynthesizerMissingError(
            f"{error}. 'make voices' installs every speech program; without them, evaluate with "
            "--conditions typed,pictures,memory,outside --speech 0"
        ) from error


def reply_engines() -> frozenset[Engine]:
    """Programs of the model's own voices."""
    return frozenset(voice_named(voice.voice).engine for voice in REPLY_VOICES)
