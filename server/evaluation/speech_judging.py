"""Judges the speech of replies: is it understood, is it the right voice, is the vocoder good?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from model.config import SPEECH_SAMPLE_RATE_HZ
from model.loading import load_checkpoint
from model.training.domain.evaluation_set import evaluation_calls
from model.training.speech_data.clips import Clip, from_pcm
from model.training.speech_data.reply_voices import REPLY_VOICES, ReplyVoice
from model.training.speech_data.synthesis import SpeechRequest
from server.evaluation.measures import Figure
from server.evaluation.recogniser import (
    Recogniser,
    WordErrors,
    difference_interval,
    error_rate,
    word_errors,
    words_of,
)
from server.evaluation.report import Report, add_figures
from server.evaluation.resynthesis import Quality, mean_quality, quality_of, resynthesise
from server.evaluation.scoring import PlacedCall, Score
from server.evaluation.speech_material import SpeechMaterial
from server.evaluation.transcripts import choose_calls, transcript_json
from server.evaluation.voice_likeness import UnusableSpeechError, VoiceJudge, voice_print

N_RESYNTHESISED = 12
"""Clips of each voice; sentences of the evaluation's questions, which no voice says in training."""
FEWEST_WORDS = 5
N_PRINTS = 12
"""Clips of each voice the voice judge learns from, and as many again to try it on."""

Progress = Callable[[str], None]


def judge_speech(
    report: Report,
    spoken: Sequence[PlacedCall],
    speech: SpeechMaterial,
    checkpoint: Path,
    progress: Progress,
) -> None:
    """Judge replies and vocoder; puts figures and transcripts into ``report``.

    Args:
        report: Of the same evaluation.
        spoken: Calls whose last answer was spoken; one at least.
        speech: Says what the teachers' voices say.
        checkpoint: Whose vocoder and codec are judged.
        progress: Told what is going on.

    Raises:
        SynthesizerMissingError: A teacher's voice is not installed.
    """
    heard = _Hearing(speech, progress)
    heard.listen(spoken)
    voices = _judge_voices(spoken, speech, progress)
    vocoder = _judge_vocoder(checkpoint, speech, progress)
    report["speech"] = {
        "replies": len(spoken),
        "intelligibility": heard.as_json(),
        "right_voice": voices,
        "resynthesis": vocoder,
    }
    add_figures(report, _figures(report["speech"]))
    report["transcripts"] = [
        transcript_json(spoken[place], heard.texts[place]) for place in choose_calls(spoken)
    ]


def _figures(judged: Report) -> dict[str, Figure]:
    figures = {}
    words = judged["intelligibility"]
    if words["n"]:
        figures["intelligibility"] = Figure(
            words["difference"], words["n"], words["low_95"], words["high_95"]
        )
    score = judged["right_voice"]["score"]
    figures["right_voice"] = Figure(score["percent"], score["n"], score["low_95"], score["high_95"])
    vocoder = judged["resynthesis"]
    if vocoder["n"]:
        figures["pesq"] = Figure(vocoder["vocoder"]["pesq"], vocoder["n"])
        figures["stoi"] = Figure(vocoder["vocoder"]["stoi"], vocoder["n"])
    return figures


# --- is it understood?


@dataclass(frozen=True, slots=True)
class HeardReply:
    """What a recogniser made of one text, said by the model and by its teacher."""

    voice: str
    """Who was to say it."""
    reply: WordErrors
    """Of the model's speech."""
    teacher: WordErrors
    """Of the teacher's."""


class _Hearing:
    def __init__(self, speech: SpeechMaterial, progress: Progress) -> None:
        self.texts: list[str] = []
        """What was heard of every reply."""
        self._judged: list[HeardReply] = []
        self._speech = speech
        self._progress = progress
        self._recogniser = Recogniser()

    def listen(self, spoken: Sequence[PlacedCall]) -> None:
        teachers = self._teachers(spoken)
        for number, (call, teacher) in enumerate(zip(spoken, teachers, strict=True)):
            self._progress(f"judges: {number}/{len(spoken)} replies heard")
            heard = self._recogniser.hear(samples_of(call.pcm), SPEECH_SAMPLE_RATE_HZ)
            self.texts.append(heard)
            if teacher is None:
                continue
            said = words_of(call.scored.said)
            from_teacher = self._recogniser.hear(teacher.samples, teacher.rate_hz)
            self._judged.append(
                HeardReply(call.voice, word_errors(said, heard), word_errors(said, from_teacher))
            )

    def _teachers(self, spoken: Sequence[PlacedCall]) -> list[Clip | None]:
        """What the teacher makes of every reply; None where there is no word to say."""
        requests = {
            place: teacher_request(voice_called(call.voice), call)
            for place, call in enumerate(spoken)
            if words_of(call.scored.said)
        }
        clips = dict(zip(requests, self._speech.say_replies(list(requests.values())), strict=True))
        return [
            clips[place].without_edges() if place in clips else None for place in range(len(spoken))
        ]

    def as_json(self) -> Report:
        if not self._judged:
            return {"n": 0}
        ours, theirs = ([h.reply for h in self._judged], [h.teacher for h in self._judged])
        low, high = difference_interval(ours, theirs)
        return {
            "n": len(self._judged),
            "reply_wer": round(error_rate(ours), 2),
            "teacher_wer": round(error_rate(theirs), 2),
            "difference": round(error_rate(ours) - error_rate(theirs), 2),
            "low_95": round(low, 2),
            "high_95": round(high, 2),
            "by_voice": {voice.name: self._of_voice(voice.name) for voice in REPLY_VOICES},
        }

    def _of_voice(self, name: str) -> Report:
        judged = [heard for heard in self._judged if heard.voice == name]
        if not judged:
            return {"n": 0}
        return {
            "n": len(judged),
            "reply_wer": round(error_rate([heard.reply for heard in judged]), 2),
            "teacher_wer": round(error_rate([heard.teacher for heard in judged]), 2),
        }


