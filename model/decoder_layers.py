"""The pre-norm decoder stack that Qwen2 (language model) and Llama (speech decoder) share.

Source: openbmb/MiniCPM-o-2_6, which uses the Qwen2 and Llama stacks of its framework.
Differs: a packed batch of rows of a preallocated pool goes in instead of one padded batch with a
cache object; projections that read the same input are one matrix product.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.attention import Masks, attend
from model.dense_attention import DenseMask, attend_dense
from model.rotary import RotaryTable, rotate
from model.state import KVCachePool, Segment

Probe = Callable[[int, Tensor, Tensor], None]
"""``(layer, queries [B, Hq, T, D], keys [B, Hkv, T, D])``: looks at attention in training."""


class RMSNorm(nn.Module):
    """Root-mean-square norm, computed in float32."""

    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Normalise ``[..., D]``."""
        if x.dtype == torch.float32:
            return F.rms_norm(x, (x.shape[-1],), self.weight, self.eps)
        # The checkpoint's framework casts back before it scales; bf16 rounds the same way here.
        normed = F.rms_norm(x.float(), (x.shape[-1],), None, self.eps).to(x.dtype)
        return self.weight * normed


def stack_rows(*matrices: Tensor) -> Tensor:
    """One matrix ``[sum of outputs, inputs]`` of several that are multiplied by the same input.

    On the CPU it is stored by columns: with few rows of input, as when decoding, a product with a
    wide matrix is then twice as fast (float32) or as fast as before (bfloat16).
    """
    if matrices[0].device.type != "cpu":
        return torch.cat(matrices)
    return torch.cat([matrix.t() for matrix in matrices], dim=1).t()


def fuse_linear(*layers: nn.Linear) -> tuple[Tensor, Tensor | None]:
    """Stack layers that read the same input into one weight (and bias) they become views of.

    The parameters keep their names and values, and no memory is used twice. A layer without bias
    beside one that has it gets zeros in the joint bias.
    """
    weight = stack_rows(*(layer.weight.data for layer in layers))
    bias = None
    if any(layer.bias is not None for layer in layers):
        zeros = [layer.weight.data.new_zeros(layer.out_features) for layer in layers]
        bias = torch.cat(
            [
                zero if layer.bias is None else layer.bias.data
                for layer, zero in zip(layers, zeros, strict=True)
            ]
        )
    start = 0
    for layer in layers:
        stop = start + layer.weight.shape[0]
        layer.weight.data = weight[start:stop]
        if layer.bias is not None:
            layer.bias.data = bias[start:stop]
        start = stop
    return weight, bias


