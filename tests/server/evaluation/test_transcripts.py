"""Calls in words."""

from __future__ import annotations

import pytest

from model.training.domain.call_script import CallTurn, Second
from model.training.domain.exchange import Exchange
from model.training.scenes.scene import EMPTY, Cups, Scene, SceneObject
from server.evaluation.scoring import group_of
from server.evaluation.transcripts import (
    choose_calls,
    scene_in_words,
    shown_in,
    transcript_json,
)
from tests.server.evaluation.placed_calls import WRONG, answered, planned

pytestmark = pytest.mark.unit

CIRCLE = SceneObject("red", "circle", 0.5, 0.5, 0.2)
STAR = SceneObject("orange", "star", 0.2, 0.5, 0.35)


@pytest.mark.parametrize(
    ("scene", "words"),
    [
        (EMPTY, "nothing"),
        (Scene((CIRCLE,)), "a small red circle in the middle"),
        (Scene((CIRCLE, STAR)), "a small red circle in the middle and an orange star on the left"),
        (Scene(cups=Cups("red", "blue")), "three cups"),
        (Scene(cups=Cups("red", "blue", 2)), "three cups, a ball under the right one"),
        (Scene(cups=Cups("red", "blue", swap=(0, 1))), "the left and the middle cup change places"),
    ],
)
def test_a_scene_is_told_in_words(scene: Scene, words: str) -> None:
    assert scene_in_words(scene) == words


def test_what_is_shown_is_told_in_its_order_once() -> None:
    exchange = Exchange("which one", ("Red.",), "Red.", "shown_colour", "colours")
    lead = (Second(Scene((CIRCLE,))), Second(Scene((CIRCLE,))), Second(EMPTY), Second(None, "beep"))
    turn = CallTurn(exchange, "", lead, Scene((STAR,)), 0.0, 0.3)
    assert shown_in(turn) == (
        "a small red circle in the middle, then nothing, then [beep], "
        "then an orange star on the left"
    )
    assert shown_in(CallTurn(exchange, "Which?", (), None, 0.0, 0.3)) == ""


def test_calls_are_chosen_by_what_they_are_about_and_not_by_their_answers() -> None:
    calls = [answered(call, WRONG) for call in planned("seen")]
    chosen = choose_calls(calls)
    groups = [group_of(calls[place]) for place in chosen]
    assert groups == ["picture", "memory", "sum", "fact", "limits"]
    assert chosen == choose_calls([answered(call) for call in planned("seen")])
    assert len(choose_calls(calls[:3])) == 3
    assert choose_calls([]) == []


def test_a_transcript_has_every_turn_and_what_was_heard_of_the_last() -> None:
    call = next(c for c in planned("seen") if len(c.call.script.turns) > 1)
    told = transcript_json(answered(call, WRONG, voice="clara"), "something")
    assert told["voice"] == "clara" and told["caller"] == call.caller.voice
    *earlier, last = told["turns"]
    assert earlier and all(turn["right"] and "heard" not in turn for turn in earlier)
    assert last["said"] == WRONG and last["heard"] == "something" and not last["right"]
    assert last["asked"] == call.call.scored.question
