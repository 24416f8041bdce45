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
from model.training.named_numbers import N_VECTORS, NamedNumbers
from model.training.named_places import NamedPlaces
from model.training.picture_reader import PictureReader
from model.training.place_losses import place_losses
from model.training.scenes.picture_batches import NUMBER_QUESTIONS, number_question
from model.training.scenes.scene import COLOURS, PLACES, SHAPES

UNIT_SLICES = 1
"""Slices of a unit's frame in a call: the overview alone."""
OUTLINE_CELLS = 7
"""Cells along a patch in each of which it is told whether there is a thing."""
OUTLINE_WEIGHT = 3.0
NAMES_WEIGHT = 0.5
NUMBERS_WEIGHT = 2.0
"""Of what is where, and of how many there are, in the language model's words, against the answers
to questions."""
NUMBERED = ("count", *map(number_question, (*COLOURS, *SHAPES)))
"""Questions whose answers are the numbers that are named."""


class VisionEncoderStage:
    """Questions about a slice are put to its vectors; where they ask what is at every place, the
    first vectors are to name it (:class:`NamedPlaces`), and others how many there are
    (:class:`NamedNumbers`); and per patch there is one linear classifier per question about every
    place and one for the outline of things: what is where is learnt much sooner than what there is
    at all."""

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
            n_grid_classes: Classes of each question of :attr:`PictureBatch.grids`; where there are
                any, outlines are learnt, too.
        """
        self._model = model
        config = model.config
        generator = torch.Generator().manual_seed(len(n_classes))
        self._questions = list(n_classes)
        self._reader = PictureReader(n_classes, config.language.hidden_size, generator)
        places = n_grid_classes or {}
        self._grid_questions = list(places)
        hidden = config.vision.hidden_size
        self._grid_heads = nn.ModuleList(nn.Linear(hidden, count) for count in places.values())
        for head in self._grid_heads:
            nn.init.normal_(head.weight, std=hidden**-0.5, generator=generator)
            nn.init.zeros_(head.bias)
        # Who knows what is where knows its outline, too.
        self._outline_heads = nn.ModuleList([nn.Linear(hidden, OUTLINE_CELLS**2)] if places else [])
        for head in self._outline_heads:
            nn.init.normal_(head.weight, std=hidden**-0.5, generator=generator)
            nn.init.zeros_(head.bias)
        named = [f"colour at {place}" for place in PLACES]
        self._names = nn.ModuleList()
        embeddings = model.llm.model.embed_tokens.weight
        if len(model.resampler.query) >= len(PLACES) and set(named) <= set(n_classes):
            self._names.append(NamedPlaces(model.tokenizer, embeddings))
        if len(model.resampler.query) >= N_VECTORS and set(NUMBERED) <= set(n_classes):
            self._names.append(NamedNumbers(model.tokenizer, embeddings))
        self.module: nn.Module = nn.ModuleDict(
            {
                "vision": model.vpm,
                "resampler": model.resampler,
                "reader": self._reader,
                "grid_heads": self._grid_heads,
                "outline_head": self._outline_heads,
                "names": self._names,
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
        vectors = model.resampler(features, [part.size for part in slices])  # [B, Q, E]
        losses, right, counted = [], torch.zeros((), device=device), 0
        for question, of_all in zip(self._questions, self._reader(vectors), strict=True):
            targets = torch.from_numpy(batch.labels[question]).to(device)
            n_targets = int((targets != IGNORED).sum())
            if n_targets:
                scores = of_all.float()
                losses.append(_answer_loss(question, scores, targets))
                right = right + (scores.argmax(-1) == targets).sum()
                counted += n_targets
        if not losses:
            raise ValueError("no question of the batch has an answer")
        answered = {"loss": torch.stack(losses).mean(), "accuracy": right / counted}
        for names in self._names:
            answered |= names.losses(vectors, batch.labels)
        for name, weight in (("names", NAMES_WEIGHT), ("numbers", NUMBERS_WEIGHT)):
            if name in answered:
                answered["loss"] = answered["loss"] + weight * answered[name]
        rows, columns = slices[0].size
        if batch.grids:
            answered |= self._place_losses(batch, features, rows, columns)
            answered["loss"] = answered["loss"] + answered["places"]
        if batch.silhouettes is not None and self._outline_heads:
            outlines = self._outline_loss(batch.silhouettes, features, rows, columns)
            answered["loss"] = answered["loss"] + OUTLINE_WEIGHT * outlines
            answered["outlines"] = outlines
        return answered

    def _place_losses(
        self, batch: PictureBatch, features: Tensor, rows: int, columns: int
    ) -> dict[str, Tensor]:
        losses: list[Tensor] = []
        right = []
        for question, head in zip(self._grid_questions, self._grid_heads, strict=True):
            sampled = sample_grid(batch.grids[question], rows, columns).astype(np.int64)
            targets = torch.from_numpy(sampled).to(features.device).flatten()
            scores = head(features).float().flatten(0, 1)
            of_question, things = place_losses(scores, targets)
            losses += of_question
            if bool(things.any()):
                right.append((scores.argmax(-1) == targets)[things].float().mean())
        found = torch.stack(right).mean() if right else features.new_zeros(())
        return {"places": torch.stack(losses).sum(), "place_accuracy": found}

    def _outline_loss(
        self, silhouettes: np.ndarray, features: Tensor, rows: int, columns: int
    ) -> Tensor:
        cells = sample_grid(silhouettes, rows * OUTLINE_CELLS, columns * OUTLINE_CELLS) > 127
        by_patch = cells.reshape(len(cells), rows, OUTLINE_CELLS, columns, OUTLINE_CELLS)
        targets = by_patch.transpose(0, 1, 3, 2, 4).reshape(*features.shape[:2], -1)
        wanted = torch.from_numpy(targets.astype(np.float32)).to(features.device)
        return F.binary_cross_entropy_with_logits(self._outline_heads[0](features).float(), wanted)


def _answer_loss(question: str, scores: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy; of a number, of those that are there and those that are not by itself.

    Of all 16 kinds a picture has two or three: where all counted the same, how many there are of
    these was told right in 40 to 66 % of pictures of three to five things, and in 97 of two.
    """
    if not question.startswith(NUMBER_QUESTIONS):
        return F.cross_entropy(scores, targets, ignore_index=IGNORED)
    parts, _ = place_losses(scores, targets, nothing=0)
    return torch.stack(parts).sum()


def sample_grid(grid: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """A grid ``[B, R, C]`` at the middles of ``rows`` x ``columns`` cells."""
    at_row = ((np.arange(rows) + 0.5) / rows * grid.shape[1]).astype(int)
    at_column = ((np.arange(columns) + 0.5) / columns * grid.shape[2]).astype(int)
    return grid[:, at_row][:, :, at_column]
