"""The decoder stack over pools: packing, incremental passes, eviction and fusing."""

from __future__ import annotations

from functools import cache

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from model.attention import Visibility, causal_mask
from model.decoder_layers import DecoderStack, RMSNorm, fuse_linear
from model.rotary import RotaryTable, rotate
from model.state import KVCachePool, RowFullError

pytestmark = pytest.mark.unit

HIDDEN, N_HEADS, N_KV_HEADS, CAPACITY, N_ROWS = 32, 4, 2, 64, 3
ATOL = 1e-5
ROTARY = RotaryTable(head_dim=HIDDEN // N_HEADS, theta=10_000.0, n_positions=CAPACITY)

counts = st.lists(st.integers(1, 12), min_size=1, max_size=5)


def new_stack(n_layers: int = 2, qkv_bias: bool = True) -> DecoderStack:
    torch.manual_seed(4)
    stack = DecoderStack(
        vocab_size=50,
        hidden=HIDDEN,
        n_layers=n_layers,
        n_heads=N_HEADS,
        n_kv_heads=N_KV_HEADS,
        intermediate=48,
        eps=1e-6,
        qkv_bias=qkv_bias,
    )
    return stack.requires_grad_(False)


@cache
def stack(n_layers: int = 2) -> DecoderStack:
    fused = new_stack(n_layers)
    fused.fuse()
    return fused


def embeddings(count: int, seed: int = 0) -> Tensor:
    return torch.randn(count, HIDDEN, generator=torch.Generator().manual_seed(seed))


def append(
    network: DecoderStack, x: Tensor, pool: KVCachePool, rows: list[int], sizes: list[int]
) -> Tensor:
    return network(x, pool, pool.segments(rows, sizes), ROTARY)


def assert_close(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, atol=ATOL, rtol=0)


def written_out(network: DecoderStack, x: Tensor) -> Tensor:
    """One causal pass without cache, with every key head repeated for its query heads."""
    length = len(x)
    rotation = ROTARY.rows(torch.arange(length), x.dtype)
    for layer in network.layers:
        attention, mlp = layer.self_attn, layer.mlp
        normed = layer.input_layernorm(x)
        q = rotate(attention.q_proj(normed).view(length, N_HEADS, -1), *rotation)
        k = rotate(attention.k_proj(normed).view(length, N_KV_HEADS, -1), *rotation)
        v = attention.v_proj(normed).view(length, N_KV_HEADS, -1)
        k, v = (part.repeat_interleave(N_HEADS // N_KV_HEADS, dim=1) for part in (k, v))
        scores = torch.einsum("qhd,khd->hqk", q, k) / q.shape[-1] ** 0.5
        visible = causal_mask(length, length, x.device)
        weights = scores.masked_fill(~visible, float("-inf")).softmax(-1)
        attended = torch.einsum("hqk,khd->qhd", weights, v).reshape(length, -1)
        x = x + attention.o_proj(attended)
        normed = layer.post_attention_layernorm(x)
        x = x + mlp.down_proj(F.silu(mlp.gate_proj(normed)) * mlp.up_proj(normed))
    return network.norm(x)


@settings(deadline=None, max_examples=20)
@given(sizes=counts)
def test_any_cuts_give_the_result_of_one_pass_without_a_cache(sizes: list[int]) -> None:
    x = embeddings(sum(sizes), len(sizes))
    pool = stack().allocate(1, CAPACITY)
    pieces = [append(stack(), part, pool, [0], [len(part)]) for part in x.split(sizes)]
    assert pool.lengths == [sum(sizes)]
    assert_close(torch.cat(pieces), written_out(stack(), x))


@settings(deadline=None, max_examples=20)
@given(
    sizes=st.lists(st.integers(1, 12), min_size=1, max_size=N_ROWS),
    held=st.lists(st.integers(0, 40), min_size=N_ROWS, max_size=N_ROWS),
)
def test_rows_packed_into_one_batch_equal_rows_alone(sizes: list[int], held: list[int]) -> None:
    packed, alone = (stack().allocate(N_ROWS, CAPACITY) for _ in range(2))
    rows = list(range(len(sizes)))[::-1]
    for row in rows:
        if held[row]:
            for pool in (packed, alone):
                append(stack(), embeddings(held[row], row), pool, [row], [held[row]])
    x = embeddings(sum(sizes), 99)
    together = append(stack(), x, packed, rows, sizes)
    parts = zip(rows, x.split(sizes), strict=True)
    one_by_one = [append(stack(), part, alone, [row], [len(part)]) for row, part in parts]
    assert_close(together, torch.cat(one_by_one))
    assert packed.lengths == alone.lengths
    assert_close(packed.keys, alone.keys)
    assert_close(packed.values, alone.values)


def test_a_rewound_row_equals_one_that_never_went_there() -> None:
    rewound, straight = (stack().allocate(1, CAPACITY) for _ in range(2))
    for pool in (rewound, straight):
        append(stack(), embeddings(10), pool, [0], [10])
    append(stack(), embeddings(20, 5), rewound, [0], [20])
    rewound.truncate(0, 10)
    after = [append(stack(), embeddings(7, 6), pool, [0], [7]) for pool in (rewound, straight)]
    assert torch.equal(*after)


@settings(deadline=None, max_examples=20)
@given(prompt=st.integers(0, 10), gone=st.integers(1, 20), kept=st.integers(1, 20))
def test_one_layer_after_eviction_equals_never_having_heard_it(
    prompt: int, gone: int, kept: int
) -> None:
    """With one layer, what is kept does not depend on what was evicted."""
    network = stack(1)
    evicted, straight = (network.allocate(1, CAPACITY) for _ in range(2))
    x = embeddings(prompt + gone + kept + 5, gone)
    history, new = x[:-5], x[-5:]
    append(network, history, evicted, [0], [len(history)])
    evicted.evict(0, prompt, prompt + gone, ROTARY)
    without = torch.cat([history[:prompt], history[prompt + gone :]])
    append(network, without, straight, [0], [len(without)])
    after = [append(network, new, pool, [0], [5]) for pool in (evicted, straight)]
    assert_close(*after)
    assert evicted.lengths == straight.lengths


def test_a_row_without_room_refuses_before_anything_is_computed() -> None:
    pool = stack().allocate(2, 10)
    append(stack(), embeddings(8), pool, [0], [8])
    keys, values = pool.keys.clone(), pool.values.clone()
    with pytest.raises(RowFullError):
        append(stack(), embeddings(5), pool, [1, 0], [2, 3])
    assert pool.lengths == [8, 0]
    assert torch.equal(pool.keys, keys)
    assert torch.equal(pool.values, values)


@pytest.mark.parametrize("qkv_bias", [True, False])
def test_fusing_changes_neither_names_nor_results(qkv_bias: bool) -> None:
    network = new_stack(qkv_bias=qkv_bias)
    weights = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    before = append(network, embeddings(9), network.allocate(1, CAPACITY), [0], [9])
    network.fuse()
    after = append(network, embeddings(9), network.allocate(1, CAPACITY), [0], [9])
    assert_close(after, before)
    fused = network.state_dict()
    assert list(fused) == list(weights)
    assert all(torch.equal(fused[name], weights[name]) for name in weights)


def test_weights_loaded_after_fusing_are_used() -> None:
    fused, other = new_stack(), new_stack()
    fused.fuse()
    for parameter in other.parameters():
        parameter.mul_(1.5)
    fused.load_state_dict(other.state_dict(), strict=True)
    x = embeddings(9)
    results = [append(net, x, net.allocate(1, CAPACITY), [0], [9]) for net in (fused, other)]
    assert_close(*results)


def test_fused_layers_of_which_some_have_no_bias() -> None:
    torch.manual_seed(5)
    layers = [nn.Linear(6, 4), nn.Linear(6, 3, bias=False), nn.Linear(6, 2)]
    x = torch.randn(5, 6)
    expected = torch.cat([layer(x) for layer in layers], dim=-1)
    weight, bias = fuse_linear(*layers)
    assert_close(F.linear(x, weight, bias), expected)
    assert_close(torch.cat([layer(x) for layer in layers], dim=-1), expected)
    assert all(layer.weight.data_ptr() >= weight.data_ptr() for layer in layers)
    assert layers[1].bias is None


def test_what_a_segment_sees_can_be_said_otherwise() -> None:
    x = embeddings(6)
    causal, seeing_all = (stack().allocate(1, CAPACITY) for _ in range(2))
    hidden = append(stack(), x, causal, [0], [6])
    segments = seeing_all.segments([0], [6])
    bidirectional = stack()(x, seeing_all, segments, ROTARY, masks=[Visibility.ALL])
    assert (bidirectional[0] - hidden[0]).abs().max() > 1e-3
    masked = stack().allocate(1, CAPACITY)
    mask = torch.ones(6, 6, dtype=torch.bool)
    assert_close(stack()(x, masked, segments, ROTARY, masks=[mask]), bidirectional)


def test_norm_is_computed_in_float32_and_rounded_before_the_weight() -> None:
    norm = RMSNorm(HIDDEN, 1e-6)
    norm.weight.data.uniform_(0.5, 2.0, generator=torch.Generator().manual_seed(6))
    x = embeddings(5) * 10
    expected = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6)
    assert_close(norm(x), norm.weight * expected)
    half = x.to(torch.bfloat16)
    wide = half.float()
    rounded = (wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + 1e-6)).to(torch.bfloat16)
    norm = norm.to(torch.bfloat16)
    assert torch.equal(norm(half), norm.weight * rounded)


@pytest.mark.parametrize("qkv_bias", [True, False])
def test_whole_sequences_at_once_equal_rows_with_a_mask_and_any_positions(qkv_bias: bool) -> None:
    network = new_stack(qkv_bias=qkv_bias)
    length = 9
    x, where = embeddings(length), torch.randperm(CAPACITY)[:length]
    mask = torch.rand(length, length, generator=torch.Generator().manual_seed(1)) > 0.4
    mask |= torch.eye(length, dtype=torch.bool)
    pool = network.allocate(1, length)
    segments = pool.segments([0], [length])
    expected = network(x, pool, segments, ROTARY, [mask], positions=where)
    looked_at = []
    ours = network.forward_dense(
        x.expand(2, -1, -1),
        ROTARY,
        positions=where,
        mask=mask.expand(2, -1, -1),
        probe=lambda layer, queries, keys: looked_at.append((layer, queries.shape, keys.shape)),
    )
    assert_close(ours[0], expected)
    assert_close(ours[1], expected)
    head_dim = HIDDEN // N_HEADS
    assert looked_at == [
        (layer, (2, N_HEADS, length, head_dim), (2, N_KV_HEADS, length, head_dim))
        for layer in range(2)
    ]
