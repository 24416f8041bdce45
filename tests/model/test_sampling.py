"""Drawing text tokens: limits, penalties, and rows that do not disturb each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from model.sampling import GREEDY, SamplingSettings, TokenDraw, draw_tokens, penalize, warp

pytestmark = pytest.mark.unit

VOCAB = 40
OPEN = SamplingSettings(temperature=1.0, top_p=1.0, top_k=0, repetition_penalty=1.0)


def scores(rows: int, seed: int = 0) -> Tensor:
    return torch.randn(rows, VOCAB, generator=torch.Generator().manual_seed(seed)) * 3


def kept(warped: Tensor) -> list[list[int]]:
    return [row.isfinite().nonzero().flatten().tolist() for row in warped]


def plainly_warped(row: Tensor, limits: SamplingSettings) -> Tensor:
    """The definition, one row at a time and with a sort."""
    row = row / limits.temperature
    ranked = row.argsort(descending=True)
    if limits.top_k > 0:
        row = row.clone()
        row[ranked[limits.top_k :]] = float("-inf")
    if limits.top_p < 1:
        rising = ranked.flip(0)
        cumulative = row[rising].softmax(0).cumsum(0)
        row = row.clone()
        row[rising[:-1][cumulative[:-1] <= 1 - limits.top_p]] = float("-inf")
    return row


limits = st.builds(
    SamplingSettings,
    temperature=st.sampled_from([0.3, 0.7, 1.0, 2.0]),
    top_p=st.sampled_from([0.05, 0.5, 0.8, 0.95, 1.0]),
    top_k=st.sampled_from([0, 1, 3, 20, 100]),
)


@given(rows=st.lists(limits, min_size=1, max_size=4), seed=st.integers(0, 1000))
@settings(deadline=None, max_examples=60)
def test_rows_with_their_own_limits_equal_each_row_by_definition(
    rows: list[SamplingSettings], seed: int
) -> None:
    given_scores = scores(len(rows), seed)
    ours = warp(given_scores, rows)
    expected = torch.stack(
        [plainly_warped(row, one) for row, one in zip(given_scores, rows, strict=True)]
    )
    assert kept(ours) == kept(expected)
    torch.testing.assert_close(ours.softmax(-1), expected.softmax(-1), atol=1e-6, rtol=0)


def test_the_most_likely_token_always_stays() -> None:
    [ids] = kept(warp(scores(1), [replace(OPEN, top_p=0.0)]))
    assert ids == [scores(1).argmax().item()]


def test_the_penalty_divides_what_speaks_for_and_multiplies_what_speaks_against() -> None:
    given_scores = torch.tensor([[2.0, -2.0, 4.0, 1.0]])
    draw = TokenDraw(replace(GREEDY, repetition_penalty=2.0), said=[0, 1, 0, 1])
    assert penalize(given_scores, [draw]).tolist() == [[1.0, -4.0, 4.0, 1.0]]
    assert given_scores.tolist() == [[2.0, -2.0, 4.0, 1.0]]


def test_barred_tokens_are_never_drawn_and_the_scores_stay_as_they_were() -> None:
    given_scores = scores(1)
    before = given_scores.clone()
    best = given_scores.argmax().item()
    [drawn] = draw_tokens(given_scores, [TokenDraw(barred=[best])])
    assert drawn != best
    assert torch.equal(given_scores, before)


def test_without_penalties_the_scores_are_not_copied() -> None:
    given_scores = scores(2)
    assert penalize(given_scores, [TokenDraw(), TokenDraw()]) is given_scores


def test_temperature_zero_takes_the_most_likely_token() -> None:
    given_scores = scores(3)
    assert draw_tokens(given_scores, [TokenDraw()] * 3) == given_scores.argmax(-1).tolist()


def test_a_seed_gives_the_same_tokens_alone_and_among_others() -> None:
    def drawn_with(others: int) -> list[int]:
        generator = torch.Generator().manual_seed(7)
        rest = [TokenDraw(OPEN), TokenDraw()][:others]
        draws = [*rest, TokenDraw(SamplingSettings(), generator=generator)]
        taken = []
        for step in range(12):
            batch = torch.cat([scores(others, 100 + step), scores(1, step)])
            taken.append(draw_tokens(batch, draws)[-1])
        return taken

    assert drawn_with(0) == drawn_with(1) == drawn_with(2)


def test_a_seeded_draw_is_that_of_the_default_generator() -> None:
    given_scores = scores(1)
    torch.manual_seed(11)
    [first] = draw_tokens(given_scores, [TokenDraw(OPEN)])
    generator = torch.Generator().manual_seed(11)
    assert draw_tokens(given_scores, [TokenDraw(OPEN, generator=generator)]) == [first]


def test_greedy_and_sampled_rows_share_a_batch() -> None:
    seen: list[Tensor] = []

    def last_possible(probabilities: Tensor, draws: Sequence[TokenDraw]) -> Tensor:
        seen.append(probabilities)
        return torch.stack([row.nonzero().max() for row in probabilities])

    given_scores = scores(4)
    draws = [TokenDraw(), TokenDraw(OPEN), TokenDraw(), TokenDraw(replace(OPEN, top_k=1))]
    drawn = draw_tokens(given_scores, draws, last_possible)
    best = given_scores.argmax(-1).tolist()
    assert drawn == [best[0], VOCAB - 1, best[2], best[3]]
    assert seen[0].shape == (2, VOCAB)


def test_draws_follow_the_probabilities() -> None:
    given_scores = torch.tensor([[0.0, 1.0, -50.0]]).repeat(4000, 1)
    generator = torch.Generator().manual_seed(3)
    draws = [TokenDraw(OPEN, generator=generator)] * 4000
    share = torch.tensor(draw_tokens(given_scores, draws)).float().mean().item()
    assert share == pytest.approx(torch.tensor([0.0, 1.0]).softmax(0)[1].item(), abs=0.03)
