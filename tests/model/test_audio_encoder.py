"""The audio encoder: streaming, batching and the padded batch of the reference."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from model.audio_encoder import AudioEncoder, AudioProjection, chunk_mask
from model.audio_features import encoder_frame_count
from model.config import AudioConfig, OmniConfig
from model.quirks import ReferenceQuirks
from model.state import KVCachePool

pytestmark = pytest.mark.unit

GOLDEN = Path(__file__).parents[1] / "golden"
CONFIG = AudioConfig(
    d_model=32,
    encoder_layers=2,
    encoder_attention_heads=2,
    encoder_ffn_dim=64,
    num_mel_bins=20,
    max_source_positions=120,
)
CHUNK = 10
UNIT_MELS = 2 * CHUNK
CPU = torch.device("cpu")
ATOL = 2e-5


@cache
def encoder() -> AudioEncoder:
    torch.manual_seed(1)
    network = AudioEncoder(CONFIG).requires_grad_(False)
    for parameter in network.parameters():
        # Attention that is not flat, and biases large enough that GELU of nothing is something.
        parameter.mul_(2.0)
    network.fuse()
    return network


def mel(n_frames: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(1000 * n_frames + seed)
    return torch.randn(CONFIG.num_mel_bins, n_frames, generator=generator)


def frames(count: int, seed: int = 0) -> Tensor:
    return torch.randn(count, CONFIG.d_model, generator=torch.Generator().manual_seed(seed))


def assert_close(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, atol=ATOL, rtol=0)


def append(new: Tensor, row: int, pool: KVCachePool) -> Tensor:
    return encoder().append_frames(new, pool.segments([row], [len(new)]), pool)


def test_checkpoint_names_and_shapes_load_strictly() -> None:
    config = OmniConfig.from_folder(GOLDEN)
    with (GOLDEN / "weights_tiny.tsv").open() as file:
        recorded = dict(list(csv.reader(file, delimiter="\t")))
    networks = {
        "apm.": AudioEncoder(config.audio),
        "audio_projection_layer.": AudioProjection(
            config.audio.d_model, config.language.hidden_size, config.audio_pool_step
        ),
    }
    for prefix, network in networks.items():
        ours = {prefix + name: str(tuple(t.shape)) for name, t in network.state_dict().items()}
        theirs = {name: shape for name, shape in recorded.items() if name.startswith(prefix)}
        assert ours == theirs


def test_fusing_changes_neither_names_nor_results() -> None:
    torch.manual_seed(2)
    network = AudioEncoder(CONFIG).requires_grad_(False)
    weights = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    before = network.encode_clips([mel(33)], CHUNK)[0]
    network.fuse()
    assert_close(network.encode_clips([mel(33)], CHUNK)[0], before)
    after = network.state_dict()
    assert list(after) == list(weights)
    assert all(torch.equal(after[name], weights[name]) for name in weights)


@settings(deadline=None, max_examples=25)
@given(lengths=st.lists(st.integers(1, 60), min_size=1, max_size=6))
def test_convolutions_of_a_packed_batch_equal_those_of_each_clip(lengths: list[int]) -> None:
    mels = [mel(n, seed) for seed, n in enumerate(lengths)]
    packed = encoder().convolve(mels)
    alone = [encoder().convolve([one]) for one in mels]
    assert [len(one) for one in alone] == [encoder_frame_count(n) for n in lengths]
    assert_close(packed, torch.cat(alone))


@settings(deadline=None, max_examples=25)
@given(
    lengths=st.lists(st.integers(1, 60), min_size=1, max_size=4),
    held=st.lists(st.integers(0, 60), min_size=4, max_size=4),
)
def test_units_in_one_call_equal_units_alone(lengths: list[int], held: list[int]) -> None:
    together, alone = encoder().allocate(4), encoder().allocate(4)
    rows = list(range(len(lengths)))[::-1]
    for row in rows:
        if held[row]:
            for pool in (together, alone):
                append(frames(held[row], row), row, pool)
    mels = [mel(n, seed) for seed, n in enumerate(lengths)]
    batched = encoder().encode_units(mels, rows, together)
    for row, one, ours in zip(rows, mels, batched, strict=True):
        assert_close(ours, encoder().encode_units([one], [row], alone)[0])
    assert together.lengths == alone.lengths
    assert_close(together.keys, alone.keys)
    assert_close(together.values, alone.values)


@settings(deadline=None, max_examples=20)
@given(count=st.integers(1, 119))
def test_streaming_equals_the_whole_clip_under_the_chunk_mask(count: int) -> None:
    """On equal frames: with real units, the convolutions' edges make a difference."""
    clip = frames(count, count)
    pool = encoder().allocate(1)
    streamed = torch.cat([append(part, 0, pool) for part in clip.split(CHUNK)])
    whole = encoder().transform_clips(clip, [count], [chunk_mask(count, CHUNK, CPU)])
    assert_close(streamed, whole)


