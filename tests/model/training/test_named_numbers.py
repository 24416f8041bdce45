"""Vectors learn to name how many things there are in the language model's words."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from model.pocket_checkpoint import POCKET_FOLDER
from model.training.batches import IGNORED
from model.training.export import load_for_training
from model.training.named_numbers import (
    ALL_THINGS,
    FIRST_COLOUR,
    FIRST_SHAPE,
    NamedNumbers,
    kinds_there,
)
from model.training.named_places import NOTHING
from model.training.scenes.picture_batches import answers_about
from model.training.scenes.scene import COLOURS, EMPTY, SHAPES, Scene, SceneObject

pytestmark = pytest.mark.unit

MODEL = load_for_training(POCKET_FOLDER)
EMBEDDINGS = MODEL.llm.model.embed_tokens.weight.detach()
BLUE, RED = COLOURS.index("blue"), COLOURS.index("red")


def scene(*names: str) -> Scene:
    """Things side by side."""
    looks = [name.split() for name in names]
    return Scene(tuple(SceneObject(c, s, 0.2 * i, 0.5, 0.1) for i, (c, s) in enumerate(looks)))


THREE = scene("blue star", "red star", "blue heart")


def words(*texts: str) -> torch.Tensor:
    """The sum of their directions."""
    tokens = [MODEL.tokenizer.encode(f" {text}") for text in texts]
    return sum(torch.nn.functional.normalize(EMBEDDINGS[token], dim=0) for (token,) in tokens)  # type: ignore[return-value]


def naming_three() -> torch.Tensor:
    """Vectors ``[1, 16, D]`` that name what there is in ``THREE``."""
    vectors = words(NOTHING).repeat(1, 16, 1)
    vectors[0, ALL_THINGS] = words("three")
    vectors[0, FIRST_COLOUR], vectors[0, FIRST_COLOUR + 1] = (
        words("red", "one"),
        words("blue", "two"),
    )
    vectors[0, FIRST_SHAPE], vectors[0, FIRST_SHAPE + 1] = (
        words("star", "two"),
        words("heart", "one"),
    )
    return vectors


def test_numbers_are_named_beside_what_is_counted() -> None:
    names = NamedNumbers(MODEL.tokenizer, EMBEDDINGS)
    right = names.losses(naming_three(), answers_about([THREE]))
    others = answers_about([scene("blue star", "blue star", "red heart", "red heart")])
    wrong = names.losses(naming_three(), others)
    assert right["number_accuracy"] == 1.0 and wrong["number_accuracy"] < 0.5
    assert right["numbers"] < wrong["numbers"] / 3


def test_what_is_counted_has_to_be_named_too() -> None:
    names = NamedNumbers(MODEL.tokenizer, EMBEDDINGS)
    numbers_alone = naming_three()
    for vector in range(FIRST_COLOUR, FIRST_SHAPE + 2):
        numbers_alone[0, vector] = words("one", "two")
    labels = answers_about([THREE])
    assert (
        names.losses(numbers_alone, labels)["numbers"]
        > 2 * names.losses(naming_three(), labels)["numbers"]
    )


def test_kinds_come_in_one_order_and_empty_ones_are_nothing() -> None:
    which, number = kinds_there(answers_about([THREE, scene("blue heart"), EMPTY]), COLOURS)
    nothing = len(COLOURS)
    assert which.tolist() == [[RED, BLUE], [BLUE, nothing], [nothing, nothing]]
    assert number.tolist() == [[1, 2], [1, IGNORED], [IGNORED, IGNORED]]


def test_where_nobody_knows_the_number_nothing_is_learnt() -> None:
    unknown = {question: np.full(1, IGNORED) for question in answers_about([THREE])}
    names = NamedNumbers(MODEL.tokenizer, EMBEDDINGS)
    assert names.losses(torch.ones(1, 16, EMBEDDINGS.shape[1]), unknown) == {}
    colours_unknown = answers_about([THREE]) | {
        question: answer
        for question, answer in unknown.items()
        if question.startswith("number of") and question.endswith("things")
    }
    assert (kinds_there(colours_unknown, COLOURS)[0] == IGNORED).all()
    assert (kinds_there(colours_unknown, SHAPES)[0] != IGNORED).all()
    assert torch.isfinite(names.losses(naming_three(), colours_unknown)["numbers"])
