"""Trains the vision tower and the resampler on what is to be told from a picture."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.image_slicing import slice_image
from model.omni import OmniModel
from model.training.batches import IGNORED, PictureBatch

UNIT_SLICES = 1
"""Slices of a unit's frame in a call: the overview alone."""


class VisionEncoderStage:
    """One linear classifier per question over all vectors of a slice."""

    name = "vision_encoder"
    prefixes = ("vpm.", "resampler.")

    def __init__(self, model: OmniModel, n_classes: Mapping[str, int]) -> None:
        """Prepare.

        Args:
            model: Whose vision tower and resampler are trained.
            n_classes: Classes of each question of :attr:`PictureBatch.labels`.
        """
        self._model = model
        config = model.config
        width = config.query_num * config.language.hidden_size
        generator = torch.Generator().manual_seed(len(n_classes))
        self._questions = list(n_classes)
        # Not by name: a question is a sentence, and those are no names of modules.
        self._heads = nn.ModuleList(nn.Linear(width, count) for count in n_classes.values())
        for head in self._heads:
            nn.init.normal_(head.weight, std=width**-0.5, generator=generator)
            nn.init.zeros_(head.bias)
            # So many inputs move together that a step of the usual size would leap.
            head.weight.rate_scale = 1 / config.query_num
        self.module: nn.Module = nn.ModuleDict(
            {"vision": model.vpm, "resampler": model.resampler, "heads": self._heads}
        )
        self.module.requires_grad_(True)

    def begin(self, batch: PictureBatch) -> None:
        """Nothing to prepare."""

    def losses(self, batch: PictureBatch) -> dict[str, Tensor]:
        """Mean cross-entropy over the questions that apply, and the share of right answers."""
        config = self._model.config
        device = self._model.resampler.query.device
        slices = [
            part
            for image in batch.images
            for part in slice_image(image, config, UNIT_SLICES).slices
        ]
        vectors = torch.stack(self._model.encode_images(slices)).flatten(1)
        losses, right, counted = [], torch.zeros((), device=device), 0
        for question, head in zip(self._questions, self._heads, strict=True):
            targets = torch.from_numpy(batch.labels[question]).to(device)
            n_targets = int((targets != IGNORED).sum())
            if n_targets:
                scores = head(vectors).float()
                losses.append(F.cross_entropy(scores, targets, ignore_index=IGNORED))
                right = right + (scores.argmax(-1) == targets).sum()
                counted += n_targets
        if not losses:
            raise ValueError("no question of the batch has an answer")
        return {"loss": torch.stack(losses).mean(), "accuracy": right / counted}
