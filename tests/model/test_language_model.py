"""The language model over pool rows: cuts, batches, rewinds and evictions change nothing."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from model.language_model import LanguageModel
from model.rotary import rotate
from model.state import KVCachePool
from tests.model.tiny_models import random_embeddings, random_language_model, tiny_config

pytestmark = pytest.mark.unit

ATOL = 2e-5
MAX_TOKENS = 24
MODEL = random_language_model(tiny_config())


def append(model: LanguageModel, pool: KVCachePool, row: int, embeddings: Tensor) -> Tensor:
    return model(embeddings, pool, pool.segments([row], [embeddings.shape[0]]))


def run_alone(model: LanguageModel, embeddings: Tensor) -> Tensor:
    return append(model, model.allocate(1, 2 * MAX_TOKENS), 0, embeddings)


@given(cuts=st.lists(st.integers(1, MAX_TOKENS), min_size=1, max_size=6))
@settings(deadline=None, max_examples=25)
def test_a_prompt_cut_anywhere_gives_the_same_hidden_states(cuts: list[int]) -> None:
    embeddings = random_embeddings(MAX_TOKENS)
    edges = sorted({0, *(cut % MAX_TOKENS for cut in cuts), MAX_TOKENS})
    pool = MODEL.allocate(2, MAX_TOKENS)
    pieces = [append(MODEL, pool, 1, embeddings[start:stop]) for start, stop in pairwise(edges)]
    torch.testing.assert_close(torch.cat(pieces), run_alone(MODEL, embeddings), atol=ATOL, rtol=0)
    assert pool.lengths == [0, MAX_TOKENS]


@given(
    steps=st.lists(
        st.dictionaries(st.integers(0, 3), st.integers(1, 7), min_size=1), min_size=1, max_size=4
    )
)
@settings(deadline=None, max_examples=25)
def test_rows_of_a_packed_batch_equal_each_row_alone(steps: list[dict[int, int]]) -> None:
    pool = MODEL.allocate(4, 32)
    given_to: list[list[Tensor]] = [[] for _ in range(4)]
    came_of: list[list[Tensor]] = [[] for _ in range(4)]
    for number, counts in enumerate(steps):
        parts = [random_embeddings(count, 10 * number + row) for row, count in counts.items()]
        segments = pool.segments(list(counts), list(counts.values()))
        hidden = MODEL(torch.cat(parts), pool, segments).split(list(counts.values()))
        for row, part, result in zip(counts, parts, hidden, strict=True):
            given_to[row].append(part)
            came_of[row].append(result)
    for parts, results in zip(given_to, came_of, strict=True):
        if parts:
            alone = run_alone(MODEL, torch.cat(parts))
            torch.testing.assert_close(torch.cat(results), alone, atol=ATOL, rtol=0)


@given(kept=st.integers(1, 12), undone=st.integers(1, 10), more=st.integers(1, 10))
@settings(deadline=None, max_examples=25)
def test_a_rewound_row_equals_one_that_never_went_there(kept: int, undone: int, more: int) -> None:
    history, regretted, later = (
        random_embeddings(count, seed) for seed, count in enumerate((kept, undone, more))
    )
    pool = MODEL.allocate(1, 2 * MAX_TOKENS)
    append(MODEL, pool, 0, history)
    append(MODEL, pool, 0, regretted)
    pool.truncate(0, kept)
    rewound = append(MODEL, pool, 0, later)
    straight = run_alone(MODEL, torch.cat([history, later]))[kept:]
    torch.testing.assert_close(rewound, straight, atol=ATOL, rtol=0)


eviction = st.tuples(st.integers(1, 8), st.integers(1, 8), st.integers(0, 8))


@given(sizes=eviction)
@settings(deadline=None, max_examples=25)
def test_one_layer_forgets_evicted_positions_entirely(sizes: tuple[int, int, int]) -> None:
    model = random_language_model(tiny_config(n_layers=1))
    first, gone, kept = sizes
    history, later = random_embeddings(first + gone + kept), random_embeddings(5, seed=2)
    pool = model.allocate(1, 2 * MAX_TOKENS)
    append(model, pool, 0, history)
    model.evict(pool, 0, first, first + gone)
    evicted = append(model, pool, 0, later)
    # Keys of a single layer depend on no context, so nothing of the gap may be left.
    never_there = torch.cat([history[:first], history[first + gone :], later])
    expected = run_alone(model, never_there)[-len(later) :]
    torch.testing.assert_close(evicted, expected, atol=ATOL, rtol=0)


@given(sizes=eviction)
@settings(deadline=None, max_examples=25)
def test_logits_after_an_eviction_come_from_keys_rotated_anew(sizes: tuple[int, int, int]) -> None:
    first, gone, kept = sizes
    length = first + gone + kept
    later = random_embeddings(6, seed=2)
    pool, expected = MODEL.allocate(1, 64), MODEL.allocate(1, 64)
    append(MODEL, pool, 0, random_embeddings(length))
    rotary = MODEL.rotary_for(pool)
    old = torch.cat([torch.arange(first), torch.arange(first + gone, length)])
    cos, sin = rotary.cos[old], rotary.sin[old]
    bare = rotate(pool.keys[:, 0, :, old], cos, -sin)
    new = torch.arange(len(old))
    expected.keys[:, 0, :, : len(old)] = rotate(bare, rotary.cos[new], rotary.sin[new])
    expected.values[:, 0, :, : len(old)] = pool.values[:, 0, :, old]
    expected.lengths[0] = len(old)

    MODEL.evict(pool, 0, first, first + gone)
    assert pool.lengths == [len(old)]
    for embedding in later.split(1):
        ours = MODEL.logits(append(MODEL, pool, 0, embedding))
        theirs = MODEL.logits(append(MODEL, expected, 0, embedding))
        torch.testing.assert_close(ours, theirs, atol=ATOL, rtol=0)


def test_a_tied_head_scores_with_the_embedding_table_and_stores_nothing() -> None:
    model = random_language_model(tiny_config(tied=True))
    assert "lm_head.weight" not in model.state_dict()
    hidden = random_embeddings(3)
    torch.testing.assert_close(model.logits(hidden), hidden @ model.model.embed_tokens.weight.T)


def test_a_tied_model_loads_strictly_onto_the_meta_device() -> None:
    source = random_language_model(tiny_config(tied=True))
    with torch.device("meta"):
        model = LanguageModel(tiny_config(tied=True))
    model.load_state_dict(source.state_dict(), strict=True, assign=True)
    hidden = random_embeddings(3)
    torch.testing.assert_close(model.logits(hidden), source.logits(hidden))
    assert model.device.type == "cpu"


def test_an_untied_head_is_a_parameter_of_its_own() -> None:
    assert "lm_head.weight" in MODEL.state_dict()


def test_fusing_projections_changes_no_result() -> None:
    model = random_language_model(tiny_config())
    embeddings = random_embeddings(MAX_TOKENS)
    before = run_alone(model, embeddings)
    model.fuse()
    torch.testing.assert_close(run_alone(model, embeddings), before, atol=1e-6, rtol=0)


def test_rotation_tables_grow_with_the_largest_pool_and_are_kept() -> None:
    model = random_language_model(tiny_config())
    small, large = model.allocate(1, 8), model.allocate(1, 32)
    assert model.rotary_for(small).cos.shape[0] == 8
    table = model.rotary_for(large)
    assert table.cos.shape[0] == 32
    assert model.rotary_for(small) is table


@pytest.mark.parametrize("capacity", [0, 513])
def test_a_context_the_model_was_not_made_for_is_refused(capacity: int) -> None:
    with pytest.raises(ValueError, match="1 to 512"):
        MODEL.allocate(1, capacity)
