"""Beam search over the rows of a cache pool, for offline answers that are not sampled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from model.language_model import LanguageModel
from model.sampling import GREEDY, TokenDraw, penalize
from model.state import KVCachePool

_HOPELESS = -1e9
"""Score of beams that do not exist yet: all start as copies of the first."""


@dataclass(frozen=True, slots=True)
class BeamSettings:
    """How an answer is searched. The defaults are the reference's for answers not sampled."""

    n_beams: int = 3
    repetition_penalty: float = 1.2
    max_tokens: int = 2048
    """At most this many tokens, the terminator included."""


@dataclass(slots=True)
class _Beam:
    """An unfinished answer and the row that holds it."""

    row: int
    ids: list[int]
    score: float
    """Sum of the tokens' log probabilities after penalty."""


@dataclass(slots=True)
class _Finished:
    """The best answers that came to their end, by mean log probability."""

    size: int
    answers: list[tuple[float, list[int]]] = field(default_factory=list)

    def add(self, ids: list[int], score: float, length: int) -> None:
        mean = score / length
        if len(self.answers) == self.size and mean <= self.worst:
            return
        self.answers.append((mean, ids))
        if len(self.answers) > self.size:
            self.answers.remove(min(self.answers, key=lambda answer: answer[0]))

    @property
    def worst(self) -> float:
        return min(mean for mean, _ in self.answers)

    def settled(self, best_score: float, length: int) -> bool:
        """Whether no open beam can still get in."""
        return len(self.answers) == self.size and self.worst >= best_score / length


def beam_search(
    model: LanguageModel,
    logits: Tensor,
    settings: BeamSettings,
    terminators: Sequence[int],
    pool: KVCachePool,
) -> list[int]:
    """The answer with the best mean log probability that the beams found.

    Args:
        model: Language model.
        logits: Scores ``[V]`` of the first token.
        settings: Width, penalty and limit.
        terminators: Tokens that end an answer; the first one is written at its end.
        pool: Row 0 holds the prompt; the other ``n_beams - 1`` are overwritten.

    Returns:
        Token ids, with a terminator unless the limit was reached.

    Source: openbmb/MiniCPM-o-2_6, which uses its framework's beam search.
    Differs: beams are rows; of several beams with one parent the first keeps the parent's row and
    only the others are copied.
    """
    logits = logits.expand(settings.n_beams, -1)
    for row in range(1, settings.n_beams):
        pool.copy_row(0, row)
    beams = [_Beam(row, [], _HOPELESS) for row in range(settings.n_beams)]
    beams[0].score = 0.0
    finished = _Finished(settings.n_beams)
    for length in range(1, settings.max_tokens + 1):
        candidates = _candidates(logits, beams, settings, len(terminators))
        best_score = candidates[0][0]
        children = _advance(candidates, beams, finished, set(terminators), length)
        settled = finished.settled(best_score, length)
        if settled or length == settings.max_tokens:
            break
        beams = _place(children, pool)
        rows = [beam.row for beam in beams]
        last = torch.tensor([beam.ids[-1] for beam in beams], device=logits.device)
        logits = model.logits(model(model.embed(last), pool, pool.segments(rows, [1] * len(rows))))
    if not settled:
        for child in children:
            finished.add(child.ids, child.score, len(child.ids))
    ids = max(finished.answers, key=lambda answer: answer[0])[1]
    return [*ids, terminators[0]] if len(ids) < settings.max_tokens else ids


def _candidates(
    logits: Tensor, beams: Sequence[_Beam], settings: BeamSettings, n_terminators: int
) -> list[tuple[float, int, int]]:
    """The best continuations ``(score, beam, token)`` of all beams, best first.

    Enough of them that the beams can be filled even if terminators come first.
    """
    penalty = replace(GREEDY, repetition_penalty=settings.repetition_penalty)
    draws = [TokenDraw(penalty, beam.ids) for beam in beams]
    scores = penalize(logits.log_softmax(dim=-1), draws)
    scores = scores + torch.tensor([[beam.score] for beam in beams], device=scores.device)
    best = scores.flatten().topk(settings.n_beams * (1 + n_terminators))
    places = [divmod(place, logits.shape[1]) for place in best.indices.tolist()]
    return [(score, *place) for score, place in zip(best.values.tolist(), places, strict=True)]


def _advance(
    candidates: Sequence[tuple[float, int, int]],
    beams: Sequence[_Beam],
    finished: _Finished,
    terminators: set[int],
    length: int,
) -> list[_Beam]:
    """The next beams, on their parents' rows; answers that end go to ``finished``."""
    children: list[_Beam] = []
    for rank, (score, parent, token_id) in enumerate(candidates):
        if token_id in terminators:
            # An end that is not among the best would crowd out answers that go on.
            if rank < len(beams):
                finished.add(beams[parent].ids, score, length)
            continue
        children.append(_Beam(beams[parent].row, [*beams[parent].ids, token_id], score))
        if len(children) == len(beams):
            break
    return children


def _place(children: Sequence[_Beam], pool: KVCachePool) -> list[_Beam]:
    """Give every child a row of its own that holds its parent's past."""
    free = set(range(len(children))) - {child.row for child in children}
    taken: set[int] = set()
    placed = []
    for child in children:
        row = child.row
        if row in taken:
            row = free.pop()
            pool.copy_row(child.row, row)
        taken.add(row)
        placed.append(_Beam(row, child.ids, child.score))
    return placed
