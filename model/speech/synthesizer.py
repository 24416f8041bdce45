"""One response's speech: text in as it is written, audio out as soon as it exists.

:class:`SpeechStream` decides what is to be computed next and computes nothing, so that an engine
can make one step of many responses as one batch. :func:`run_alone` computes for a single one.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from model.quirks import PRODUCT, ReferenceQuirks
from model.speech.burst_text_feed import BurstTextFeed
from model.speech.code_sampling import CodeSampler
from model.speech.crossfade import OVERLAP_FRAMES, SAMPLES_PER_FRAME, WaveJoiner
from model.speech.speech_decoder import (
    CARRIED_FRAMES,
    FRAMES_PER_CALL,
    MAX_FRAMES,
    SpeechDecoder,
    SpeechStep,
    TextPrefill,
)
from model.speech.streaming_mask import StreamingMask
from model.speech.text import Language, SpeechTokenizer
from model.speech.text_feed import PrefillText, RunningTextFeed, TextFeed, WaitForText
from model.speech.vocoder import Vocoder, vocode
from model.speech.voice_check import VoiceChecker
from model.state import KVCachePool


@dataclass(frozen=True, slots=True)
class SpeechPiece:
    """Audio that may be played now."""

    wave: Tensor
    """Float32 ``[n]`` at 24 kHz."""
    text_end: int
    """Characters of the response's text given to the speech decoder so far; all of them with the
    last piece."""


@dataclass(frozen=True, slots=True)
class BeginSegment:
    """Empty the row: :meth:`SpeechDecoder.begin`."""


@dataclass(frozen=True, slots=True)
class PrefillAudio:
    """Start the row's audio with frames of the segment before."""

    frames: Tensor
    """Codes int64 ``[n, 4]``."""
    n_text: int
    """Text tokens known so far, without ``[Etts]``."""
    bidirectional: bool


@dataclass(frozen=True, slots=True)
class ForgetFrames:
    """Remove the row's last frames, which are made anew."""

    count: int


@dataclass(frozen=True, slots=True)
class Step:
    """Make one frame."""

    codes: Tensor | None
    """The frame before, int64 ``[4]``; None for the first of all."""
    n_text: int
    """Text tokens known so far, without ``[Etts]``."""
    begins_call: bool
    """A call of frames begins: :meth:`CodeSampler.begin_call`."""
    frames_left: int
    """Frames until audio leaves, this one included."""


@dataclass(frozen=True, slots=True)
class Vocode:
    """Turn codes into a wave."""

    codes: Tensor
    """Int64 ``[T, 4]``; its first frames may repeat the window before."""


@dataclass(frozen=True, slots=True)
class Finished:
    """The speech is over."""

    pieces: tuple[SpeechPiece, ...] = ()
    """Audio that no :meth:`SpeechStream.did_vocode` has returned: the end of the speech, where it
    ended without another frame. To be played like any other piece."""


RowWork = BeginSegment | PrefillText | PrefillAudio | ForgetFrames
"""Work on a row that makes no frame; :meth:`SpeechStream.did_prefill` reports it."""
Work = RowWork | Step | Vocode | WaitForText | Finished


