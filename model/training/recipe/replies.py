"""What pocket says and how it sounds: the data of codec, vocoder and speech decoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from model.omni import OmniModel
from model.training.batches import SpokenText, SpokenTextBatch, TrainingData
from model.training.codec_stage import codes_of
from model.training.domain.memory_questions import SLOW_RATE
from model.training.recipe.corpus import question_texts, replies_said, reply_texts
from model.training.recipe.folders import training_folder
from model.training.speech_data.cache import ClipCache
from model.training.speech_data.reply_voices import REPLY_VOICES, SPEECH_HZ
from model.training.speech_data.speech_batches import BatchesByStep, WaveBatches
from model.training.speech_data.synthesis import SpeechRequest

N_TEXTS = 3_600
N_SENTENCES = 3_000
"""So many questions and as many answers, in every voice, are the data of the vocoder."""
SLOW_EVERY = 6
"""One text of so many is said slowly, too."""
N_STYLES = 2 * len(REPLY_VOICES)
"""Vectors the speech decoder knows: every voice at its own pace, then every voice slowly. What is
to be said slowly is a speaker of its own, so that the pace is the language model's to choose."""
CODES_FILE = "codes.npz"
BATCH_SIZE = 16
N_SAID = 20_000
"""So many answers of calls tell how often each is said."""
SAID_SHARE = 0.6
"""Share of the utterances that are drawn by how often calls say them; the others are any."""
SORTED_OVER = 6
"""So many batches' worth of utterances are drawn and sorted by length, so that a batch has little
padding."""


def style_number(voice: int, rate: float) -> int:
    """Which of the ``N_STYLES`` says an answer, by its voice and its pace."""
    return voice if rate == 1.0 else voice + len(REPLY_VOICES)


@dataclass(frozen=True, slots=True)
class StyledReply:
    """One answer in one style."""

    text: str
    """As the model writes it."""
    style: int
    """As :func:`style_number`."""

    @property
    def request(self) -> SpeechRequest:
        """What the teacher's voice is asked for."""
        slow, voice = divmod(self.style, len(REPLY_VOICES))
        return SpeechRequest(REPLY_VOICES[voice].voice, self.text, SLOW_RATE if slow else 1.0)


def styled_replies(n_texts: int = N_TEXTS) -> list[StyledReply]:
    """Every answer in every voice, some of them slowly, too."""
    replies = []
    for index, text in enumerate(reply_texts(n_texts)):
        styles = range(N_STYLES if index % SLOW_EVERY == 0 else len(REPLY_VOICES))
        replies += [StyledReply(text, style) for style in styles]
    return replies


def sentence_requests(n_texts: int = N_SENTENCES) -> list[SpeechRequest]:
    """Questions and answers in every voice: what a vocoder is to remake, whoever means it.

    Args:
        n_texts: So many of both.
    """
    pairs = zip(question_texts(n_texts), reply_texts(n_texts), strict=True)
    texts = [text for pair in pairs for text in pair]
    return [SpeechRequest(voice.voice, text) for text in texts for voice in REPLY_VOICES]


def reply_clips() -> ClipCache:
    """Where the teachers' clips are kept, at 24 kHz."""
    return ClipCache(training_folder() / "clips" / "replies", SPEECH_HZ)


def reply_waves(seed: int) -> TrainingData:
    """Eight seconds a batch in pieces of a second: the codec's data."""
    requests = [reply.request for reply in styled_replies()]
    return _waves(seed, requests, batch_size=9, n_frames=40)


def spoken_waves(seed: int) -> TrainingData:
    """Pieces of a second and a quarter of many sentences: the vocoder's data."""
    return _waves(seed, sentence_requests(), batch_size=3, n_frames=60)


def _waves(
    seed: int, requests: Sequence[SpeechRequest], batch_size: int, n_frames: int
) -> TrainingData:
    batches = WaveBatches(requests, reply_clips().read, seed, batch_size, n_frames)
    return TrainingData(batches, n_voices=N_STYLES)


def encode_replies(model: OmniModel, folder: Path) -> None:
    """Write the codes of all clips, which :func:`spoken_replies` reads.

    Args:
        model: With the trained codec.
        folder: Where ``codes.npz`` goes.
    """
    clips = reply_clips()
    arrays: dict[str, np.ndarray] = {}
    replies = styled_replies()
    for index, reply in enumerate(replies):
        clip = clips.read(reply.request).at_rate(SPEECH_HZ).without_edges()
        arrays[f"codes{index}"] = codes_of(model, clip.samples)
        arrays[f"ends{index}"] = clip.char_ends_s()
    texts = np.array([reply.text for reply in replies])
    styles = np.array([reply.style for reply in replies], dtype=np.int16)
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / CODES_FILE, texts=texts, styles=styles, **arrays)  # type: ignore[arg-type]


@cache
def spoken_texts(folder: Path | None = None) -> tuple[SpokenText, ...]:
    """All answers as codes, of the folder that :func:`encode_replies` wrote."""
    with np.load((folder or training_folder() / "codes") / CODES_FILE) as stored:
        texts, styles = stored["texts"], stored["styles"]
        return tuple(
            SpokenText(str(text), stored[f"codes{index}"], int(style), stored[f"ends{index}"])
            for index, (text, style) in enumerate(zip(texts, styles, strict=True))
        )


@dataclass(frozen=True)
class SpokenTextBatches(BatchesByStep[SpokenTextBatch]):
    """Batches of utterances of about one length."""

    utterances: tuple[SpokenText, ...]
    """To draw from."""
    seed: int
    """Of the order."""
    shares: np.ndarray
    """Float64 ``[U]``, 1 in all: how likely each utterance is drawn first."""

    def batch(self, step: int) -> SpokenTextBatch:
        """The batch of one step."""
        group, place = divmod(step, SORTED_OVER)
        rng = np.random.default_rng([self.seed, group])
        drawn = rng.choice(
            len(self.utterances), SORTED_OVER * BATCH_SIZE, replace=False, p=self.shares
        )
        by_length = sorted(drawn, key=lambda index: len(self.utterances[index].codes))
        order = rng.permutation(SORTED_OVER)
        chosen = by_length[order[place] * BATCH_SIZE :][:BATCH_SIZE]
        return SpokenTextBatch(tuple(self.utterances[index] for index in chosen))


def shares_of(utterances: Sequence[SpokenText], said: Mapping[str, int]) -> np.ndarray:
    """How often to train on each utterance, float64 ``[U]``, 1 in all.

    Some two hundred answers are nearly all that is said, of thousands that the voices know. They
    are to be said best; by the root of their number, or few would be all.

    Args:
        utterances: At least one.
        said: How often calls say each text.
    """
    often = np.sqrt([said.get(each.text, 0) for each in utterances])
    any_of_them = np.full(len(utterances), 1 / len(utterances))
    if not often.any():
        return any_of_them
    shares: np.ndarray = SAID_SHARE * often / often.sum() + (1 - SAID_SHARE) * any_of_them
    return shares


def spoken_replies(seed: int) -> TrainingData:
    """The speech decoder's data."""
    utterances = spoken_texts()
    shares = shares_of(utterances, replies_said(N_SAID))
    return TrainingData(SpokenTextBatches(utterances, seed, shares), n_voices=N_STYLES)
