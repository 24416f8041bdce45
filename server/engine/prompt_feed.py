"""Brings one prompt into one session's row: encode what it shows and plays, then prefill it.

Part of a job; the stages it asks for are batched with those of other sessions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from model.audio_features import encoder_frame_count, mel_frame_count
from model.image_slicing import ImageSlice
from model.omni import AudioClip, OmniModel
from model.prompt import Prompt
from model.text_generation import TextGeneration
from server.engine.history import SessionHistory
from server.engine.scheduler import Job, Stage, WorkItem

PIECE_TOKENS = 512
"""Longest run of one session in one prefill: a long voice prompt does not block the others."""


@dataclass(frozen=True, slots=True)
class ImageWork:
    """Payload of ``ENCODE_IMAGES``; the result is ``[query_num, E]``."""

    index: int
    """Which slice of its prompt."""
    image_slice: ImageSlice


@dataclass(frozen=True, slots=True)
class PrefillWork:
    """Payload of ``PREFILL``; the result is a :class:`PrefillResult`."""

    row: int
    embeddings: Tensor
    """``[n, E]``."""
    generation: TextGeneration | None = None
    """Draw this answer's first token from the last position."""


@dataclass(frozen=True, slots=True)
class PrefillResult:
    """What a prefill gives back."""

    hidden: Tensor
    """``[n, E]`` after the final norm."""
    token_id: int | None = None
    """Drawn token, where one was asked for."""


class PromptFeed:
    """One prompt on its way into the cache."""

    def __init__(
        self,
        model: OmniModel,
        history: SessionHistory,
        prompt: Prompt,
        *,
        slices: Sequence[ImageSlice] = (),
        samples: Tensor | None = None,
        generation: TextGeneration | None = None,
    ) -> None:
        """Begin to feed.

        Args:
            model: Embeds tokens; encodes nothing here.
            history: Whose row the prompt goes to; room must have been made.
            prompt: Token ids, the tail of the history included.
            slices: What the image spans stand for.
            samples: What the audio spans stand for.
            generation: The answer whose first token is drawn at the end.
        """
        self._model = model
        self._history = history
        self._prompt = prompt
        self._slices: dict[int, ImageSlice] = dict(enumerate(slices))
        self._images: dict[int, Tensor] = {}
        self._clip = None if samples is None else AudioClip(history.row, samples)
        self._audio: list[Tensor] = []
        self._audio_length_before = history.audio_length
        self._generation = generation
        self._embeddings: Tensor | None = None
        self._fed = 0
        self.speaker: Tensor | None = None
        """Hidden state ``[E]`` at ``<|spk|>``, where the prompt has one."""
        self.first_token_id: int | None = None
        """Token drawn after the prompt, where one was asked for."""

    @property
    def done(self) -> bool:
        """Whether the whole prompt is in the cache."""
        return self._fed == len(self._prompt.ids)

    def work(self, job: Job, deadline_s: float) -> list[WorkItem]:
        """What can be done next; several items are independent of each other."""
        items = [
            WorkItem(Stage.ENCODE_IMAGES, job, ImageWork(index, image_slice), deadline_s)
            for index, image_slice in self._slices.items()
        ]
        if self._clip is not None:
            items.append(WorkItem(Stage.ENCODE_AUDIO, job, self._clip, deadline_s))
        if items or self.done:
            return items
        piece = self._next_piece()
        return [WorkItem(Stage.PREFILL, job, piece, deadline_s, cost=piece.embeddings.shape[0])]

    def deliver(self, item: WorkItem, result: Tensor | PrefillResult) -> None:
        """Take the result of one item."""
        payload = item.payload
        if isinstance(result, PrefillResult):
            self._take_piece(payload, result)
        elif isinstance(payload, ImageWork):
            del self._slices[payload.index]
            self._images[payload.index] = result
        else:
            n_frames = encoder_frame_count(mel_frame_count(payload.samples.shape[0]))
            self._history.note_audio(self._audio_length_before, n_frames)
            self._clip = None
            self._audio.append(result)

    def _next_piece(self) -> PrefillWork:
        if self._embeddings is None:
            images = [self._images[index] for index in sorted(self._images)]
            self._embeddings = self._model.embed(self._prompt, images, self._audio)
        piece = self._embeddings[self._fed : self._fed + PIECE_TOKENS]
        is_last = self._fed + piece.shape[0] == len(self._prompt.ids)
        return PrefillWork(self._history.row, piece, self._generation if is_last else None)

    def _take_piece(self, work: PrefillWork, result: PrefillResult) -> None:
        if self._prompt.speaker_spans:
            place = self._prompt.speaker_spans[-1][0] - self._fed
            if 0 <= place < work.embeddings.shape[0]:
                # A copy: a view would keep the hidden states of the whole prompt alive.
                self.speaker = torch.clone(result.hidden[place])
        self._fed += work.embeddings.shape[0]
        self.first_token_id = result.token_id
