"""Vectors learn to name what is where in the language model's words."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from model.pocket_checkpoint import POCKET_FOLDER
from model.training.batches import IGNORED
from model.training.export import load_for_training
from model.training.named_places import NOTHING, NamedPlaces
from model.training.scenes.scene import COLOURS, PLACES, SHAPES

pytestmark = pytest.mark.unit

MODEL = load_for_training(POCKET_FOLDER)
EMBEDDINGS = MODEL.llm.model.embed_tokens.weight.detach()


def labels(things: dict[str, tuple[str, str]]) -> dict[str, np.ndarray]:
    """One picture with (colour, shape) at some of the places."""
    answers: dict[str, np.ndarray] = {}
    for place in PLACES:
        colour, shape = things.get(place, (None, None))
        answers[f"colour at {place}"] = np.array(
            [len(COLOURS) if colour is None else COLOURS.index(colour)]
        )
        answers[f"shape at {place}"] = np.array(
            [len(SHAPES) if shape is None else SHAPES.index(shape)]
        )
    return answers


def word(text: str) -> torch.Tensor:
    (token,) = MODEL.tokenizer.encode(f" {text}")
    return torch.nn.functional.normalize(EMBEDDINGS[token], dim=0)


def test_the_sum_of_its_words_names_a_thing() -> None:
    names = NamedPlaces(MODEL.tokenizer, EMBEDDINGS)
    vectors = word(NOTHING).repeat(1, 16, 1)
    vectors[0, PLACES.index("top left")] = sum(map(word, ("red", "star", "top", "left")))
    right = names.losses(vectors, labels({"top left": ("red", "star")}))
    wrong = names.losses(vectors, labels({"top right": ("blue", "heart")}))
    assert right["name_accuracy"] == 1.0 and wrong["name_accuracy"] == 0.0
    assert right["names"] < wrong["names"] / 3


def test_what_is_not_known_is_not_learnt() -> None:
    names = NamedPlaces(MODEL.tokenizer, EMBEDDINGS)
    unknown = {name: np.full(1, IGNORED) for name in labels({})}
    assert names.losses(torch.ones(1, 16, EMBEDDINGS.shape[1]), unknown) == {}
    grey = labels({"top": ("red", "star")})
    grey |= {name: np.full(1, IGNORED) for name in grey if name.startswith("colour")}
    found = names.losses(torch.ones(1, 16, EMBEDDINGS.shape[1]), grey)
    assert torch.isfinite(found["names"])


def test_a_word_of_several_tokens_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.training.named_places.NOTHING", "nothing to be seen anywhere")
    with pytest.raises(ValueError, match="tokens"):
        NamedPlaces(MODEL.tokenizer, EMBEDDINGS)
