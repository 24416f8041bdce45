"""Whole calls."""

from __future__ import annotations

from dataclasses import replace

import pytest

from model.training.domain.call_script import (
    MAX_CALL_S,
    CallScript,
    ComposeError,
    compose_call,
    style_seed,
)
from model.training.domain.domain import UnknownIntentError
from model.training.domain.exchange import Split, is_right, normal
from model.training.domain.wording import NO_PICTURE
from model.training.scenes.looks import CALL_LOOKS, EVAL_LOOK

pytestmark = pytest.mark.unit
SEEDS = range(150)


@pytest.fixture(scope="module")
def calls() -> list[CallScript]:
    return [compose_call(seed, split) for split in Split for seed in SEEDS]


def test_one_seed_gives_one_call() -> None:
    assert compose_call(5, Split.TRAIN) == compose_call(5, Split.TRAIN)
    assert compose_call(5, Split.TRAIN) != compose_call(5, Split.EVAL)


def test_all_sentences_and_looks_are_of_the_calls_split(calls: list[CallScript]) -> None:
    for call in calls:
        assert {turn.exchange.split for turn in call.turns} == {call.split}
        looks = (EVAL_LOOK,) if call.split is Split.EVAL else CALL_LOOKS
        assert call.look is None or call.look in looks
        assert call.style_seed % 2 == (call.split is Split.EVAL)


def test_style_seeds_of_the_splits_never_meet() -> None:
    seeds = {split: {style_seed(seed, split) for seed in range(500)} for split in Split}
    assert not seeds[Split.TRAIN] & seeds[Split.EVAL]


def test_what_a_question_needs_is_shown(calls: list[CallScript]) -> None:
    for call in calls:
        for turn in call.turns:
            need = turn.exchange.needs
            scenes = [second.scene for second in turn.lead]
            if call.look is None:
                assert need is None and turn.scene is None and scenes == [None] * len(scenes)
            else:
                assert turn.scene is not None and None not in scenes
                assert turn.exchange.answers != NO_PICTURE
            if need is not None:
                assert turn.scene == need.scene
                assert scenes[: len(need.before)] == list(need.before)


def test_a_picture_question_without_a_camera_is_refused() -> None:
    call = compose_call(1, Split.TRAIN, camera=False, intents=["see_colour_of", "ball_under_cup"])
    assert all(turn.exchange.answers == NO_PICTURE for turn in call.turns)


def test_a_sound_is_heard_in_the_second_before_the_question() -> None:
    call = compose_call(2, Split.TRAIN, camera=True, intents=["what_sound", "sound_alone"])
    for turn in call.turns:
        assert turn.lead[-1].sound == turn.exchange.heard is not None
    assert call.turns[1].spoken == call.turns[1].written == ""


def test_turns_are_spoken_or_typed_and_say_the_question(calls: list[CallScript]) -> None:
    turns = [turn for call in calls for turn in call.turns]
    for turn in turns:
        assert normal(turn.written or turn.spoken) == turn.exchange.question
        assert not (turn.written and turn.spoken)
    share = sum(bool(turn.written) for turn in turns) / len(turns)
    assert 0.15 < share < 0.35


def test_the_manner_changes_neither_questions_nor_pictures() -> None:
    for seed in range(20):
        by_keys, by_voice = (
            compose_call(seed, Split.EVAL, manner=manner) for manner in ("typed", "spoken")
        )
        assert all(turn.written or not turn.exchange.question for turn in by_keys.turns)
        assert not any(turn.written for turn in by_voice.turns)
        pairs = zip(by_keys.turns, by_voice.turns, strict=True)
        assert all(replace(one, written="") == other for one, other in pairs)


def test_answers_about_the_past_come_from_the_call() -> None:
    names = ["plus", "what_did_i_say", "day_after", "say_again", "first_question"]
    for seed in range(20):
        turns = compose_call(seed, Split.EVAL, camera=False, intents=names).turns
        assert is_right(f"You said {turns[0].exchange.question}", turns[1].exchange)
        assert turns[3].exchange.answer == turns[2].exchange.answer
        assert is_right("It was about numbers.", turns[4].exchange)


def test_what_was_shown_in_earlier_turns_is_asked_for_later(calls: list[CallScript]) -> None:
    recalls = 0
    for call in calls:
        for index, turn in enumerate(call.turns):
            asks = turn.exchange.intent in ("shown_colour", "how_many_shown")
            if not asks or call.look is None or turn.lead:
                continue
            recalls += 1
            seen = [
                scene
                for past in call.turns[: index + 1]
                for scene in (*(second.scene for second in past.lead), past.scene)
                if scene is not None and not scene.is_empty
            ]
            first = seen[0].objects[0]
            if turn.exchange.intent == "shown_colour" and "first" in turn.exchange.question:
                assert is_right(first.colour, turn.exchange)
    assert recalls >= 15


def test_everything_shown_is_asked_about_only_once_it_began_here(calls: list[CallScript]) -> None:
    for call in calls:
        shown_before = False
        for turn in call.turns:
            exchange = turn.exchange
            if exchange.intent in ("shown_colour", "shown_shape", "how_many_shown"):
                assert not (shown_before and exchange.needs and exchange.needs.before)
            scenes = (*(second.scene for second in turn.lead), turn.scene)
            shown_before |= any(scene is not None and not scene.is_empty for scene in scenes)


def test_a_call_knows_all_its_colours() -> None:
    call = compose_call(4, Split.TRAIN, camera=True, intents=["shown_colour", "greeting"])
    need = call.turns[0].exchange.needs
    assert need is not None
    shown = {thing.colour for scene in need.before for thing in scene.objects}
    assert set(call.colours) == shown
    assert compose_call(4, Split.TRAIN, camera=False).colours == ()


def test_calls_stay_short(calls: list[CallScript]) -> None:
    for call in calls:
        assert sum(len(turn.lead) for turn in call.turns) <= MAX_CALL_S + len(call.turns)


def test_intents_that_cannot_follow_each_other_are_refused() -> None:
    with pytest.raises(ComposeError, match="nothing fits"):
        compose_call(0, Split.TRAIN, camera=True, intents=["how_many_shown", "how_many_shown"])
    with pytest.raises(UnknownIntentError):
        compose_call(0, Split.TRAIN, intents=["see_sound"])
