"""Cameras and fingers."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest

from model.training.scenes.layout import lay_out
from model.training.scenes.photo_effects import Camera, cover_a_part, draw_camera, photograph
from model.training.scenes.scene import Scene, SceneObject

pytestmark = pytest.mark.unit

PERFECT = Camera(
    gain=1.0,
    balance=(1.0, 1.0, 1.0),
    unevenness=0.0,
    light_seed=0,
    blur_px=0.0,
    noise=0.0,
    turn_degrees=0.0,
    zoom=1.0,
    shift=(0.0, 0.0),
    shake=0.0,
    jpeg_quality=None,
)
GREY = np.full((48, 64, 3), 0.5, dtype=np.float32)


def test_a_perfect_camera_changes_nothing() -> None:
    assert (photograph(GREY, PERFECT, 0) == 128).all()


def test_noise_differs_from_frame_to_frame_and_not_from_run_to_run() -> None:
    noisy = replace(PERFECT, noise=0.05)
    first = photograph(GREY, noisy, 1)
    np.testing.assert_array_equal(first, photograph(GREY, noisy, 1))
    assert (first != photograph(GREY, noisy, 2)).any()
    assert first.std() == pytest.approx(0.05 * 255, rel=0.1)


def test_light_gain_blur_and_compression_act() -> None:
    assert photograph(GREY, replace(PERFECT, gain=0.8), 0).mean() == pytest.approx(102, abs=1)
    assert photograph(GREY, replace(PERFECT, unevenness=0.2), 0).std() > 5
    edge = GREY.copy()
    edge[:, 32:] = 1.0
    sharp, soft = (photograph(edge, replace(PERFECT, blur_px=px), 0) for px in (0.0, 20.0))
    assert np.abs(np.diff(soft[24, :, 0].astype(int))).max() < np.ptp(sharp[24, :, 0])
    assert photograph(GREY, replace(PERFECT, jpeg_quality=50), 0).shape == GREY.shape


def spot_centre(camera: Camera, frame_seed: int = 0) -> tuple[float, float]:
    """Where a white spot right of the middle of a dark picture is seen."""
    dark = np.zeros((120, 160, 3), dtype=np.float32)
    dark[55:66, 115:126] = 1.0
    rows, columns = np.nonzero(photograph(dark, camera, frame_seed)[..., 0] > 128)
    return float(columns.mean()), float(rows.mean())


def test_turn_zoom_and_shift_move_what_is_seen_a_little() -> None:
    assert spot_centre(PERFECT) == (120, 60)
    assert spot_centre(replace(PERFECT, zoom=1.05))[0] == pytest.approx(122, abs=0.6)
    assert spot_centre(replace(PERFECT, shift=(0.05, 0.0)))[0] == pytest.approx(114, abs=0.6)
    turned = spot_centre(replace(PERFECT, turn_degrees=5.0))
    assert turned[0] == pytest.approx(120, abs=1) and turned[1] > 62
    shaking = replace(PERFECT, shake=0.05)
    assert len({spot_centre(shaking, seed) for seed in range(6)}) > 3


def test_cameras_vary_within_what_leaves_colours_their_names() -> None:
    cameras = [draw_camera(Random(seed)) for seed in range(100)]
    assert len(set(cameras)) == 100
    assert all(0.75 < camera.gain < 1.15 and camera.noise <= 0.05 for camera in cameras)


def test_a_finger_covers_a_little_of_one_thing_and_nothing_of_another() -> None:
    things = (
        SceneObject("red", "circle", 0.3, 0.5, 0.3),
        SceneObject("blue", "square", 0.7, 0.5, 0.3),
    )
    parts = lay_out(Scene(things), 0)
    white = np.ones((240, 320, 3), dtype=np.float32)
    covered = 0
    for seed in range(80):
        seen = cover_a_part(white, parts, Random(seed))
        if seen is white:
            continue
        covered += 1
        middles = [seen[120, round(thing.x * 320)] for thing in things]
        assert all((middle == 1).all() for middle in middles)
        assert 0.5 < (seen == 1).all(axis=-1).mean() < 0.999
    assert 3 <= covered <= 25