def teacher_request(voice: ReplyVoice, call: PlacedCall) -> SpeechRequest:
    """What the teacher is asked to say: the same text, at the pace the answer should have."""
    text = call.scored.said.strip()
    if not (text.isascii() and text.isprintable()):
        # An untrained model writes what no synthesizer can read.
        text = words_of(text)
    return SpeechRequest(voice.voice, text, call.scored.turn.exchange.speech_rate)


def voice_called(name: str) -> ReplyVoice:
    """The reply voice of that name.

    Raises:
        KeyError: There is none.
    """
    return {voice.name: voice for voice in REPLY_VOICES}[name]


def samples_of(pcm: bytes) -> np.ndarray:
    """Float32 ``[n]`` of 16-bit little-endian mono."""
    return from_pcm(np.frombuffer(pcm, "<i2"))


# --- is it the right voice?


def _judge_voices(
    spoken: Sequence[PlacedCall], speech: SpeechMaterial, progress: Progress
) -> Report:
    progress("judges: whose voices are they?")
    clips = {voice.name: _held_out_clips(voice, speech, 2 * N_PRINTS) for voice in REPLY_VOICES}
    prints = {
        name: [voice_print(clip.samples, clip.rate_hz) for clip in own]
        for name, own in clips.items()
    }
    judge = VoiceJudge({name: own[::2] for name, own in prints.items()})
    tried = [(name, judge.nearest(one)) for name, own in prints.items() for one in own[1::2]]
    replies = [(call.voice, _nearest(judge, call)) for call in spoken]
    return {
        "score": _voice_score(replies).as_json(),
        "by_voice": {
            voice.name: _voice_score([r for r in replies if r[0] == voice.name]).as_json()
            for voice in REPLY_VOICES
        },
        "judge_on_teachers": _voice_score(tried).as_json(),
    }


def _nearest(judge: VoiceJudge, call: PlacedCall) -> str:
    try:
        return judge.nearest(voice_print(samples_of(call.pcm), SPEECH_SAMPLE_RATE_HZ))
    except UnusableSpeechError:
        return ""


def _voice_score(pairs: Sequence[tuple[str, str]]) -> Score:
    return Score(len(pairs), sum(wanted == found for wanted, found in pairs))


# --- is the vocoder good?


def _judge_vocoder(checkpoint: Path, speech: SpeechMaterial, progress: Progress) -> Report:
    progress("judges: vocoder and codec")
    model = load_checkpoint(checkpoint, "cpu", "float32")
    by_vocoder, by_codec = [], []
    for voice in REPLY_VOICES:
        for clip in _held_out_clips(voice, speech, N_RESYNTHESISED):
            remade = resynthesise(model, clip.samples)
            by_vocoder.append(quality_of(remade.original, remade.by_vocoder))
            by_codec.append(quality_of(remade.original, remade.by_codec))
    return {
        "n": len([quality for quality in by_vocoder if quality is not None]),
        "vocoder": _mean_json(by_vocoder),
        "codec_and_vocoder": _mean_json(by_codec),
    }


def _mean_json(qualities: Sequence[Quality | None]) -> Report | None:
    usable = [quality for quality in qualities if quality is not None]
    if not usable:
        return None
    mean = mean_quality(usable)
    return {"pesq": round(mean.pesq, 3), "stoi": round(mean.stoi, 4)}


def _held_out_clips(voice: ReplyVoice, speech: SpeechMaterial, n_clips: int) -> list[Clip]:
    """Sentences of the evaluation in a teacher's voice, each of another intent where possible."""
    requests = [SpeechRequest(voice.voice, text) for text in held_out_texts(n_clips)]
    return [clip.without_edges() for clip in speech.say_replies(requests)]


def held_out_texts(n_texts: int) -> list[str]:
    """Questions of the evaluation, none of which any voice says in training."""
    questions = [call.scored.question for call in evaluation_calls(2, "spoken")]
    long_enough = [text for text in questions if len(text.split()) >= FEWEST_WORDS]
    return list(dict.fromkeys(long_enough))[:n_texts]