class SelfAttention(nn.Module):
    """Grouped-query attention with rotary positions."""

    def __init__(self, *, hidden: int, n_heads: int, n_kv_heads: int, qkv_bias: bool) -> None:
        super().__init__()
        self.head_dim = hidden // n_heads
        self.n_heads = n_heads
        self.n_kv_heads = n_kv_heads
        kv_size = n_kv_heads * self.head_dim
        self.q_proj = nn.Linear(hidden, hidden, bias=qkv_bias)
        self.k_proj = nn.Linear(hidden, kv_size, bias=qkv_bias)
        self.v_proj = nn.Linear(hidden, kv_size, bias=qkv_bias)
        self.o_proj = nn.Linear(hidden, hidden, bias=False)
        self._fused: tuple[Tensor, Tensor | None] | None = None

    def fuse(self) -> None:
        """Join the three input projections; call once, after loading."""
        self._fused = fuse_linear(self.q_proj, self.k_proj, self.v_proj)

    def project(self, x: Tensor) -> Tensor:
        """Heads ``[N, Hq + 2 Hkv, D]`` of ``x`` ``[N, hidden]``: queries, keys, values."""
        if self._fused is None:
            joined = torch.cat([self.q_proj(x), self.k_proj(x), self.v_proj(x)], dim=-1)
        else:
            joined = F.linear(x, *self._fused)
        return joined.view(x.shape[0], -1, self.head_dim)

    def forward(
        self,
        x: Tensor,
        rotation: tuple[Tensor, Tensor],
        pool: KVCachePool,
        layer: int,
        segments: Sequence[Segment],
        masks: Masks | None,
    ) -> Tensor:
        """Attend from ``x`` ``[N, hidden]`` to its rows, storing the new keys and values first."""
        heads = self.project(x)
        rotated = rotate(heads[:, : -self.n_kv_heads], *rotation)  # queries and keys at once
        queries, keys = rotated[:, : self.n_heads], rotated[:, self.n_heads :]
        values = heads[:, -self.n_kv_heads :]
        offset = 0
        for segment in segments:
            stop = offset + segment.count
            pool.write(layer, segment, keys[offset:stop], values[offset:stop])
            offset = stop
        attended = attend(queries, pool, layer, segments, masks)
        return self.o_proj(attended.reshape(x.shape[0], -1))

    def forward_dense(
        self,
        x: Tensor,
        rotation: tuple[Tensor, Tensor],
        mask: DenseMask,
        layer: int,
        probe: Probe | None,
    ) -> Tensor:
        """Attend within ``x`` ``[B, T, hidden]``; see :meth:`DecoderStack.forward_dense`."""
        batch, length, _ = x.shape
        heads = self.project(x.flatten(0, 1)).view(batch, length, -1, self.head_dim)
        values = heads[:, :, -self.n_kv_heads :].transpose(1, 2)
        rotated = rotate(heads[:, :, : -self.n_kv_heads], *rotation).to(values.dtype)
        queries, keys = (
            part.transpose(1, 2) for part in rotated.split([self.n_heads, self.n_kv_heads], dim=2)
        )  # each [B, H, T, D]
        if probe is not None:
            probe(layer, queries, keys)
        group = self.n_heads // self.n_kv_heads
        if group > 1:
            keys, values = keys.repeat_interleave(group, 1), values.repeat_interleave(group, 1)
        attended = attend_dense(queries, keys, values, mask)
        return self.o_proj(attended.transpose(1, 2).flatten(2))


class GatedMLP(nn.Module):
    """SwiGLU feed-forward block."""

    def __init__(self, hidden: int, intermediate: int) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(hidden, intermediate, bias=False)
        self.up_proj = nn.Linear(hidden, intermediate, bias=False)
        self.down_proj = nn.Linear(intermediate, hidden, bias=False)
        self._fused: Tensor | None = None

    def fuse(self) -> None:
        """Join the two input projections; call once, after loading."""
        self._fused, _ = fuse_linear(self.gate_proj, self.up_proj)

    def forward(self, x: Tensor) -> Tensor:
        """Transform ``[N, hidden]``."""
        if self._fused is None:
            gate, up = self.gate_proj(x), self.up_proj(x)
        else:
            gate, up = F.linear(x, self._fused).chunk(2, dim=-1)
        return self.down_proj(F.silu(gate) * up)


class DecoderLayer(nn.Module):
    """One pre-norm layer."""

    def __init__(
        self,
        *,
        hidden: int,
        n_heads: int,
        n_kv_heads: int,
        intermediate: int,
        eps: float,
        qkv_bias: bool,
    ) -> None:
        super().__init__()
        self.self_attn = SelfAttention(
            hidden=hidden, n_heads=n_heads, n_kv_heads=n_kv_heads, qkv_bias=qkv_bias
        )
        self.mlp = GatedMLP(hidden, intermediate)
        self.input_layernorm = RMSNorm(hidden, eps)
        self.post_attention_layernorm = RMSNorm(hidden, eps)

    def forward(
        self,
        x: Tensor,
        rotation: tuple[Tensor, Tensor],
        pool: KVCachePool,
        layer: int,
        segments: Sequence[Segment],
        masks: Masks | None,
    ) -> Tensor:
        """Transform the packed batch ``[N, hidden]``."""
        x = x + self.self_attn(self.input_layernorm(x), rotation, pool, layer, segments, masks)
        return x + self.mlp(self.post_attention_layernorm(x))

    def forward_dense(
        self,
        x: Tensor,
        rotation: tuple[Tensor, Tensor],
        mask: DenseMask,
        layer: int,
        probe: Probe | None,
    ) -> Tensor:
        """Transform ``[B, T, hidden]``; arguments as :meth:`DecoderStack.forward_dense`."""
        normed = self.input_layernorm(x)
        x = x + self.self_attn.forward_dense(normed, rotation, mask, layer, probe)
        return x + self.mlp(self.post_attention_layernorm(x))


