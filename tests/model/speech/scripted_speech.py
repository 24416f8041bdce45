"""Runs a speech stream without networks: scripted codes, and a vocoder that keeps frames apart."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor

from model.config import OmniConfig
from model.speech.crossfade import SAMPLES_PER_FRAME
from model.speech.synthesizer import (
    BeginSegment,
    Finished,
    PrefillAudio,
    PrefillText,
    SpeechPiece,
    SpeechStream,
    Step,
    Vocode,
    WaitForText,
)
from model.speech.text import SpeechTokenizer

GOLDEN = Path(__file__).parents[2] / "golden"
EOS_ID = 625


@cache
def tiny_config() -> OmniConfig:
    """Dimensions of the tiny checkpoint."""
    return OmniConfig.from_folder(GOLDEN)


@cache
def tiny_tokenizer() -> SpeechTokenizer:
    """The speech tokenizer of the tiny checkpoint."""
    return SpeechTokenizer.from_folder(
        GOLDEN / "assets" / "chattts_tokenizer", tiny_config().speech
    )


def numbered_frame(number: int) -> Tensor:
    """Codes that say which frame they are, ``[4]``."""
    return torch.tensor([number // 600, number % 600, 0, 0])


def plain_wave(codes: Tensor) -> Tensor:
    """Every frame's number, 512 times: overlapping windows agree, so nothing fades."""
    numbers = codes[:, 0] * 600 + codes[:, 1]
    return numbers.float().repeat_interleave(SAMPLES_PER_FRAME)


@dataclass
class ScriptedRun:
    """One stream and all that it asked for."""

    stream: SpeechStream
    eos_at: Collection[int] = ()
    """Draws, counted from 1, that end the speech."""
    vocoder: Callable[[Tensor], Tensor] = plain_wave
    pieces: list[SpeechPiece] = field(default_factory=list)
    prefilled: list[list[int]] = field(default_factory=list)
    """Token ids per segment, in order of position."""
    n_repeated: int = 0
    """Positions that were prefilled more than once."""
    carried: list[Tensor] = field(default_factory=list)
    """Frames per ``PrefillAudio``."""
    windows: list[Tensor] = field(default_factory=list)
    n_draws: int = 0
    n_frames: int = 0

    def run(self) -> WaitForText | Finished:
        """Do what can be done now."""
        while not isinstance(work := self.stream.work(), WaitForText | Finished):
            match work:
                case Step():
                    self.n_draws += 1
                    ended = self.n_draws in self.eos_at
                    codes = numbered_frame(self.n_frames)
                    if ended:
                        codes[0] = EOS_ID
                    else:
                        self.n_frames += 1
                    self.stream.did_step(codes, ended)
                case Vocode():
                    self.windows.append(work.codes)
                    self.pieces += self.stream.did_vocode(self.vocoder(work.codes))
                case _:
                    self._prepare(work)
                    self.stream.did_prefill()
        if isinstance(work, Finished):
            self.pieces += work.pieces
        return work

    def _prepare(self, work: object) -> None:
        if isinstance(work, BeginSegment):
            self.prefilled.append([])
        elif isinstance(work, PrefillText):
            ids = self.prefilled[-1]
            assert work.begin <= len(ids), "text is fed without a gap"
            self.n_repeated += len(ids) - work.begin
            ids[work.begin :] = work.ids
        elif isinstance(work, PrefillAudio):
            self.carried.append(work.frames)

    def say(self, *texts: str) -> ScriptedRun:
        """Push texts one by one, then finish; all work in between is done."""
        for text in texts:
            self.stream.push_text(text)
            self.run()
        self.stream.finish_text()
        assert isinstance(self.run(), Finished)
        return self

    @property
    def wave(self) -> Tensor:
        """All audio."""
        return torch.cat([torch.empty(0), *(piece.wave for piece in self.pieces)])


def cut(text: str, places: Collection[int]) -> list[str]:
    """Pieces of a text, cut at these indices."""
    ends = sorted({place % (len(text) + 1) for place in places} | {0, len(text)})
    return [text[start:end] for start, end in pairwise(ends)]
