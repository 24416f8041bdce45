"""The language model over the calls of a batch, for training: nothing is computed twice or in vain.

Calls lie one after another without padding, a system prompt that several calls share is there once,
and the last layer is computed only where something is asked of it. Hidden states are those of the
calls one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from model.attention import causal_mask
from model.dense_attention import DenseMask, attend_dense
from model.language_model import LanguageModel
from model.prompt import Span
from model.rotary import rotate
from model.training.joint_sequence import CallSequence

Probe = Callable[[int, Tensor, Tensor], None]
"""``(layer, queries [N, Hq, D], keys [N, Hkv, D])``, rotated: looks at attention."""
BLOCK = 256
"""A batch is filled up to a multiple of so many positions, which are idle: products of bfloat16 are
compiled for every new size, which took as long as the products themselves, and are kept."""
ROWS_BLOCK = 64
"""Likewise of the positions of which something is asked."""


@dataclass(frozen=True, slots=True)
class PackedCall:
    """Where a call is in the packed batch."""

    prompt: Span
    """Its beginning, which other calls may begin with, too; may be empty."""
    rest: Span
    """What follows."""

    def place(self, position: int) -> int:
        """Where a position of the call is in the batch."""
        begin, end = self.prompt
        if position < end - begin:
            return begin + position
        return self.rest[0] + position - (end - begin)

    def whole(self, packed: Tensor) -> Tensor:
        """Rows ``[T, ...]`` of the call of ``packed`` ``[N, ...]``."""
        return torch.cat([packed[slice(*self.prompt)], packed[slice(*self.rest)]])


@dataclass(frozen=True, slots=True)
class Packing:
    """A packed batch: N positions, the prompts first, then what follows them in every call."""

    kept: Tensor
    """Int64 ``[N]``: which they are of all calls' positions one after another."""
    positions: Tensor
    """Int64 ``[N]``: of each in its call."""
    sizes: tuple[int, ...]
    """Of the prompts, then of the rests; the sum is N."""
    prompt_of: tuple[int | None, ...]
    """Per call, which of the prompts it begins with."""

    @property
    def n_prompts(self) -> int:
        """Different prompts."""
        return len(self.sizes) - len(self.prompt_of)

    def prompt_before(self, index: int) -> int | None:
        """Which of ``sizes`` comes before that one in its call; None before the first."""
        return None if index < self.n_prompts else self.prompt_of[index - self.n_prompts]

    def calls(self) -> list[PackedCall]:
        """Where every call is."""
        spans = list(pairwise(accumulate(self.sizes, initial=0)))
        return [
            PackedCall((0, 0) if prompt is None else spans[prompt], rest)
            for prompt, rest in zip(self.prompt_of, spans[self.n_prompts :], strict=True)
        ]


def pack(sequences: Sequence[CallSequence]) -> Packing:
    """Where the positions of calls go, at least one call."""
    prompts: dict[tuple[int, ...], int] = {}
    heads: list[range] = []
    rests: list[range] = []
    lengths: list[int] = []
    prompt_of: list[int | None] = []
    start = 0
    for sequence in sequences:
        length = sequence.shared_length
        prompt = tuple(sequence.ids[:length])
        if length and prompt not in prompts:
            prompts[prompt] = len(prompts)
            heads.append(range(start, start + length))
        prompt_of.append(prompts[prompt] if length else None)
        rests.append(range(start + length, start + len(sequence.ids)))
        lengths.append(length)
        start += len(sequence.ids)
    positions = [range(len(head)) for head in heads]
    positions += [
        range(length, length + len(rest)) for length, rest in zip(lengths, rests, strict=True)
    ]
    return Packing(
        kept=torch.tensor([index for part in (*heads, *rests) for index in part]),
        positions=torch.tensor([position for part in positions for position in part]),
        sizes=tuple(len(part) for part in (*heads, *rests)),
        prompt_of=tuple(prompt_of),
    )


