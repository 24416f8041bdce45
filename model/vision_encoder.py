"""The vision tower: a SigLIP transformer over image slices of any shape."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from model.config import VisionConfig
from model.decoder_layers import fuse_linear
from model.image_slicing import ImageSlice, Size

N_COLOURS = 3


class VisionEncoder(nn.Module):
    """SigLIP in the NaViT style: a slice keeps its shape, positions are stretched over it.

    Attribute names are checkpoint keys (``vpm.``).

    Source: openbmb/MiniCPM-o-2_6, its SigLIP vision transformer.
    Differs: slices run as one packed batch without padding, so attention needs no mask; patches
    are embedded by a matrix product; projections that read the same input are one.
    """

    def __init__(self, config: VisionConfig, *, batch_size: int = 16) -> None:
        """Build without weights.

        Args:
            config: Dimensions.
            batch_size: Slices per pass of an accelerator at most; bounds the memory of activations.
        """
        super().__init__()
        self.batch_size = batch_size
        self.embeddings = PatchEmbeddings(config)
        self.encoder = EncoderStack(config)
        self.post_layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def fuse(self) -> None:
        """Join projections that read the same input; call once, after loading weights."""
        for layer in self.encoder.layers:
            layer.self_attn.fuse()

    def forward(self, slices: Sequence[ImageSlice]) -> tuple[Tensor, list[int]]:
        """Encode slices, of one image or of many.

        Args:
            slices: At least one; any shapes.

        Returns:
            Features ``[B, N, D]`` in the order of ``slices``, zero past each slice's patches, and
            the number of patches of each.

        Raises:
            ValueError: ``slices`` is empty.
        """
        if not slices:
            raise ValueError("there is no slice to encode; skip the call")
        lengths = [image_slice.n_patches for image_slice in slices]
        # On CPU a batch is no faster than one slice at a time, whose activations stay in the cache;
        # training keeps them all anyway.
        one_by_one = self.post_layernorm.weight.device.type == "cpu" and not torch.is_grad_enabled()
        batch_size = 1 if one_by_one else self.batch_size
        # Slices of one length side by side share an attention call.
        order = sorted(range(len(slices)), key=lengths.__getitem__)
        features: dict[int, Tensor] = {}
        for start in range(0, len(order), batch_size):
            batch = order[start : start + batch_size]
            packed = self.embeddings([slices[index] for index in batch])
            batch_lengths = [lengths[index] for index in batch]
            packed = self.post_layernorm(self.encoder(packed, batch_lengths))
            features.update(zip(batch, packed.split(batch_lengths), strict=True))
        padded = pad_sequence([features[i] for i in range(len(slices))], batch_first=True)
        return padded, lengths


class PatchEmbeddings(nn.Module):
    """Patches to vectors, plus the learned position of each."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        patch = config.patch_size
        self.positions_per_side = config.positions_per_side
        self.patch_embedding = nn.Conv2d(N_COLOURS, config.hidden_size, patch, stride=patch)
        self.position_embedding = nn.Embedding(self.positions_per_side**2, config.hidden_size)

    def forward(self, slices: Sequence[ImageSlice]) -> Tensor:
        """Embed slices into one packed ``[sum of N, D]``."""
        weight = self.patch_embedding.weight
        patches = torch.cat([_patch_rows(image_slice.patches) for image_slice in slices])
        patches = patches.to(weight.device, weight.dtype)  # [sum of N, 3*P*P]
        embedded = F.linear(patches, weight.flatten(1), self.patch_embedding.bias)
        ids = torch.cat([position_ids(s.size, self.positions_per_side) for s in slices])
        return embedded + self.position_embedding(ids.to(weight.device))


class EncoderStack(nn.Module):
    """The transformer layers; a module of its own for the sake of the checkpoint's names."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(EncoderLayer(config) for _ in range(config.num_hidden_layers))

    def forward(self, x: Tensor, lengths: Sequence[int]) -> Tensor:
        """Transform packed ``[sum of N, D]``; ``lengths`` are the N of its slices."""
        for layer in self.layers:
            x = layer(x, lengths)
        return x


class EncoderLayer(nn.Module):
    """One pre-norm layer."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.self_attn = SelfAttention(config.hidden_size, config.num_attention_heads)
        self.layer_norm1 = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.mlp = MLP(config.hidden_size, config.intermediate_size)
        self.layer_norm2 = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, x: Tensor, lengths: Sequence[int]) -> Tensor:
        """Transform packed ``[sum of N, D]``."""
        x = x + self.self_attn(self.layer_norm1(x), lengths)
        return x + self.mlp(self.layer_norm2(x))


