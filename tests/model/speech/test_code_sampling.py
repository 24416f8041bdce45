"""Drawing of audio codes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from model.config import SpeechConfig
from model.quirks import ReferenceQuirks
from model.speech.code_sampling import (
    MIN_FRAMES_BEFORE_EOS,
    MIN_KEPT,
    PENALTY_WINDOW_FRAMES,
    TEMPERATURES,
    CodeSampler,
    draw_batch,
    penalize_repetition,
    warp,
)

pytestmark = pytest.mark.unit

CONFIG = SpeechConfig()
EOS = CONFIG.num_audio_tokens - 1


def random_logits(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * 3


def logits_that_end() -> Tensor:
    logits = random_logits(1, 4, CONFIG.num_audio_tokens)
    logits[:, EOS] = 50.0
    return logits


def warp_by_sorting(scores: Tensor, top_p: float, top_k: int) -> Tensor:
    """Top-p over everything, then top-k, each keeping at least three."""
    ordered, order = scores.sort(dim=-1)
    removed = ordered.softmax(-1).cumsum(-1) <= 1 - top_p
    removed[..., -MIN_KEPT:] = False
    nucleus = scores.masked_fill(torch.zeros_like(removed).scatter(-1, order, removed), -torch.inf)
    threshold = nucleus.topk(max(top_k, MIN_KEPT)).values[..., -1:]
    return nucleus.masked_fill(nucleus < threshold, -torch.inf)


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 10_000),
    spread=st.sampled_from([0.1, 1.0, 5.0, 40.0]),
    top_p=st.sampled_from([0.05, 0.5, 0.7, 0.95]),
    top_k=st.sampled_from([1, 3, 20, 100]),
)
def test_the_partial_sort_keeps_what_the_full_sort_keeps(
    seed: int, spread: float, top_p: float, top_k: int
) -> None:
    scores = random_logits(seed, 4, 120) * spread
    assert torch.equal(warp(scores, top_p, top_k), warp_by_sorting(scores, top_p, top_k))


def test_a_code_is_penalized_for_each_time_it_occurs_in_the_window() -> None:
    scores = torch.tensor([[2.0, -2.0, 2.0, 2.0]])
    history = torch.tensor([[3] + [0, 1, 1] + [2] * (PENALTY_WINDOW_FRAMES - 3)])
    penalized = penalize_repetition(scores, history, 1.1)
    expected = [2.0 / 1.1, -2.0 * 1.1**2, 2.0 / 1.1 ** (PENALTY_WINDOW_FRAMES - 3), 2.0]
    torch.testing.assert_close(penalized, torch.tensor([expected]))


def test_the_sampler_penalizes_its_own_last_frames() -> None:
    sampler = CodeSampler(replace(CONFIG, repetition_penalty=4.0), greedy=True)
    logits = torch.zeros(4, CONFIG.num_audio_tokens)
    logits[:, 7], logits[:, 8] = 2.0, 1.0
    drawn = [sampler.draw(logits)[0].tolist() for _ in range(3)]
    assert drawn == [[7] * 4, [8] * 4, [7] * 4]


def test_end_of_speech_is_barred_once_in_a_response() -> None:
    sampler = CodeSampler(CONFIG, greedy=True)
    ended = []
    for frame in range(MIN_FRAMES_BEFORE_EOS + 3):
        if frame == MIN_FRAMES_BEFORE_EOS + 1:
            sampler.begin_call()
        ended.append(sampler.draw(logits_that_end())[1])
    assert ended == [False] * MIN_FRAMES_BEFORE_EOS + [True] * 3


def test_the_reference_bars_end_of_speech_in_every_call() -> None:
    sampler = CodeSampler(CONFIG, greedy=True, quirks=ReferenceQuirks.faithful())
    for _ in range(2):
        sampler.begin_call()
        ended = [sampler.draw(logits_that_end())[1] for _ in range(MIN_FRAMES_BEFORE_EOS + 1)]
        assert ended == [False] * MIN_FRAMES_BEFORE_EOS + [True]


def test_speech_told_never_to_end_does_not() -> None:
    sampler = CodeSampler(CONFIG, greedy=True, never_end=True)
    assert not any(sampler.draw(logits_that_end())[1] for _ in range(MIN_FRAMES_BEFORE_EOS + 5))


def test_the_draw_gets_probabilities_of_all_codes_and_can_be_replaced() -> None:
    seen: list[np.ndarray] = []

    def draw(probabilities: np.ndarray) -> np.ndarray:
        seen.append(probabilities)
        return np.array([[1], [2], [3], [4]])

    codes, ended = CodeSampler(CONFIG, draw=draw).draw(random_logits(2, 4, EOS + 1))
    assert codes.tolist() == [1, 2, 3, 4]
    assert not ended
    assert seen[0].shape == (4, EOS + 1)
    np.testing.assert_allclose(seen[0].sum(-1), 1, atol=1e-5)
    assert (seen[0] > 0).sum(-1).max() <= CONFIG.top_k


def test_only_temperature_shapes_the_start_step() -> None:
    logits = random_logits(3, 4, EOS + 1)
    seen: list[np.ndarray] = []
    sampler = CodeSampler(CONFIG, draw=lambda p: seen.append(p) or p.argmax(-1), never_end=True)
    sampler.draw(logits, start=True)
    expected = logits / torch.tensor(TEMPERATURES)[:, None]
    expected[:, EOS] = -torch.inf
    np.testing.assert_allclose(seen[0], expected.softmax(-1).numpy(), atol=1e-6)


@settings(deadline=None, max_examples=25)
@given(
    seeds=st.lists(st.integers(0, 1000), min_size=2, max_size=5),
    greedy=st.integers(0, 2**5),
    starts=st.integers(0, 2**5),
    penalty=st.sampled_from([1.0, 1.2]),
)
def test_responses_drawn_together_get_what_each_gets_alone(
    seeds: list[int], greedy: int, starts: int, penalty: float
) -> None:
    config = replace(CONFIG, repetition_penalty=penalty)

    def samplers() -> list[CodeSampler]:
        return [
            CodeSampler(
                config,
                generator=torch.Generator().manual_seed(seed),
                greedy=bool(greedy >> row & 1),
            )
            for row, seed in enumerate(seeds)
        ]

    together, alone = samplers(), samplers()
    for frame in range(12):
        logits = random_logits(frame, len(seeds), 4, EOS + 1)
        start = [frame == 0 and bool(starts >> row & 1) for row in range(len(seeds))]
        batched = draw_batch(together, logits.clone(), start)
        for row, sampler in enumerate(alone):
            codes, ended = sampler.draw(logits[row], start=start[row])
            assert batched[row][0].tolist() == codes.tolist()
            assert batched[row][1] == ended


def test_drawing_leaves_the_logits_as_they_were() -> None:
    logits = random_logits(5, 2, 4, EOS + 1)
    before = logits.clone()
    draw_batch([CodeSampler(CONFIG), CodeSampler(CONFIG, greedy=True)], logits, [False, True])
    assert torch.equal(logits, before)


def test_the_same_seed_gives_the_same_speech() -> None:
    def speak(seed: int) -> list[list[int]]:
        sampler = CodeSampler(CONFIG, generator=torch.Generator().manual_seed(seed))
        logits = random_logits(6, 4, EOS + 1) / 3
        return [sampler.draw(logits)[0].tolist() for _ in range(8)]

    assert speak(1) == speak(1)
    assert speak(1) != speak(2)
