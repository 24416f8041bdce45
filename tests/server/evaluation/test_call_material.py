"""What a call gives the engine: units as the server cuts them, then typed words."""

from __future__ import annotations

import numpy as np
import pytest

from server.engine.interface import InputUnit, TextMessage
from server.evaluation.call_material import CallMaterial, no_clip
from tests.model.training.speech_data.toy_speech import toy_clip
from tests.server.evaluation.placed_calls import planned

pytestmark = pytest.mark.unit

UNIT_BYTES = 32_000


def test_a_typed_question_about_a_picture_is_a_second_of_camera_and_then_the_words() -> None:
    call = next(c for c in planned("pictures") if len(c.call.script.turns) == 1)
    material = CallMaterial(call)
    assert material.mode == "omni"
    *units, message = material.turn(0)
    assert message == TextMessage("user", call.call.script.turns[0].written)
    assert [unit.index for unit in units if isinstance(unit, InputUnit)] == list(range(len(units)))
    for unit in units:
        assert isinstance(unit, InputUnit) and unit.image is not None
        assert len(unit.audio_pcm) == UNIT_BYTES
        assert len(unit.image.rgb) == unit.image.width * unit.image.height * 3


def test_a_typed_question_without_a_camera_is_words_alone() -> None:
    call = planned("typed")[0]
    material = CallMaterial(call)
    assert material.mode == "audio"
    assert [type(content) for content in material.turn(0)] == [TextMessage]


def test_spoken_questions_are_units_that_are_counted_through_the_call() -> None:
    call = next(c for c in planned("seen") if len(c.call.script.turns) > 1)
    material = CallMaterial(call, lambda request: toy_clip(1.4))
    units = [unit for index in range(len(call.call.script.turns)) for unit in material.turn(index)]
    assert [unit.index for unit in units if isinstance(unit, InputUnit)] == list(range(len(units)))
    loudest = max(np.abs(np.frombuffer(u.audio_pcm, "<i2")).max() for u in units)  # type: ignore[union-attr]
    assert loudest > 3000, "somebody speaks"


def test_a_sound_is_heard_before_a_typed_question() -> None:
    call = next(c for c in planned("typed") if c.call.scored.heard == "beep")
    first = CallMaterial(call).turn(0)[0]
    assert isinstance(first, InputUnit) and first.image is None
    assert np.abs(np.frombuffer(first.audio_pcm, "<i2")).max() > 1000


def test_the_same_plan_gives_the_same_content() -> None:
    call = planned("pictures")[3]
    assert CallMaterial(call).turn(0) == CallMaterial(call).turn(0)


def test_a_typed_call_has_no_clips() -> None:
    (request,) = planned("seen")[0].requests()
    with pytest.raises(LookupError, match="a typed call has none"):
        no_clip(request)