class SelfAttention(nn.Module):
    """Every patch of a slice sees every patch of that slice."""

    def __init__(self, hidden: int, n_heads: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.q_proj = nn.Linear(hidden, hidden)
        self.k_proj = nn.Linear(hidden, hidden)
        self.v_proj = nn.Linear(hidden, hidden)
        self.out_proj = nn.Linear(hidden, hidden)
        self._fused: tuple[Tensor, Tensor | None] | None = None

    def fuse(self) -> None:
        """Join the three input projections; call once, after loading."""
        self._fused = fuse_linear(self.q_proj, self.k_proj, self.v_proj)

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, each ``[sum of N, D]``."""
        if self._fused is None:
            return self.q_proj(x), self.k_proj(x), self.v_proj(x)
        queries, keys, values = F.linear(x, *self._fused).chunk(3, dim=-1)
        return queries, keys, values

    def forward(self, x: Tensor, lengths: Sequence[int]) -> Tensor:
        """Attend within each slice of packed ``[sum of N, D]``."""
        projected = self.project(x)
        runs = [(length, len(list(same))) for length, same in groupby(lengths)]
        attended = []
        start = 0
        for length, count in runs:
            stop = start + length * count
            queries, keys, values = (
                part[start:stop].view(count, length, self.n_heads, -1).transpose(1, 2)
                for part in projected
            )  # each [B, H, N, D/H]
            output = F.scaled_dot_product_attention(queries, keys, values)
            attended.append(output.transpose(1, 2).flatten(2).flatten(0, 1))
            start = stop
        return self.out_proj(attended[0] if len(runs) == 1 else torch.cat(attended))


class MLP(nn.Module):
    """Feed-forward block."""

    def __init__(self, hidden: int, intermediate: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(hidden, intermediate)
        self.fc2 = nn.Linear(intermediate, hidden)

    def forward(self, x: Tensor) -> Tensor:
        """Transform ``[..., D]``."""
        return self.fc2(F.gelu(self.fc1(x), approximate="tanh"))


@lru_cache(maxsize=256)
def position_ids(size: Size, positions_per_side: int) -> Tensor:
    """Rows of the position table for a slice of ``size`` = (rows, columns), ``[N]`` int64, CPU."""
    rows = position_buckets(size[0], positions_per_side)
    columns = position_buckets(size[1], positions_per_side)
    return torch.from_numpy((rows[:, None] * positions_per_side + columns).reshape(-1))


def position_buckets(n_patches: int, positions_per_side: int) -> np.ndarray:
    """Which of ``positions_per_side`` equal stretches of 0 .. 1 each of ``n_patches`` starts in.

    A start that falls on a boundary goes to the stretch that float32 rounding gives it, and the
    weights were trained with that: for 49 patches, say, it is not ``floor(70 * i / n)``.

    Returns:
        ``[n_patches]`` int64.
    """
    # The reference's range is computed in groups of eight: the first of a group is rounded, the
    # others add to it with one rounding. Written out here, it is the same on every processor.
    step = float(np.float32(1 / n_patches))
    index = np.arange(n_patches)
    in_group = index % 8
    group_start = ((index - in_group) * step).astype(np.float32)
    starts = (group_start + in_group * step).astype(np.float32)
    boundaries = (np.arange(1, positions_per_side) / positions_per_side).astype(np.float32)
    return np.searchsorted(boundaries, starts, side="right")


def _patch_rows(strips: Tensor) -> Tensor:
    """``[3, P, P*N]`` patches side by side to ``[N, 3*P*P]``, one patch per row."""
    n_colours, patch, width = strips.shape
    patches = strips.view(n_colours, patch, width // patch, patch).permute(2, 0, 1, 3)
    return patches.reshape(width // patch, -1)
