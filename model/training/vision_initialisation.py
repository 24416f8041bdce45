"""Where the vision tower begins: patches as waves, and layers that look at their neighbours.

With random weights a patch is little but its mean colour and every patch looks everywhere alike;
what shape a thing has was then not learnt from 50,000 pictures. Begun like this, outlines and
shapes are learnt from a few thousand.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from model.config import OmniConfig
from model.vision_encoder import VisionEncoder

MEAN_GAIN, WAVE_GAIN = 0.12, 0.375
"""Bring the mean and the waves of usual pictures to about 1: an orthonormal mean is 14 times a
pixel, an edge's waves a third of that and less."""
CHROMA_LATER = 2
"""Colour is seen in so many waves less than brightness."""
PLACE_FREQUENCIES = (0.3, 0.6, 1.0, 1.5)
"""Radians per position of the table; sine and cosine of each, down and across."""
N_PLACE = 4 * len(PLACE_FREQUENCIES)
"""Channels that hold the place of a patch; the others hold what is in it."""
NEIGHBOURS = ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1))
"""Patches down and across that the heads of the first layer look at; those of the layers after it
look twice and three times as far."""
N_NEAR_LAYERS = 3
NEARNESS = 3.2
"""How sharply they look there."""


def initialise_vision(tower: VisionEncoder, config: OmniConfig) -> None:
    """Set patch filters and positions, and where the heads are enough of them and wide enough, what
    they look at first. Other weights stay as they are."""
    embeddings = tower.embeddings
    weight = embeddings.patch_embedding.weight
    hidden, side = weight.shape[0], weight.shape[-1]
    waves = patch_waves(hidden - N_PLACE, side).view(-1, *weight.shape[1:])
    with torch.no_grad():
        weight.copy_(torch.cat([torch.zeros(N_PLACE, *weight.shape[1:]), waves]))
        table = embeddings.position_embedding.weight
        table.zero_()
        table[:, :N_PLACE] = places(embeddings.positions_per_side)
        if hidden // config.vision.num_attention_heads < N_PLACE:
            return
        patch = embeddings.positions_per_side * config.patch_size / config.image_size
        for distance, layer in enumerate(tower.encoder.layers[:N_NEAR_LAYERS], start=1):
            attention = layer.self_attn
            width = hidden // attention.n_heads
            for head, (down, across) in zip(range(attention.n_heads), NEIGHBOURS, strict=False):
                rows = slice(head * width, head * width + N_PLACE)
                for projection in (attention.q_proj, attention.k_proj):
                    projection.weight[head * width : (head + 1) * width] = 0.0
                moved = look_at(down * distance * patch, across * distance * patch)
                attention.q_proj.weight[rows, :N_PLACE] = moved * NEARNESS
                attention.k_proj.weight[rows, :N_PLACE] = torch.eye(N_PLACE) * NEARNESS


def places(per_side: int) -> Tensor:
    """Where each position of the table is, ``[per_side ** 2, N_PLACE]``."""
    frequencies = torch.tensor(PLACE_FREQUENCIES)
    angles = torch.arange(per_side)[:, None] * frequencies
    along = torch.cat([angles.cos(), angles.sin()], dim=1)  # [per_side, N_PLACE / 2]
    down = along[:, None].expand(-1, per_side, -1)
    across = along[None].expand(per_side, -1, -1)
    return torch.cat([down, across], dim=2).flatten(0, 1)


def look_at(down: float, across: float) -> Tensor:
    """The matrix ``[N_PLACE, N_PLACE]`` that turns a place into the one so far from it."""
    n = len(PLACE_FREQUENCIES)
    matrix = torch.zeros(N_PLACE, N_PLACE)
    for start, distance in ((0, down), (2 * n, across)):
        for index, frequency in enumerate(PLACE_FREQUENCIES):
            cos, sin = math.cos(frequency * distance), math.sin(frequency * distance)
            c, s = start + index, start + n + index
            matrix[c, c], matrix[c, s] = cos, -sin
            matrix[s, c], matrix[s, s] = sin, cos
    return matrix


def patch_waves(n_filters: int, side: int) -> Tensor:
    """Filters ``[n_filters, 3 * side * side]``: cosine waves in brightness and two colour
    differences, coarse ones first."""
    middle = (torch.arange(side) + 0.5) / side
    waves = torch.cos(math.pi * torch.outer(torch.arange(side), middle))  # [side, side]
    colours = torch.tensor([[1.0, 1.0, 1.0], [1.0, 0.0, -1.0], [0.5, -1.0, 0.5]])
    colours /= colours.norm(dim=1, keepdim=True)
    chosen = sorted(
        (u + v + CHROMA_LATER * (colour > 0), colour, u, v)
        for u in range(side)
        for v in range(side)
        for colour in range(len(colours))
    )[:n_filters]
    filters = []
    for _, colour, u, v in chosen:
        wave = torch.outer(waves[u], waves[v])
        wave = wave / wave.norm() * (MEAN_GAIN if u == v == 0 else WAVE_GAIN)
        filters.append(colours[colour][:, None, None] * wave)
    return torch.stack(filters).flatten(1)
