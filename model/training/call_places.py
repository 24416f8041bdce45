"""Where in a packed batch of calls something is learnt from hidden states."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from model.training.batches import IGNORED
from model.training.joint_sequence import CallSequence
from model.training.packed_calls import Packing


@dataclass(frozen=True, slots=True)
class CallPlaces:
    """Positions of a packed batch, call after call; int64 ``[n]`` each."""

    answers: Tensor
    """That foresee a token of an answer."""
    said: Tensor
    """Those tokens, as many."""
    asked: Tensor
    """That foresee a token of what the caller types or says."""
    expected: Tensor
    """Those tokens, as many."""
    words: Tensor
    """Where each token of what the caller says has been heard, or is read instead."""
    speakers: Tensor
    """Of the speaker embeddings of answers whose voice is known."""

    @property
    def wanted(self) -> Tensor:
        """All of them ``[W]``, for :func:`forward_packed`: answers, asked, words, speakers."""
        return torch.cat([self.answers, self.asked, self.words, self.speakers])

    def split(self, rows: Tensor) -> tuple[Tensor, ...]:
        """Rows ``[W, ...]`` of what is wanted: of answers, asked, words and speakers."""
        parts = (self.answers, self.asked, self.words, self.speakers)
        return rows.split([len(part) for part in parts])


def places_of(packing: Packing, sequences: Sequence[CallSequence]) -> CallPlaces:
    """Everything that is learnt from in a batch.

    Args:
        packing: Of the sequences.
        sequences: At least one.
    """
    said = torch.tensor([t for s in sequences for t in s.targets])[packing.kept]
    expected = torch.tensor([t for s in sequences for t in s.asked])[packing.kept]
    of_calls = list(zip(packing.calls(), sequences, strict=True))
    words = [call.place(place) for call, s in of_calls for place in s.words]
    speakers = [call.place(place) for call, s in of_calls for place, _ in s.speakers]
    return CallPlaces(
        answers=(said != IGNORED).nonzero()[:, 0],
        said=said[said != IGNORED],
        asked=(expected != IGNORED).nonzero()[:, 0],
        expected=expected[expected != IGNORED],
        words=torch.tensor(words, dtype=torch.int64),
        speakers=torch.tensor(speakers, dtype=torch.int64),
    )
