"""Who asks what: every intent by every voice, and nothing of the evaluation's in training."""

from __future__ import annotations

import pytest

from model.training.domain.domain import INTENTS
from model.training.domain.exchange import Split
from model.training.speech_data.voices import UNHEARD_SPEAKERS, Engine, Role, voice_named
from server.errors import ConfigurationError
from server.evaluation.conditions import (
    CONDITIONS,
    SEEN_VOICES,
    SHIFTS,
    UNHEARD_VOICES,
    conditions_named,
    plan_calls,
)

pytestmark = pytest.mark.unit

TYPED = ("typed", "pictures", "memory", "outside")


def test_typed_conditions_ask_every_intent_once_and_spoken_ones_all_of_them() -> None:
    typed = [call for name in TYPED for call in plan_calls(CONDITIONS[name], 1)]
    spoken = plan_calls(CONDITIONS["seen"], 1)

    def scripts(calls: list) -> list[str]:
        return sorted(repr(call.call.scored) for call in calls)

    assert scripts(typed) == scripts(spoken)
    assert {call.call.scored.intent for call in spoken} >= {intent.name for intent in INTENTS}
    assert all(call.call.script.split is Split.EVAL for call in spoken)
    assert not any(call.requests() for call in typed)


def test_the_default_asks_at_least_five_hundred_questions_in_every_manner() -> None:
    from server.cli.eval import PER_INTENT

    assert len(plan_calls(CONDITIONS["unheard"], PER_INTENT)) >= 500


def test_seen_voices_trained_hearing_and_unheard_ones_never_did() -> None:
    assert all(Role.HEAR_TRAIN in voice_named(name).roles for name in SEEN_VOICES)
    assert {voice_named(name).engine for name in SEEN_VOICES} == {Engine.FLITE, Engine.ESPEAK}
    speakers = {voice_named(name).speaker for name in UNHEARD_VOICES}
    assert speakers == set(UNHEARD_SPEAKERS)
    assert CONDITIONS["typed"].engines == frozenset()
    assert CONDITIONS["unheard"].engines == {Engine.FLITE, Engine.FESTIVAL}


def test_every_intent_is_asked_by_every_unheard_voice_in_every_shift() -> None:
    rounds = len(UNHEARD_VOICES) * len(SHIFTS)
    greetings = [
        call.caller
        for call in plan_calls(CONDITIONS["shifted"], rounds)
        if call.call.scored.intent == "greeting"
    ]
    asked = {(caller.voice, caller.recipe.speed, caller.recipe.pitch) for caller in greetings}
    assert len(asked) == rounds
    assert (1.0, 1.0) not in SHIFTS


def test_noise_is_twenty_decibels_and_only_where_it_is_named() -> None:
    for name, condition in CONDITIONS.items():
        recipes = {call.caller.recipe.noise_db for call in plan_calls(condition, 1)}
        assert recipes == ({20.0} if name == "noise" else {None})


def test_a_smaller_plan_asks_the_first_questions_of_a_larger_one() -> None:
    small = plan_calls(CONDITIONS["noise"], 1)
    large = {call.call.script.seed: call for call in plan_calls(CONDITIONS["noise"], 3)}
    assert all(large[call.call.script.seed].call == call.call for call in small)


def test_the_seed_changes_noise_and_draws_but_no_question() -> None:
    first, second = (plan_calls(CONDITIONS["noise"], 1, seed) for seed in (0, 1))
    assert [call.call for call in first] == [call.call for call in second]
    assert [call.caller.voice for call in first] == [call.caller.voice for call in second]
    assert all(a.seed != b.seed for a, b in zip(first, second, strict=True))
    assert first == plan_calls(CONDITIONS["noise"], 1, 0)


def test_conditions_are_chosen_by_name_in_the_order_given() -> None:
    assert [c.name for c in conditions_named("seen, typed,seen")] == ["seen", "typed"]
    assert conditions_named(None) == list(CONDITIONS.values())


@pytest.mark.parametrize("text", ["typd", "typed,shouted", "", ","])
def test_an_unknown_condition_is_refused_with_the_known_ones(text: str) -> None:
    with pytest.raises(ConfigurationError, match="typed,pictures,memory"):
        conditions_named(text)
