"""One attention head is guided: to the sound of the word that is to be repeated, to what is seen.

Where to listen and where to look is known of every call that training makes, and would otherwise
have to be found by trial.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from model.training.joint_sequence import Guide
from model.training.packed_calls import PackedCall

LISTENING_HEAD = 0
"""The head that learns to follow the sound of a word, and to look where it is seen."""


def listening_loss(
    queries: Tensor, keys: Tensor, guided: Sequence[tuple[PackedCall, Sequence[Guide]]]
) -> Tensor:
    """Minus the log of one head's attention to where the next token is heard or seen.

    Args:
        queries: Rotated ``[N, H, D]`` of a packed batch.
        keys: Rotated ``[N, Hkv, D]``.
        guided: Calls, and what is listened to in each; at least one guide.

    Returns:
        The mean over the guides.
    """
    losses = []
    for call, guides in guided:
        places = [call.place(guide.position) for guide in guides]
        asked = queries[places, LISTENING_HEAD].float()  # [G, D]
        offered = call.whole(keys[:, 0]).float()  # [T, D]
        scores = asked @ offered.T / asked.shape[-1] ** 0.5
        index = torch.arange(len(offered), device=keys.device)
        own = torch.tensor([guide.position for guide in guides], device=keys.device)
        spans = torch.tensor([guide.source for guide in guides], device=keys.device)
        scores = scores.masked_fill(index > own[:, None], -torch.inf)
        near = (index >= spans[:, :1]) & (index < spans[:, 1:])
        attention = scores.log_softmax(-1).masked_fill(~near, -torch.inf)
        losses.append(-attention.logsumexp(-1))
    return torch.cat(losses).mean()
