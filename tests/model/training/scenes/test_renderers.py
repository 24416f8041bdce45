"""Pictures as the model gets them, and a sheet of them to look at."""

from __future__ import annotations

from pathlib import Path
from random import Random

import numpy as np
import pytest
from PIL import Image

from model.training.scenes import scene_sampler
from model.training.scenes.looks import LOOKS
from model.training.scenes.renderers import DRAWINGS, LookError, render
from model.training.scenes.scene import EMPTY, Scene, SceneObject

pytestmark = pytest.mark.unit

CONTACT_SHEET = Path(__file__).parents[4] / "test-output" / "scenes.png"
RED = Scene((SceneObject("red", "circle", 0.5, 0.5, 0.5),))


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("size", [(640, 480), (320, 240)])
def test_a_picture_has_the_size_asked_for_and_comes_again(look: str, size: tuple[int, int]) -> None:
    frame = render(RED, look, 11, size=size)
    assert frame.shape == (size[1], size[0], 3) and frame.dtype == np.uint8
    np.testing.assert_array_equal(frame, render(RED, look, 11, size=size))


@pytest.mark.parametrize("look", LOOKS)
def test_a_red_thing_is_red_with_every_style(look: str) -> None:
    for seed in range(1, 25, 2):
        red, green, blue = render(RED, look, seed, size=(160, 120))[55:66, 75:86].mean(axis=(0, 1))
        assert red > 1.6 * green and red > 1.6 * blue


@pytest.mark.parametrize("look", LOOKS)
def test_one_style_keeps_its_background_from_frame_to_frame(look: str) -> None:
    first, second = (
        render(EMPTY, look, 7, frame_index=index, size=(160, 120)).astype(float)
        for index in range(2)
    )
    assert np.abs(first.mean(axis=(0, 1)) - second.mean(axis=(0, 1))).max() < 2
    other = render(EMPTY, look, 9, size=(160, 120))
    assert np.abs(first - other).mean() > 2


@pytest.mark.parametrize("look", LOOKS)
def test_a_call_keeps_its_background_whatever_is_shown(look: str) -> None:
    here = Scene((SceneObject("red", "star", 0.7, 0.7, 0.2),))
    there = Scene((SceneObject("blue", "heart", 0.7, 0.7, 0.2),))
    for seed in (1, 3, 5, 7):
        corners = [
            render(scene, look, seed, colours=("blue", "red"), size=(160, 120))[12:50, 20:60]
            for scene in (EMPTY, here, there)
        ]
        means = [corner.mean(axis=(0, 1)) for corner in corners]
        assert max(np.abs(mean - means[0]).max() for mean in means) < 3


def test_the_evaluations_look_refuses_training_seeds() -> None:
    with pytest.raises(LookError, match="odd"):
        render(RED, "card", 2)
    with pytest.raises(LookError, match="there are"):
        render(RED, "oil", 1)
    assert set(DRAWINGS) == set(LOOKS)


def test_a_contact_sheet_is_drawn() -> None:
    rng = Random(3)
    samplers = (
        lambda: scene_sampler.single(rng),
        lambda: scene_sampler.alike(rng, 4),
        lambda: scene_sampler.pair(rng),
        lambda: scene_sampler.sized_pair(rng),
        lambda: scene_sampler.cup_game(rng, 1).scenes[0],
        lambda: scene_sampler.cup_game(rng, 1).scenes[2],
        lambda: EMPTY,
    )
    rows = [
        np.concatenate(
            [
                render(sample(), look, 2 * i + 1, size=(160, 120))
                for i, sample in enumerate(samplers)
            ],
            axis=1,
        )
        for look in LOOKS
    ]
    CONTACT_SHEET.parent.mkdir(exist_ok=True)
    Image.fromarray(np.concatenate(rows)).save(CONTACT_SHEET)
    assert CONTACT_SHEET.stat().st_size > 10_000
