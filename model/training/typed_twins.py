"""Spoken calls learn from the same calls typed: what was said is to be thought as if it were read.

An answer is a few tokens, and tells little of what was not understood. The hidden states of a model
that has read the same question tell all of it, layer by layer, where it answers and word by word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from model.training.batches import Call, CallTurn, CallUnit

FIRST_LAYER = 1
"""Below it a token has hardly looked around."""


def typed_twin(call: Call) -> Call | None:
    """The call with its spoken questions typed; None where nothing is spoken, or where what is
    heard is no words."""
    if not any(turn.spoken for turn in call.turns):
        return None
    turns = [_typed(turn) for turn in call.turns]
    if not all(turn.typed for turn in turns):
        return None
    return replace(call, turns=tuple(turns))


def _typed(turn: CallTurn) -> CallTurn:
    pictures = tuple(
        CallUnit(image=unit.image, image_vectors=unit.image_vectors)
        for unit in turn.units
        if unit.image is not None or unit.image_vectors is not None
    )
    # Words of which nobody knows when they are heard cannot be told from one another.
    spoken = None if turn.heard_s is None else turn.spoken
    typed = turn.typed or turn.spoken
    return replace(turn, units=pictures, typed=typed, spoken=spoken, heard_s=None)


def twin_loss(heard: Sequence[Tensor], read: Sequence[Tensor]) -> Tensor:
    """One minus the cosine of hidden states, the mean over layers and positions.

    Args:
        heard: Per layer ``[A, D]`` of the spoken call, where its words end or its answers are
            foreseen.
        read: The same of its twin.
    """
    distances = [
        1 - F.cosine_similarity(ours.float(), theirs.float(), dim=-1).mean()
        for ours, theirs in zip(heard[FIRST_LAYER:], read[FIRST_LAYER:], strict=True)
    ]
    return torch.stack(distances).mean()
