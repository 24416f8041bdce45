"""What is to be written down is all that is there, and nothing else."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from model.training.domain.exchange import Split
from model.training.domain.written_calls import silent_script
from model.training.recipe.dictation import READ, SEE, inventory, read_call, seen_call
from model.training.scenes.scene import EMPTY, Cups, Scene, SceneObject

pytestmark = pytest.mark.unit

RED = SceneObject("red", "circle", 0.8, 0.2, 0.2)
BLUE = SceneObject("blue", "star", 0.35, 0.5, 0.3)


@pytest.mark.parametrize(
    ("scene", "text"),
    [
        (EMPTY, "nothing"),
        (Scene((RED, BLUE)), "blue star, small red circle top right"),
        (Scene(cups=Cups("green", "pink")), "green cups"),
        (Scene(cups=Cups("green", "pink", open_cup=2)), "green cups, pink ball right"),
        (Scene(cups=Cups("green", "pink", swap=(2, 0))), "green cups, left and right"),
    ],
)
def test_an_inventory_names_all_that_can_be_told(scene: Scene, text: str) -> None:
    assert inventory(scene) == text


def test_what_is_read_is_repeated_and_cannot_be_guessed() -> None:
    script = silent_script(5, Split.TRAIN, camera=False)
    call = read_call(script, Random(1))
    assert call.instructions == READ
    for turn, asked in zip(call.turns, script.turns, strict=True):
        assert turn.typed == turn.reply
        assert sorted(turn.reply.split()) == sorted(asked.written.split())
    again = read_call(script, Random(2))
    assert [turn.reply for turn in call.turns] != [turn.reply for turn in again.turns]


def test_every_picture_is_a_turn() -> None:
    images = [np.full((2, 3), index, np.float32) for index in range(2)]
    call = seen_call([EMPTY, Scene((RED,))], images)
    assert call.instructions == SEE
    assert [turn.reply for turn in call.turns] == ["nothing", "small red circle top right"]
    for turn, image in zip(call.turns, images, strict=True):
        (unit,) = turn.units
        assert unit.image_vectors is image and unit.samples is None
