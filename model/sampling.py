"""Drawing text tokens: many rows in one step, each with its own settings and random numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

_BARRED = float("-inf")


@dataclass(frozen=True, slots=True)
class SamplingSettings:
    """How tokens are drawn. The defaults are the reference's for sampled answers."""

    temperature: float = 0.7
    """0: the most likely token, always."""
    top_p: float = 0.8
    """Keep the smallest set of tokens with this much probability; 1 keeps all."""
    top_k: int = 100
    """Keep this many tokens; 0 keeps all."""
    repetition_penalty: float = 1.05
    """Divides positive and multiplies negative scores of tokens that were said; 1 does nothing."""


GREEDY = SamplingSettings(temperature=0.0, top_p=1.0, top_k=0, repetition_penalty=1.0)
"""The most likely token, without any penalty."""


@dataclass(frozen=True, slots=True)
class TokenDraw:
    """What one row's next draw depends on besides its scores."""

    settings: SamplingSettings = GREEDY
    said: Iterable[int] = ()
    """Ids the repetition penalty applies to; order and repeats do not matter."""
    barred: Sequence[int] = ()
    """Ids that must not be drawn."""
    generator: torch.Generator | None = field(default=None, compare=False)
    """Random numbers of this row, on the scores' device; the default generator where None."""


Categorical = Callable[[Tensor, Sequence[TokenDraw]], Tensor]
"""``(probabilities [B, V], draws)`` -> ids ``[B]``."""


def draw_categorical(probabilities: Tensor, draws: Sequence[TokenDraw]) -> Tensor:
    """One id ``[B]`` per row of ``[B, V]``, each with its row's random numbers.

    A row's draw uses as many random numbers as there are tokens, whatever the batch: a seed gives
    the same answer alone and among others.
    """
    drawn = [
        torch.multinomial(row, 1, generator=draw.generator)
        for row, draw in zip(probabilities, draws, strict=True)
    ]
    return torch.cat(drawn)


def draw_tokens(
    logits: Tensor, draws: Sequence[TokenDraw], categorical: Categorical = draw_categorical
) -> list[int]:
    """Draw the next token of every row.

    Args:
        logits: ``[B, V]`` float32.
        draws: One per row.
        categorical: The random draw itself, replaceable where it must be reproduced.

    Returns:
        ``B`` token ids.
    """
    scores = penalize(logits, draws)
    sampled = [index for index, draw in enumerate(draws) if draw.settings.temperature > 0]
    if not sampled:
        return scores.argmax(dim=-1).tolist()
    chosen = [draws[index] for index in sampled]
    if len(sampled) == len(draws):
        return categorical(_probabilities(scores, chosen), chosen).tolist()
    ids = scores.argmax(dim=-1)
    places = torch.tensor(sampled, device=scores.device)
    ids[places] = categorical(_probabilities(scores[places], chosen), chosen)
    return ids.tolist()


def _probabilities(scores: Tensor, draws: Sequence[TokenDraw]) -> Tensor:
    return warp(scores, [draw.settings for draw in draws]).softmax(dim=-1)


def penalize(logits: Tensor, draws: Sequence[TokenDraw]) -> Tensor:
    """Scores ``[B, V]`` after repetition penalty and bars; ``logits`` itself is not changed."""
    rows: list[int] = []
    ids: list[int] = []
    penalties: list[float] = []
    for row, draw in enumerate(draws):
        if draw.settings.repetition_penalty != 1:
            said = sorted(set(draw.said))
            ids += said
            rows += [row] * len(said)
            penalties += [draw.settings.repetition_penalty] * len(said)
    scores = logits
    if ids:
        place = (torch.tensor(rows, device=logits.device), torch.tensor(ids, device=logits.device))
        penalty = torch.tensor(penalties, device=logits.device, dtype=logits.dtype)
        old = scores[place]
        scores = scores.clone()
        scores[place] = torch.where(old < 0, old * penalty, old / penalty)
    for row, draw in enumerate(draws):
        if draw.barred:
            scores = scores.clone() if scores is logits else scores
            scores[row, list(draw.barred)] = _BARRED
    return scores


def warp(scores: Tensor, settings: Sequence[SamplingSettings]) -> Tensor:
    """Temperature, then top-k, then top-p; what is out of reach becomes -inf.

    Args:
        scores: ``[B, V]`` float32, after penalties.
        settings: One per row, none of them greedy.

    Returns:
        ``[B, V]``, ready for a softmax.
    """
    device, vocab = scores.device, scores.shape[1]
    temperatures = torch.tensor([s.temperature for s in settings], device=device)
    scores = scores / temperatures[:, None]
    kept = [min(s.top_k, vocab) if s.top_k > 0 else vocab for s in settings]
    if min(kept) == vocab and all(s.top_p >= 1 for s in settings):
        return scores
    # Both limits are a lowest score to keep, found among the best few: no sort of the vocabulary.
    best = scores.topk(max(kept), dim=-1).values  # [B, K], best first
    last = torch.tensor(kept, device=device)[:, None] - 1
    lowest = best.gather(1, last)  # [B, 1]
    best = best.masked_fill(best < lowest, _BARRED)
    # Summed from the least likely up, as the reference does, so that borders fall alike.
    rising = best.flip(-1).softmax(dim=-1).cumsum(dim=-1).flip(-1)
    left_out = torch.tensor([max(1 - s.top_p, 0.0) for s in settings], device=device)[:, None]
    dropped = (rising <= left_out) & (left_out > 0)
    dropped[:, 0] = False  # the most likely token always stays
    lowest = best.masked_fill(dropped | best.isneginf(), float("inf")).amin(dim=-1, keepdim=True)
    return scores.masked_fill(scores < lowest, _BARRED)