class DecoderStack(nn.Module):
    """Embedding table, layers and final norm; the ``model`` of a causal language model.

    Attribute names are checkpoint keys.
    """

    def __init__(
        self,
        *,
        vocab_size: int,
        hidden: int,
        n_layers: int,
        n_heads: int,
        n_kv_heads: int,
        intermediate: int,
        eps: float,
        qkv_bias: bool,
    ) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(vocab_size, hidden)
        self.layers = nn.ModuleList(
            DecoderLayer(
                hidden=hidden,
                n_heads=n_heads,
                n_kv_heads=n_kv_heads,
                intermediate=intermediate,
                eps=eps,
                qkv_bias=qkv_bias,
            )
            for _ in range(n_layers)
        )
        self.norm = RMSNorm(hidden, eps)
        self.n_kv_heads = n_kv_heads
        self.head_dim = hidden // n_heads

    def fuse(self) -> None:
        """Join projections that read the same input; call once, after loading weights."""
        for layer in self.layers:
            layer.self_attn.fuse()
            layer.mlp.fuse()

    def allocate(self, n_rows: int, capacity: int) -> KVCachePool:
        """A cache pool of this stack's shape, on its device and in its dtype."""
        return KVCachePool(
            n_layers=len(self.layers),
            n_rows=n_rows,
            capacity=capacity,
            n_kv_heads=self.n_kv_heads,
            head_dim=self.head_dim,
            device=self.norm.weight.device,
            dtype=self.norm.weight.dtype,
        )

    def forward(
        self,
        embeddings: Tensor,
        pool: KVCachePool,
        segments: Sequence[Segment],
        rotary: RotaryTable,
        masks: Masks | None = None,
        positions: Tensor | None = None,
        advance: bool = True,
    ) -> Tensor:
        """Run new positions and store their keys and values; the pool's lengths advance.

        Args:
            embeddings: Packed ``[N, hidden]``, N the sum of the segments' counts.
            pool: The rows' caches.
            segments: Where each run of positions belongs, in the order of ``embeddings``.
            rotary: Rotation tables that reach the pool's capacity.
            masks: Per segment, what it sees; causal where None.
            positions: Rotary positions ``[N]`` where they are not the indices of storage.
            advance: False where the caller keeps account of the rows' lengths.

        Returns:
            Hidden states after the final norm ``[N, hidden]``.
        """
        if positions is None:
            positions = torch.cat(
                [torch.arange(s.start, s.stop, device=embeddings.device) for s in segments]
            )
        rotation = rotary.rows(positions, embeddings.dtype)
        x = embeddings
        for index, layer in enumerate(self.layers):
            x = layer(x, rotation, pool, index, segments, masks)
        if advance:
            pool.advance(segments)
        return self.norm(x)

    def forward_dense(
        self,
        embeddings: Tensor,
        rotary: RotaryTable,
        *,
        positions: Tensor,
        mask: Tensor,
        probe: Probe | None = None,
    ) -> Tensor:
        """Run whole sequences at once, without a cache, so that gradients flow: for training.

        Equal to :meth:`forward` on the same positions. Fused weights get no gradient: train before
        :meth:`fuse`.

        Args:
            embeddings: ``[B, T, hidden]``; shorter sequences are padded behind.
            rotary: Rotation tables that reach the last position.
            positions: Rotary positions ``[T]``.
            mask: Bool ``[B or 1, T, T]`` (True = visible), at least one True per row.
            probe: Called with every layer's rotated queries and keys.

        Returns:
            Hidden states after the final norm ``[B, T, hidden]``.
        """
        rotation = rotary.rows(positions, embeddings.dtype)
        x = embeddings
        dense_mask = DenseMask(mask)
        for index, layer in enumerate(self.layers):
            x = layer.forward_dense(x, rotation, dense_mask, index, probe)
        return self.norm(x)