@settings(deadline=None, max_examples=20)
@given(counts=st.lists(st.integers(1, 40), min_size=1, max_size=6).filter(lambda c: sum(c) < 120))
def test_streaming_in_any_pieces_equals_a_clip_whose_pieces_see_back(counts: list[int]) -> None:
    clip = frames(sum(counts), len(counts))
    pool = encoder().allocate(1)
    streamed = torch.cat([append(part, 0, pool) for part in clip.split(counts)])
    piece = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    mask = piece[:, None] >= piece[None, :]
    assert_close(streamed, encoder().transform_clips(clip, [sum(counts)], [mask]))


def test_a_single_unit_sees_all_of_itself() -> None:
    unit = mel(4 * UNIT_MELS)
    streamed = encoder().encode_units([unit], [0], encoder().allocate(1))[0]
    assert_close(streamed, encoder().encode_clips([unit], None)[0])


def test_a_rewound_row_equals_one_that_never_went_there() -> None:
    rewound, straight = encoder().allocate(1), encoder().allocate(1)
    for pool in (rewound, straight):
        encoder().encode_units([mel(UNIT_MELS)], [0], pool)
    length = rewound.lengths[0]
    encoder().encode_units([mel(2 * UNIT_MELS, 7)], [0], rewound)
    rewound.truncate(0, length)
    after = [encoder().encode_units([mel(UNIT_MELS, 9)], [0], p)[0] for p in (rewound, straight)]
    assert torch.equal(*after)


def test_a_row_that_would_reach_the_last_position_restarts() -> None:
    pool, fresh = encoder().allocate(2), encoder().allocate(1)
    units = CONFIG.max_source_positions // CHUNK
    held = []
    for number in range(units + 1):
        hidden = encoder().encode_units([mel(UNIT_MELS, number)], [0], pool)[0]
        held.append(pool.lengths[0])
    assert held == [*range(CHUNK, CHUNK * units, CHUNK), CHUNK, 2 * CHUNK]
    for number in (units - 1, units):
        expected = encoder().encode_units([mel(UNIT_MELS, number)], [0], fresh)[0]
    assert_close(hidden, expected)
    assert pool.lengths[1] == 0
    assert not pool.keys[:, 1].any()


def test_a_unit_may_fill_all_positions_but_no_more() -> None:
    pool = encoder().allocate(1)
    encoder().encode_units([mel(UNIT_MELS)], [0], pool)
    longest = 2 * CONFIG.max_source_positions
    assert len(encoder().encode_units([mel(longest)], [0], pool)[0]) == longest // 2
    assert pool.lengths == [CONFIG.max_source_positions]


@pytest.mark.parametrize(
    ("units", "rows", "message"),
    [
        ([mel(UNIT_MELS), mel(2 * CONFIG.max_source_positions + 1)], [0, 1], "longer than"),
        ([mel(UNIT_MELS), mel(UNIT_MELS)[:, :0]], [0, 1], "not the mel frames"),
        ([mel(UNIT_MELS), mel(UNIT_MELS)[:7]], [0, 1], "not the mel frames"),
        ([mel(UNIT_MELS), mel(UNIT_MELS)[0]], [0, 1], "not the mel frames"),
        ([mel(UNIT_MELS), mel(UNIT_MELS)], [1, 1], "different rows"),
        ([mel(UNIT_MELS), mel(UNIT_MELS)], [1], "different rows"),
    ],
)
def test_units_that_cannot_be_encoded_change_nothing(
    units: list[Tensor], rows: list[int], message: str
) -> None:
    pool = encoder().allocate(2)
    append(frames(115), 0, pool)
    keys = pool.keys.clone()
    with pytest.raises(ValueError, match=message):
        encoder().encode_units(units, rows, pool)
    assert pool.lengths == [115, 0]
    assert torch.equal(pool.keys, keys)