class SpeechStream:
    """The speech of one response, as a state machine without compute.

    The owner asks for :meth:`work`, does it, and reports with the matching ``did_…`` method.
    Frames come in calls of 25, each followed by a :class:`Vocode`; its audio leaves at once but for
    the 4 frames that the next window repeats. In all, 512 samples leave per frame.

    Source: openbmb/MiniCPM-o-2_6, modeling_minicpmo.py::_generate_mel_spec_audio_streaming.
    Differs, each selected by its quirk: see :class:`ReferenceQuirks`. Not thread-safe.
    """

    def __init__(
        self,
        tokenizer: SpeechTokenizer,
        *,
        quirks: ReferenceQuirks = PRODUCT,
        language: Language | None = None,
        voice_checker: VoiceChecker | None = None,
    ) -> None:
        """Prepare for a response.

        Args:
            tokenizer: The speech tokenizer.
            quirks: Faulty behaviours to reproduce. Those of the text come together.
            language: What digits are read in where the text has no letter.
            voice_checker: Calls whose audio it finds bad are made anew, once.

        Raises:
            ValueError: Only some of the text quirks are set.
        """
        by_burst = {
            quirks.bursts_of_three,
            quirks.normalize_by_burst,
            quirks.lose_tail_past_reserved,
        }
        if len(by_burst) > 1:
            raise ValueError(
                "bursts_of_three, normalize_by_burst and lose_tail_past_reserved come together"
            )
        self._quirks = quirks
        self._text: TextFeed = (
            BurstTextFeed(tokenizer)
            if quirks.bursts_of_three
            else RunningTextFeed(tokenizer, language)
        )
        self._mask = StreamingMask(tokenizer.config)
        self._checker = voice_checker
        self._joiner = WaveJoiner(holds_whole_wave=quirks.hold_back_one_wave)
        self._frames: list[Tensor] = []
        self._n_carried = 0
        self._outbox: list[SpeechPiece] = []
        self._text_is_new = False
        self.n_frames = 0
        """Frames made so far that are heard, 512 samples each."""
        self._loop = self._speak()
        self._pending: Work = next(self._loop)

    # --- text in

    def push_text(self, text: str) -> None:
        """Take more of the response's text, without special tokens, cut anywhere.

        Text that comes when the speech is over is ignored. With ``bursts_of_three``, one burst.
        """
        if not isinstance(self._pending, Finished):
            self._text.push(text)
            self._text_is_new = True

    def finish_text(self) -> None:
        """No more text will come."""
        self._text.finish()
        self._text_is_new = True

    # --- work out

    def work(self) -> Work:
        """What is to be done next; the same until it is reported done."""
        if isinstance(self._pending, WaitForText) and self._text_is_new:
            self._text_is_new = False
            self._advance(None)
        return self._pending

    def did_prefill(self) -> None:
        """Any :data:`RowWork` is done."""
        self._expect(RowWork)
        self._advance(None)

    def did_step(self, codes: Tensor, is_eos: bool) -> None:
        """A :class:`Step` is done.

        Args:
            codes: The frame drawn, int64 ``[4]``.
            is_eos: One of the codes ends the speech; the frame is not heard.
        """
        self._expect(Step)
        self._advance((codes, is_eos))

    def did_vocode(self, wave: Tensor) -> list[SpeechPiece]:
        """A :class:`Vocode` is done.

        Args:
            wave: Float32 ``[512 * T]``.

        Returns:
            What may be played now, in order; can be empty.
        """
        self._expect(Vocode)
        self._advance(wave)
        pieces = list(self._outbox)
        self._outbox.clear()
        if isinstance(self._pending, Finished):
            pieces += self._pending.pieces
            self._pending = Finished()
        return pieces

    def _expect(self, kind: Any) -> None:
        if not isinstance(self._pending, kind):
            raise RuntimeError(f"the work to be done is {self._pending}")

    def _advance(self, result: Any) -> None:
        try:
            self._pending = self._loop.send(result)
        except StopIteration:
            self._pending = Finished(tuple(self._outbox))
            self._outbox.clear()

    # --- the loop

    def _speak(self) -> Generator[Work, Any, None]:
        """Segment after segment until all text is spoken."""
        while (ahead := self._text.segment_ahead()) is not False:
            if ahead is None:
                yield WaitForText()
                continue
            yield BeginSegment()
            if (yield from self._speak_segment()):
                break
        self._emit(self._joiner.flush(), self._text.n_chars)

    def _speak_segment(self) -> Generator[Work, Any, bool]:
        """Calls of frames until the segment ends; whether the whole speech ends with it."""
        self._frames = self._frames[-CARRIED_FRAMES:]
        self._n_carried = len(self._frames)
        first_text = self._text.begin_segment()
        carries = self._n_carried > 0
        if first_text is not None:
            yield first_text
            carries = yield from self._carry_audio(carries)
        ended = False
        while not ended and len(self._frames) <= MAX_FRAMES:
            last_position = self._position + FRAMES_PER_CALL - 1
            while (work := self._text.before_call(last_position)) is not None:
                yield work
            if self._text.abandoned:
                return True
            carries = yield from self._carry_audio(carries)
            ended = yield from self._call()
        discards = ended and self._quirks.discard_text_at_audio_eos and not self._text.continues
        self._text.end_segment(self._position, len(self._frames) - self._n_carried)
        if self._quirks.repeat_audio_at_segment_join:
            self._emit(self._joiner.flush(), self._text.text_end)
        return discards

    @property
    def _position(self) -> int:
        """Position in the row of the step that makes the next frame."""
        return self._mask.start_position + len(self._frames)

    def _carry_audio(self, carries: bool) -> Generator[Work, Any, bool]:
        if carries:
            # The last frame is not prefilled: it is the input of the first step.
            yield PrefillAudio(
                torch.stack(self._frames)[:-1],
                self._text.n_text,
                self._quirks.bidirectional_audio_prefill,
            )
        return False

    def _call(self) -> Generator[Work, Any, bool]:
        """Make frames and let their audio leave; whether the segment has ended."""
        n_before = len(self._frames)
        ended = yield from self._make_frames(FRAMES_PER_CALL)
        n_new = len(self._frames) - n_before
        if n_new == 0 and not (n_before and self._quirks.hold_back_one_wave):
            return ended
        first = max(n_before - OVERLAP_FRAMES, 0)
        wave = yield Vocode(torch.stack(self._frames[first:]))
        # Where nothing is held there is nothing to fade from, and repeated frames are heard again.
        overlap = min((n_before - first) * SAMPLES_PER_FRAME, len(self._joiner.held))
        if self._checker is not None and not ended:
            fresh = wave[overlap:].cpu().numpy()
            if self._checker.is_bad(fresh):
                self._checker.reset()
                return (yield from self._make_again())
        self._emit(self._joiner.join(wave, overlap), self._text.text_end)
        return ended

    def _make_again(self) -> Generator[Work, Any, bool]:
        """Make anew what is not out yet, and decode it without overlap."""
        count = FRAMES_PER_CALL * (2 if len(self._joiner.held) else 1)
        del self._frames[-count:]
        self.n_frames -= count
        yield ForgetFrames(count)
        n_before = len(self._frames)
        ended = yield from self._make_frames(count)
        wave = yield Vocode(torch.stack(self._frames[n_before:]))
        if len(self._joiner.held):
            self._emit(self._joiner.replace(wave), self._text.text_end)
        else:
            self._joiner.held = wave
        return ended

    def _make_frames(self, limit: int) -> Generator[Work, Any, bool]:
        """Make up to ``limit`` frames; whether the speech ended before."""
        for left in range(limit, 0, -1):
            before = self._frames[-1] if self._frames else None
            codes, ended = yield Step(before, self._text.n_text, left == limit, left)
            if ended:
                return True
            self._frames.append(codes)
            self.n_frames += 1
        return False

    def _emit(self, wave: Tensor, text_end: int) -> None:
        if len(wave):
            self._outbox.append(SpeechPiece(wave, text_end))