def filled_up(rows: Tensor) -> Tensor:
    """Rows ``[R, ...]`` and idle ones, zeros, up to a multiple of ``ROWS_BLOCK``."""
    return F.pad(rows, (*(0, 0) * (rows.ndim - 1), 0, -len(rows) % ROWS_BLOCK))


def forward_packed(
    model: LanguageModel,
    embeddings: Tensor,
    packing: Packing,
    wanted: Tensor,
    probe: Probe | None = None,
    states: list[Tensor] | None = None,
) -> Tensor:
    """Run a packed batch, with gradients.

    Fused weights get no gradient: train before :meth:`LanguageModel.fuse`.

    Args:
        model: Of the calls.
        embeddings: ``[N, hidden]``.
        packing: Of the batch.
        wanted: Int64 ``[W]``: positions of the batch whose hidden states are needed.
        probe: Called with every layer's queries and keys.
        states: Gets what every layer makes of the wanted positions, ``[W, hidden]``.

    Returns:
        Hidden states after the final norm ``[W, hidden]``.
    """
    stack, device = model.model, embeddings.device
    positions = packing.positions.to(device)
    table = model.rotary_to(int(packing.positions.max()) + 1, device)
    n_idle = -len(positions) % BLOCK
    n_wanted, last = len(wanted), len(stack.layers) - 1
    rows = filled_up(wanted)
    rotation = table.rows(F.pad(positions, (0, n_idle)), embeddings.dtype)
    x = F.pad(embeddings, (0, 0, 0, n_idle))
    masks = _masks(packing, device)
    for index, layer in enumerate(stack.layers):
        attention = layer.self_attn
        heads = attention.project(layer.input_layernorm(x))
        values = heads[:, -attention.n_kv_heads :]
        rotated = rotate(heads[:, : -attention.n_kv_heads], *rotation).to(values.dtype)
        queries, keys = rotated.split([attention.n_heads, attention.n_kv_heads], dim=1)
        if probe is not None:
            probe(index, queries, keys)
        attended = F.pad(_attend(queries, keys, values, packing, masks), (0, 0, 0, n_idle))
        if index == last:
            x, attended = x[rows], attended[rows]
        x = x + attention.o_proj(attended)
        x = x + layer.mlp(layer.post_attention_layernorm(x))
        if states is not None:
            states.append(x[:n_wanted] if index == last else x[wanted])
    return stack.norm(x[:n_wanted])


def _masks(packing: Packing, device: torch.device) -> list[DenseMask]:
    """What every part of the batch sees: of its prompt, if it has one, and of itself."""
    masks = []
    for index, length in enumerate(packing.sizes):
        before = packing.prompt_before(index)
        seen = length + (0 if before is None else packing.sizes[before])
        masks.append(DenseMask(causal_mask(length, seen, device)[None]))
    return masks


def _attend(
    queries: Tensor, keys: Tensor, values: Tensor, packing: Packing, masks: Sequence[DenseMask]
) -> Tensor:
    """Causal attention ``[N, Hq D]`` of every call to itself; what is idle has none."""
    group = queries.shape[1] // keys.shape[1]
    n_positions = sum(packing.sizes)
    queries, keys, values = (part[:n_positions] for part in (queries, keys, values))
    # [H, T, D] each; one split, whose backward pass is one join.
    q = queries.transpose(0, 1).split(packing.sizes, dim=1)
    k = keys.transpose(0, 1).repeat_interleave(group, 0).split(packing.sizes, dim=1)
    v = values.transpose(0, 1).repeat_interleave(group, 0).split(packing.sizes, dim=1)
    attended = []
    for index, (asked, mask) in enumerate(zip(q, masks, strict=True)):
        before = packing.prompt_before(index)
        if before is None:
            seen, carried = k[index], v[index]
        else:
            seen = torch.cat([k[before], k[index]], dim=1)
            carried = torch.cat([v[before], v[index]], dim=1)
        attended.append(attend_dense(asked[None], seen[None], carried[None], mask)[0])
    return torch.cat(attended, dim=1).transpose(0, 1).flatten(1)