@settings(deadline=None, max_examples=20)
@given(
    lengths=st.lists(st.integers(1, 90), min_size=1, max_size=4),
    chunk=st.sampled_from([None, CHUNK]),
)
def test_clips_in_one_call_equal_clips_alone(lengths: list[int], chunk: int | None) -> None:
    mels = [mel(n, seed) for seed, n in enumerate(lengths)]
    batched = encoder().encode_clips(mels, chunk)
    for one, ours in zip(mels, batched, strict=True):
        assert_close(ours, encoder().encode_clips([one], chunk)[0])


@pytest.mark.parametrize("chunk", [None, CHUNK])
def test_the_reference_mask_lets_a_shorter_clip_see_padding(chunk: int | None) -> None:
    quirks = ReferenceQuirks(padding_mask_in_mel_frames=True)
    mels = [mel(50), mel(90)]
    right, faulty = encoder().encode_clips(mels, chunk), encoder().encode_clips(mels, chunk, quirks)
    assert [one.shape for one in faulty] == [one.shape for one in right]
    assert (right[0] - faulty[0]).abs().max() > 1e-3
    assert_close(right[1], faulty[1])
    assert_close(encoder().encode_clips([mels[0]], chunk, quirks)[0], right[0])


def test_a_chunk_sees_itself_and_what_came_before() -> None:
    mask = chunk_mask(5, 2, CPU)
    assert mask is not None
    assert mask.int().tolist() == [
        [1, 1, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 1, 1, 1, 0],
        [1, 1, 1, 1, 0],
        [1, 1, 1, 1, 1],
    ]
    assert chunk_mask(5, 5, CPU) is None
    assert chunk_mask(5, None, CPU) is None


@settings(deadline=None, max_examples=20)
@given(counts=st.lists(st.integers(0, 30), min_size=1, max_size=5), pool_step=st.integers(1, 5))
def test_projection_equals_pooling_after_both_layers(counts: list[int], pool_step: int) -> None:
    torch.manual_seed(3)
    projection = AudioProjection(CONFIG.d_model, 48, pool_step).requires_grad_(False)
    clips = [frames(count, seed) for seed, count in enumerate(counts)]
    for clip, ours in zip(clips, projection(clips), strict=True):
        assert ours.shape == (len(clip) // pool_step, 48)
        if len(ours):
            projected = projection.linear2(F.relu(projection.linear1(clip)))
            assert_close(ours, F.avg_pool1d(projected.T, pool_step).T)


def test_half_precision_goes_through_both_paths() -> None:
    network = AudioEncoder(CONFIG).to(torch.bfloat16).requires_grad_(False)
    network.fuse()
    pool = network.allocate(2)
    units = network.encode_units([mel(UNIT_MELS), mel(UNIT_MELS + 5)], [0, 1], pool)
    clips = network.encode_clips([mel(UNIT_MELS), mel(UNIT_MELS + 5)], CHUNK)
    for hidden in (*units, *clips):
        assert hidden.dtype == torch.bfloat16
        assert hidden.isfinite().all()
    assert pool.keys.dtype == torch.bfloat16


def test_a_padded_batch_with_masks_equals_clips_alone() -> None:
    counts = (13, 8)
    clips = [frames(count, seed) for seed, count in enumerate(counts)]
    masks = [chunk_mask(count, 5, CPU) for count in counts]
    expected = encoder().transform_clips(torch.cat(clips), counts, masks).split(counts)
    visible = torch.eye(13, dtype=torch.bool).repeat(2, 1, 1)
    for row, (count, mask) in enumerate(zip(counts, masks, strict=True)):
        visible[row, :count, :count] = mask
    padded = torch.nn.utils.rnn.pad_sequence(clips, batch_first=True)
    for row, alone in zip(encoder().transform_batch(padded, visible), expected, strict=True):
        assert_close(row[: len(alone)], alone)
