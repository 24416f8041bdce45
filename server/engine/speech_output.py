"""The speech of one response as work items; the state machine itself is the model's."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from model.config import SPEECH_SAMPLE_RATE_HZ
from model.omni import OmniModel, OmniState
from model.speech import crossfade
from model.speech.code_sampling import CodeSampler
from model.speech.speech_decoder import SpeechStep, TextPrefill
from model.speech.synthesizer import (
    BeginSegment,
    Finished,
    ForgetFrames,
    PrefillAudio,
    SpeechPiece,
    SpeechStream,
    Step,
    Vocode,
    prepare_row,
)
from model.speech.text_feed import PrefillText, WaitForText
from server.engine.interface import Language
from server.engine.scheduler import Job, Stage, WorkItem
from server.engine.stages import AudioPrefill, SpeechWork

SPEECH_HZ = SPEECH_SAMPLE_RATE_HZ
SAMPLES_PER_FRAME = crossfade.SAMPLES_PER_FRAME


class SpeechOutput:
    """Turns what a :class:`SpeechStream` asks for into work items, one at a time."""

    def __init__(
        self,
        model: OmniModel,
        state: OmniState,
        row: int,
        speaker: Tensor,
        *,
        language: Language,
        greedy: bool,
        seed: int,
    ) -> None:
        """Begin to speak.

        Args:
            model: Its speech tokenizer and speech decoder are used here.
            state: Whose speech pool the row is in.
            row: The session's row.
            speaker: Hidden state ``[E]`` at ``<|spk|>``.
            language: What digits are read in where the text does not tell.
            greedy: Take the most likely code of each codebook.
            seed: Of the random draws.
        """
        self.done = False
        """All speech was made."""
        self.was_cut_short = False
        """Speech reached its length limit before it came to its end."""
        self._model = model
        self._state = state
        self._row = row
        self._speaker = model.tts.project_speaker(speaker.unsqueeze(0))[0]
        self._stream = SpeechStream(model.speech_tokenizer, quirks=model.quirks, language=language)
        self._sampler = CodeSampler(
            model.config.speech,
            generator=torch.Generator().manual_seed(seed),
            greedy=greedy,
            quirks=model.quirks,
        )
        self._segment_is_open = False
        self._pieces: list[SpeechPiece] = []

    @property
    def n_frames(self) -> int:
        """Frames made so far that are heard."""
        return self._stream.n_frames

    def push_text(self, text: str) -> None:
        """More of the response's text."""
        self._stream.push_text(text)

    def finish_text(self) -> None:
        """No more text will come."""
        self._stream.finish_text()

    def take_pieces(self) -> list[SpeechPiece]:
        """Audio that may leave now, once."""
        pieces, self._pieces = self._pieces, []
        return pieces

    def work(self, job: Job, deadline_s: float) -> WorkItem | None:
        """The next step; None while it waits for text, or when all is done."""
        while True:
            work = self._stream.work()
            match work:
                case WaitForText():
                    return None
                case Finished():
                    self._finish(work)
                    return None
                case BeginSegment() | ForgetFrames():
                    # Bookkeeping, no network: not worth a tick.
                    self._close_segment()
                    prepare_row(work, self._model.tts, self._state.speech, self._row, self._speaker)
                    self._stream.did_prefill()
                case _:
                    stage, payload = self._payload_of(work)
                    return WorkItem(stage, job, payload, deadline_s)

    def deliver(self, item: WorkItem, result: Any) -> None:
        """Take the result of the item that was offered last."""
        match item.stage:
            case Stage.SPEECH_PREFILL:
                self._stream.did_prefill()
            case Stage.DECODE_SPEECH:
                codes, ends = result
                self._segment_is_open = not ends
                self._stream.did_step(codes, ends)
            case _:
                self._pieces += self._stream.did_vocode(result)

    def _payload_of(self, work: PrefillText | PrefillAudio | Step | Vocode) -> tuple[Stage, Any]:
        match work:
            case PrefillText(begin, ids, with_speaker):
                speaker = self._speaker if with_speaker else None
                return Stage.SPEECH_PREFILL, TextPrefill(self._row, begin, ids, speaker)
            case PrefillAudio(frames, n_text, bidirectional):
                audio = AudioPrefill(self._row, frames, n_text, bidirectional)
                return Stage.SPEECH_PREFILL, audio
            case Step(codes, n_text, begins_call):
                if begins_call:
                    self._sampler.begin_call()
                step = SpeechStep(self._row, codes, n_text)
                return Stage.DECODE_SPEECH, SpeechWork(step, self._sampler)
            case Vocode(codes):
                return Stage.VOCODE, codes

    def _finish(self, work: Finished) -> None:
        if not self.done:
            self.done = True
            self._close_segment()
            self._pieces += work.pieces

    def _close_segment(self) -> None:
        """A segment that ends without saying so was stopped by its length limit."""
        self.was_cut_short = self.was_cut_short or self._segment_is_open
        self._segment_is_open = False