def run_alone(
    stream: SpeechStream,
    decoder: SpeechDecoder,
    vocoder: Vocoder,
    pool: KVCachePool,
    row: int,
    sampler: CodeSampler,
    speaker: Tensor,
) -> list[SpeechPiece]:
    """Do all the work of one stream that its text so far allows.

    Args:
        stream: Whose work.
        decoder: The speech decoder.
        vocoder: The vocoder.
        pool: The decoder's pool.
        row: The row of ``pool`` that is the stream's alone.
        sampler: Draws the response's frames.
        speaker: ``[D]`` from :meth:`SpeechDecoder.project_speaker`.

    Returns:
        The audio made, in order, up to where the stream waits for text or is finished.
    """
    pieces: list[SpeechPiece] = []
    while not isinstance(work := stream.work(), WaitForText | Finished):
        match work:
            case Step():
                if work.begins_call:
                    sampler.begin_call()
                logits = decoder.step([SpeechStep(row, work.codes, work.n_text)], pool)
                stream.did_step(*sampler.draw(logits[0], start=work.codes is None))
            case Vocode():
                pieces += stream.did_vocode(vocode([work.codes], decoder.dvae, vocoder)[0])
            case _:
                prepare_row(work, decoder, pool, row, speaker)
                stream.did_prefill()
    return pieces + list(work.pieces if isinstance(work, Finished) else ())


def prepare_row(
    work: RowWork, decoder: SpeechDecoder, pool: KVCachePool, row: int, speaker: Tensor
) -> None:
    """Do work of one stream that makes no frame. Arguments as :func:`run_alone`."""
    match work:
        case BeginSegment():
            decoder.begin(pool, row)
        case PrefillText():
            voice = speaker if work.with_speaker else None
            decoder.prefill_text([TextPrefill(row, work.begin, work.ids, voice)], pool)
        case PrefillAudio():
            decoder.prefill_audio(
                row, work.frames, work.n_text, pool, bidirectional=work.bidirectional
            )
        case ForgetFrames():
            pool.truncate(row, pool.lengths[row] - work.count)
