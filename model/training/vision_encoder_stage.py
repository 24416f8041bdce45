"""Trains the vision tower and the resampler on what is to be told from a picture."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.image_slicing import slice_image
from model.omni import OmniModel
from model.training.batches import IGNORED, PictureBatch

UNIT_SLICES = 1
"""Slices of a unit's frame in a call: the overview alone."""


class VisionEncoderStage:
    """One linear classifier per question over all vectors of a slice, and one per question about
    every place over each patch: what is where is learnt much sooner than what there is at all."""

    name = "vision_encoder"
    prefixes = ("vpm.", "resampler.")

    def __init__(
        self,
        model: OmniModel,
        n_classes: Mapping[str, int],
        n_grid_classes: Mapping[str, int] | None = None,
    ) -> None:
        """Prepare.

        Args:
            model: Whose vision tower and resampler are trained.
            n_classes: Classes of each question of :attr:`PictureBatch.labels`.
            n_grid_classes: Classes of each question of :attr:`PictureBatch.grids`.
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
        places = n_grid_classes or {}
        self._grid_questions = list(places)
        hidden = config.vision.hidden_size
        self._grid_heads = nn.ModuleList(nn.Linear(hidden, count) for count in places.values())
        for head in self._grid_heads:
            nn.init.normal_(head.weight, std=hidden**-0.5, generator=generator)
            nn.init.zeros_(head.bias)
        self.module: nn.Module = nn.ModuleDict(
            {
                "vision": model.vpm,
                "resampler": model.resampler,
                "heads": self._heads,
                "grid_heads": self._grid_heads,
            }
        )
        self.module.requires_grad_(True)

    def begin(self, batch: PictureBatch) -> None:
        """Nothing to prepare."""

    def losses(self, batch: PictureBatch) -> dict[str, Tensor]:
        """Mean cross-entropy over the questions that apply, and the share of right answers.

        Raises:
            ValueError: No question has an answer.
        """
        config, model = self._model.config, self._model
        device = model.resampler.query.device
        slices = [
            part
            for image in batch.images
            for part in slice_image(image, config, UNIT_SLICES).slices
        ]
        features, _ = model.vpm(slices)  # [B, N, D]
        vectors = model.resampler(features, [part.size for part in slices]).flatten(1)
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
        answered = {"loss": torch.stack(losses).mean(), "accuracy": right / counted}
        return answered | self._place_losses(batch, features, answered["loss"])

    def _place_losses(
        self, batch: PictureBatch, features: Tensor, questions: Tensor
    ) -> dict[str, Tensor]:
        if not batch.grids:
            return {}
        rows, columns = slice_image(batch.images[0], self._model.config, UNIT_SLICES).slices[0].size
        losses, right = [], []
        for question, head in zip(self._grid_questions, self._grid_heads, strict=True):
            grid = batch.grids[question]
            at_row = (np.arange(rows) + 0.5) / rows * grid.shape[1]
            at_column = (np.arange(columns) + 0.5) / columns * grid.shape[2]
            targets = torch.from_numpy(
                grid[:, at_row.astype(int)][:, :, at_column.astype(int)].astype(np.int64)
            ).to(features.device)
            scores = head(features).float().flatten(0, 1)
            flat = targets.flatten()
            losses.append(F.cross_entropy(scores, flat, ignore_index=IGNORED))
            things = (flat != IGNORED) & (flat < scores.shape[1] - 1)
            right.append((scores.argmax(-1) == flat)[things].float().mean())
        places = torch.stack(losses).mean()
        return {
            "loss": questions + places,
            "places": places,
            "place_accuracy": torch.stack(right).mean(),
        }
