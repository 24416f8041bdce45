"""The speech decoder against a plain one-pass implementation, and its rows against each other."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from model.config import CodecConfig, SpeechConfig
from model.rotary import RotaryTable, rotate
from model.speech.speech_decoder import SpeechDecoder, SpeechStep, TextPrefill
from model.state import KVCachePool, RowFullError

pytestmark = pytest.mark.unit

CONFIG = SpeechConfig(
    llm_dim=12,
    hidden_size=32,
    intermediate_size=48,
    num_attention_heads=2,
    num_hidden_layers=2,
    num_text_tokens=40,
    num_audio_tokens=26,
    spk_emb_token_id=31,
    audio_bos_token_id=32,
    text_eos_token_id=33,
    streaming_text_chunk_size=4,
    streaming_text_reserved_len=20,
    streaming_audio_chunk_size=6,
    vocab_size=3,
    codec=CodecConfig(dim=8, hidden=8, n_layer=1, bn_dim=8),
)
START = 22
"""Position of ``[Ptts]``, and the length of a row without audio."""
CAPACITY = 90
ATOL = 2e-5
LOGITS_ATOL = 1e-4

property_test = settings(deadline=None, max_examples=15)


def assert_near(ours: Tensor, theirs: Tensor, atol: float = ATOL) -> None:
    torch.testing.assert_close(ours, theirs, atol=atol, rtol=0)


def make_decoder() -> SpeechDecoder:
    torch.manual_seed(0)
    decoder = SpeechDecoder(CONFIG).eval()
    for name, parameter in decoder.named_parameters():
        if "norm" in name or "original0" in name:
            parameter.data.uniform_(0.5, 1.5)
        elif name.startswith(("model.layers", "emb")):
            parameter.data.normal_(0, 0.3)
    return decoder.requires_grad_(False)


DECODER = make_decoder()
DECODER.fuse()


def pool_of(n_rows: int) -> KVCachePool:
    pool = DECODER.allocate(n_rows, CAPACITY)
    for row in range(n_rows):
        DECODER.begin(pool, row)
    return pool


def text_ids(n_text: int, seed: int = 0) -> list[int]:
    """[Stts] [spk_emb] text [Etts]."""
    generator = torch.Generator().manual_seed(seed)
    text = torch.randint(0, 30, (n_text,), generator=generator).tolist()
    return [30, CONFIG.spk_emb_token_id, *text, CONFIG.text_eos_token_id]


def random_frames(count: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(100 + seed)
    return torch.randint(0, CONFIG.num_audio_tokens - 1, (count, 4), generator=generator)


def run_steps(pool: KVCachePool, row: int, frames: Sequence[Tensor | None], n_text: int) -> Tensor:
    """Logits ``[n, 4, V]`` of steps after one another."""
    return torch.cat([DECODER.step([SpeechStep(row, codes, n_text)], pool) for codes in frames])


def one_pass(embeddings: Tensor, mask: Tensor, unwritten: Sequence[int] = ()) -> Tensor:
    """Hidden states ``[L, D]`` of a sequence ``[L, D]`` in order of time, by the textbook.

    The bool mask ``[L, L]`` has a row per query; keys and values of ``unwritten`` are zero.
    """
    length, heads = len(embeddings), CONFIG.num_attention_heads
    head_dim = CONFIG.hidden_size // heads
    rotary = RotaryTable(head_dim=head_dim, theta=CONFIG.rope_theta, n_positions=length)
    rotation = rotary.rows(torch.arange(length), torch.float32)
    bias = torch.zeros(length, length).masked_fill(~mask, torch.finfo(torch.float32).min)
    written = torch.ones(length, 1, 1)
    written[list(unwritten)] = 0
    x = embeddings
    for layer in DECODER.model.layers:
        attention, normed = layer.self_attn, layer.input_layernorm(x)
        projections = (attention.q_proj, attention.k_proj, attention.v_proj)
        queries, keys, values = (p(normed).view(length, heads, head_dim) for p in projections)
        queries, keys = rotate(queries, *rotation), rotate(keys, *rotation) * written
        scores = torch.einsum("qhd,khd->hqk", queries, keys) / math.sqrt(head_dim)
        mixed = torch.einsum("hqk,khd->qhd", (scores + bias).softmax(-1), values * written)
        x = x + attention.o_proj(mixed.reshape(length, -1))
        normed = layer.post_attention_layernorm(x)
        gated = F.silu(layer.mlp.gate_proj(normed)) * layer.mlp.up_proj(normed)
        x = x + layer.mlp.down_proj(gated)
    return DECODER.model.norm(x)


def whole_sequence(ids: list[int], frames: Tensor) -> Tensor:
    """Embeddings of a condition with its text, ``[Ptts]`` and frames, in order of time."""
    padding = [0] * (START - len(ids))
    condition = DECODER.embed_text([*ids, *padding, CONFIG.audio_bos_token_id])
    return torch.cat([condition, DECODER.embed_frames(frames)])


def step_mask(n_frames: int, n_text: int, *, together: bool = False) -> Tensor:
    """Visibility of all positions: text is causal, audio follows the schedule."""
    length = START + 1 + n_frames
    mask = torch.ones(length, length, dtype=torch.bool).tril()
    for position in range(START, length):
        mask[position] = False
        if together:
            mask[position] = DECODER.mask.visible(START, 1 + n_frames, n_text)
        else:
            mask[position, : position + 1] = DECODER.mask.visible(position, 1, n_text)
    return mask


@property_test
@given(n_text=st.integers(1, 19), n_frames=st.integers(0, 40))
def test_steps_equal_one_pass_under_the_explicit_mask(n_text: int, n_frames: int) -> None:
    ids, frames = text_ids(n_text), random_frames(n_frames)
    pool = pool_of(1)
    DECODER.prefill_text([TextPrefill(0, 0, ids)], pool)
    stepped = run_steps(pool, 0, [None, *frames], n_text)
    hidden = one_pass(whole_sequence(ids, frames), step_mask(n_frames, n_text))
    expected = DECODER.logits(hidden[START:])
    assert_near(stepped, expected, LOGITS_ATOL)
    assert pool.lengths == [START + 1 + n_frames]


@property_test
@given(data=st.data(), n_text=st.integers(1, 19))
def test_text_in_any_cuts_equals_text_in_one_go(data: st.DataObject, n_text: int) -> None:
    ids = text_ids(n_text)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(ids) - 1), max_size=5)))
    whole, cut = pool_of(1), pool_of(1)
    expected = DECODER.prefill_text([TextPrefill(0, 0, ids)], whole)[0]
    parts = [
        DECODER.prefill_text([TextPrefill(0, begin, ids[begin:end])], cut)[0]
        for begin, end in zip([0, *cuts], [*cuts, len(ids)], strict=True)
    ]
    assert_near(torch.cat(parts), expected)
    # Chunks of one row may also share a batch.
    items = [TextPrefill(0, 0, ids[:2]), TextPrefill(0, 2, ids[2:])]
    shared = DECODER.prefill_text(items, pool_of(1))
    assert_near(torch.cat(shared), expected)
    assert_near(cut.keys, whole.keys)
    assert_near(cut.values, whole.values)


@property_test
@given(n_text=st.integers(4, 19), n_frames=st.integers(1, 40), ahead=st.integers(0, 3))
def test_text_that_comes_when_it_is_due_equals_text_known_from_the_start(
    n_text: int, n_frames: int, ahead: int
) -> None:
    ids, frames = text_ids(n_text), random_frames(n_frames)
    early, late = pool_of(1), pool_of(1)
    DECODER.prefill_text([TextPrefill(0, 0, ids)], early)
    expected = run_steps(early, 0, [None, *frames], n_text)
    logits, written = [], 0
    for codes in [None, *frames]:
        due = min(DECODER.mask.n_visible(late.lengths[0], n_text) + ahead, len(ids))
        if due > written:
            DECODER.prefill_text([TextPrefill(0, written, ids[written:due])], late)
            written = due
        logits.append(run_steps(late, 0, [codes], n_text))
    assert_near(torch.cat(logits), expected, LOGITS_ATOL)


def test_text_ahead_of_its_time_sees_the_gap_as_zeros() -> None:
    ids = text_ids(10)
    pool = pool_of(1)
    DECODER.prefill_text([TextPrefill(0, 0, ids[:3])], pool)
    hidden = DECODER.prefill_text([TextPrefill(0, 7, ids[7:])], pool)[0]
    causal = torch.ones(len(ids), len(ids), dtype=torch.bool).tril()
    expected = one_pass(DECODER.embed_text(ids), causal, unwritten=range(3, 7))[7:]
    assert_near(hidden, expected)


def test_a_frame_sees_text_that_is_not_there_yet_as_zeros() -> None:
    ids, n_text = text_ids(10)[:4], 10
    pool = pool_of(1)
    DECODER.prefill_text([TextPrefill(0, 0, ids)], pool)
    stepped = run_steps(pool, 0, [None], n_text)
    seen = DECODER.mask.n_visible(START, n_text)
    hidden = one_pass(
        whole_sequence(ids, random_frames(0)), step_mask(0, n_text), unwritten=range(4, seen)
    )
    assert_near(stepped, DECODER.logits(hidden[START:]), LOGITS_ATOL)


def test_a_text_prefill_leaves_the_length_of_the_row() -> None:
    pool = pool_of(1)
    run_steps(pool, 0, [None, *random_frames(5)], 3)
    DECODER.prefill_text([TextPrefill(0, 6, [1, 2])], pool)
    assert pool.lengths == [START + 6]


@property_test
@given(data=st.data(), n_rows=st.integers(2, 4))
def test_rows_stepped_together_equal_rows_stepped_alone(data: st.DataObject, n_rows: int) -> None:
    n_texts = [data.draw(st.integers(1, 19)) for _ in range(n_rows)]
    counts = [data.draw(st.integers(0, 20)) for _ in range(n_rows)]
    together, alone = pool_of(n_rows), pool_of(n_rows)
    items = [TextPrefill(row, 0, text_ids(n_texts[row], row)) for row in range(n_rows)]
    batched = DECODER.prefill_text(items, together)
    for item, hidden in zip(items, batched, strict=True):
        assert_near(hidden, DECODER.prefill_text([item], alone)[0])
    for row, count in enumerate(counts):  # rows of different ages; with count 0 not yet begun
        frames = [None, *random_frames(count, row)][:count]
        for pool in (together, alone) if frames else ():
            run_steps(pool, row, frames, n_texts[row])
    for turn in range(3):
        steps = []
        for row in range(n_rows):
            new = together.lengths[row] == START
            codes = None if new else random_frames(1, 10 * turn + row)[0]
            steps.append(SpeechStep(row, codes, n_texts[row]))
        logits = DECODER.step(steps, together)
        expected = torch.cat([DECODER.step([step], alone) for step in steps])
        assert_near(logits, expected, LOGITS_ATOL)
    assert together.lengths == alone.lengths


@property_test
@given(n_text=st.integers(1, 19), n_frames=st.integers(0, 30))
def test_carried_audio_in_one_pass_equals_steps(n_text: int, n_frames: int) -> None:
    ids, frames = text_ids(n_text), random_frames(n_frames)
    stepped, prefilled = pool_of(1), pool_of(1)
    for pool in (stepped, prefilled):
        DECODER.prefill_text([TextPrefill(0, 0, ids)], pool)
    expected = run_steps(stepped, 0, [None, *frames], n_text)
    hidden = DECODER.prefill_audio(0, frames, n_text, prefilled, bidirectional=False)
    assert_near(DECODER.logits(hidden), expected, LOGITS_ATOL)
    assert prefilled.lengths == stepped.lengths
    after = random_frames(1, 3)
    ours, theirs = (run_steps(pool, 0, after, n_text) for pool in (prefilled, stepped))
    assert_near(ours, theirs, LOGITS_ATOL)


def test_carried_audio_in_both_directions_equals_one_pass_under_one_mask_for_all() -> None:
    ids, frames, n_text = text_ids(9), random_frames(15), 9
    pool = pool_of(1)
    DECODER.prefill_text([TextPrefill(0, 0, ids)], pool)
    hidden = DECODER.prefill_audio(0, frames, n_text, pool, bidirectional=True)
    expected = one_pass(whole_sequence(ids, frames), step_mask(15, n_text, together=True))
    assert_near(hidden, expected[START:])


def test_nothing_sees_the_start_position() -> None:
    ids, frames = text_ids(19), random_frames(45)
    logits = []
    for disturbance in (0.0, 9.0):
        pool = pool_of(1)
        DECODER.prefill_text([TextPrefill(0, 0, ids)], pool)
        first = run_steps(pool, 0, [None], 19)
        stored = DECODER.mask.storage_index(START)
        pool.keys[:, 0, :, stored] += disturbance
        pool.values[:, 0, :, stored] += disturbance
        logits.append(torch.cat([first, run_steps(pool, 0, frames, 19)]))
    assert torch.equal(*logits)


def test_a_row_begun_anew_equals_a_fresh_one() -> None:
    used, fresh = pool_of(2), pool_of(2)
    DECODER.prefill_text([TextPrefill(1, 0, text_ids(19, 5))], used)
    run_steps(used, 1, [None, *random_frames(30, 5)], 19)
    DECODER.begin(used, 1)
    results = []
    for pool in (used, fresh):
        DECODER.prefill_text([TextPrefill(1, 0, text_ids(3)[:4])], pool)
        results.append(run_steps(pool, 1, [None, *random_frames(8)], 12))
    assert torch.equal(*results)


def test_a_rewound_row_equals_one_that_never_went_there() -> None:
    rewound, straight = pool_of(1), pool_of(1)
    for pool in (rewound, straight):
        DECODER.prefill_text([TextPrefill(0, 0, text_ids(8))], pool)
        run_steps(pool, 0, [None, *random_frames(12)], 8)
    run_steps(rewound, 0, random_frames(9, 7), 8)
    rewound.truncate(0, straight.lengths[0])
    after = random_frames(6, 8)
    assert torch.equal(run_steps(rewound, 0, after, 8), run_steps(straight, 0, after, 8))


def test_a_row_touches_no_other() -> None:
    pool = pool_of(3)
    before = pool.keys.clone(), pool.values.clone()
    DECODER.prefill_text([TextPrefill(1, 0, text_ids(5))], pool)
    run_steps(pool, 1, [None, *random_frames(4)], 5)
    DECODER.begin(pool, 1)
    for row in (0, 2):
        assert torch.equal(pool.keys[:, row], before[0][:, row])
        assert torch.equal(pool.values[:, row], before[1][:, row])


def test_the_speaker_has_unit_length_and_takes_the_place_of_its_token() -> None:
    torch.manual_seed(1)
    speaker = DECODER.project_speaker(torch.randn(2, CONFIG.llm_dim))
    torch.testing.assert_close(speaker.norm(dim=-1), torch.ones(2))
    plain, spoken = (DECODER.embed_text(text_ids(3), voice) for voice in (None, speaker[0]))
    assert torch.equal(spoken[1], speaker[0])
    assert torch.equal(spoken[[0, 2, 3, 4, 5]], plain[[0, 2, 3, 4, 5]])


def test_heads_are_weight_normed_layers_and_joining_them_changes_nothing() -> None:
    torch.manual_seed(2)
    hidden = torch.randn(3, CONFIG.hidden_size)
    apart = make_decoder()
    assert torch.equal(DECODER.head_code[0].matrix(), apart.head_code[0].matrix())
    for codebook, head in enumerate(apart.head_code):
        layer = torch.nn.utils.parametrizations.weight_norm(
            torch.nn.Linear(CONFIG.hidden_size, CONFIG.num_audio_tokens, bias=False)
        )
        layer.load_state_dict(head.state_dict(), strict=True)
        torch.testing.assert_close(apart.logits(hidden)[:, codebook], layer(hidden))
    torch.testing.assert_close(DECODER.logits(hidden), apart.logits(hidden))
    joined = DECODER.state_dict()
    assert joined.keys() == apart.state_dict().keys()
    assert all(torch.equal(joined[name], value) for name, value in apart.state_dict().items())


def test_a_row_holds_the_longest_segment() -> None:
    decoder = SpeechDecoder(CONFIG)
    assert decoder.row_capacity == START + 1 + 50 + 2048 + 25
    assert DECODER.allocate(1, 30).capacity == 30


def test_a_larger_pool_after_a_smaller_one_has_all_its_rotations() -> None:
    decoder = make_decoder()
    for capacity in (START + 2, CAPACITY):
        pool = decoder.allocate(1, capacity)
        decoder.begin(pool, 0)
        decoder.prefill_audio(0, random_frames(capacity - START - 1), 3, pool, bidirectional=False)
        assert pool.lengths == [capacity]


def test_a_full_row_is_refused_and_nothing_changes() -> None:
    pool = DECODER.allocate(2, START + 2)
    for row in range(2):
        DECODER.begin(pool, row)
    run_steps(pool, 0, [None, random_frames(1)[0]], 3)
    before = pool.keys.clone()
    with pytest.raises(RowFullError, match="row 0 holds 24 of 24"):
        DECODER.step([SpeechStep(1, None, 3), SpeechStep(0, random_frames(1)[0], 3)], pool)
    assert torch.equal(pool.keys, before)
    assert pool.lengths == [START + 2, START]
    with pytest.raises(RowFullError):
        DECODER.prefill_audio(1, random_frames(5), 3, pool, bidirectional=False)


def test_steps_out_of_order_and_text_outside_the_condition_are_refused() -> None:
    pool = pool_of(2)
    with pytest.raises(ValueError, match="a frame continues the audio"):
        DECODER.step([SpeechStep(0, random_frames(1)[0], 3)], pool)
    run_steps(pool, 0, [None], 3)
    with pytest.raises(ValueError, match="starts the audio"):
        DECODER.step([SpeechStep(0, None, 3)], pool)
    with pytest.raises(ValueError, match="starts the audio"):
        DECODER.step([SpeechStep(0, None, 3)], DECODER.allocate(1, CAPACITY))
    for begin, count in ((-1, 3), (0, 0), (20, 4)):
        with pytest.raises(ValueError, match="not within the 23 positions"):
            DECODER.prefill_text([TextPrefill(0, begin, [1] * count)], pool)


def test_narrow_weights_stay_close_to_float32() -> None:
    narrow = make_decoder().to(torch.bfloat16)
    narrow.fuse()
    results = []
    for decoder in (narrow, DECODER):
        pool = decoder.allocate(1, CAPACITY)
        decoder.begin(pool, 0)
        speaker = decoder.project_speaker(torch.ones(1, CONFIG.llm_dim).to(pool.keys.dtype))[0]
        decoder.prefill_text([TextPrefill(0, 0, text_ids(9), speaker)], pool)
        steps = [SpeechStep(0, codes, 9) for codes in (None, *random_frames(4))]
        results.append(torch.cat([decoder.step([step], pool) for step in steps]))
    assert results[0].dtype == torch.bfloat16
    similarity = F.cosine_similarity(results[0].float().flatten(1), results[1].flatten(1))
    assert similarity.min() > 0.99
