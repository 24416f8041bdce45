"""Trains the audio encoder on phones: which one sounds in every frame."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.omni import OmniModel
from model.training.batches import IGNORED, HeardBatch
from model.training.dense_audio import encode_contexts, unit_mel

MAX_BANDS_HIDDEN = 12
MAX_FRAMES_HIDDEN = 20
"""Widest mask over mel bands, longest over mel frames of 10 ms."""
N_MASKS = 2
"""Of each kind, per unit."""


class AudioEncoderStage:
    """Phones from the encoder's frames (20 ms) and from the projected ones (40 ms)."""

    name = "audio_encoder"
    prefixes = ("apm.", "audio_projection_layer.")

    def __init__(self, model: OmniModel, n_phones: int, *, hide: bool = True) -> None:
        """Prepare.

        Args:
            model: Whose audio encoder and projection are trained.
            n_phones: Classes of :attr:`HeardClip.phones`.
            hide: Hide random bands and frames.
        """
        self._encoder = model.apm
        self._projection = model.audio_projection_layer
        self._hide = hide
        config = model.config
        generator = torch.Generator().manual_seed(n_phones)
        self._heads = nn.ModuleDict(
            {
                "frames": nn.Linear(config.audio.d_model, n_phones),
                "pooled": nn.Linear(config.language.hidden_size, n_phones),
            }
        )
        for head in self._heads.values():
            nn.init.normal_(head.weight, std=head.in_features**-0.5, generator=generator)
            nn.init.zeros_(head.bias)
        self.module: nn.Module = nn.ModuleDict(
            {"encoder": model.apm, "projection": model.audio_projection_layer, "heads": self._heads}
        )
        self.module.requires_grad_(True)

    def begin(self, batch: HeardBatch) -> None:
        """Nothing to prepare."""

    def losses(self, batch: HeardBatch) -> dict[str, Tensor]:
        """Cross-entropy of the phones at both rates."""
        device = self._encoder.layer_norm.weight.device
        contexts = [[unit_mel(unit, device) for unit in clip.units] for clip in batch.clips]
        if self._hide:
            contexts = [[hide_parts(mel) for mel in units] for units in contexts]
        units = [unit for units in encode_contexts(self._encoder, contexts) for unit in units]
        phones = torch.from_numpy(np.concatenate([clip.phones for clip in batch.clips])).long()
        targets = phones.to(device).split([len(unit) for unit in units])
        pooled = torch.cat(self._projection(units))
        step = self._projection.pool_step
        pooled_targets = torch.cat([t[: len(t) // step * step][step // 2 :: step] for t in targets])
        by_frame = self._heads["frames"](torch.cat(units)).float()
        frames = F.cross_entropy(by_frame, phones.to(device), ignore_index=IGNORED)
        by_token = self._heads["pooled"](pooled).float()
        tokens = F.cross_entropy(by_token, pooled_targets, ignore_index=IGNORED)
        counted = phones.to(device) != IGNORED
        right = ((by_frame.argmax(-1) == phones.to(device)) & counted).sum() / counted.sum()
        return {"loss": frames + tokens, "frames": frames, "tokens": tokens, "accuracy": right}


def hide_parts(mel: Tensor) -> Tensor:
    """``mel`` ``[80, F]`` with random bands and frames at its mean."""
    n_bands, n_frames = mel.shape
    hidden = mel.clone()
    for _ in range(N_MASKS):
        for axis, size, widest in (
            (0, n_bands, MAX_BANDS_HIDDEN),
            (1, n_frames, min(MAX_FRAMES_HIDDEN, n_frames // 5)),
        ):
            width = int(torch.randint(0, widest + 1, ()))
            start = int(torch.randint(0, size - width + 1, ()))
            hidden.narrow(axis, start, width).fill_(mel.mean())
    return hidden
