"""Calls are laid out for training as they are heard, seen and answered in a call."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest

from model.training.batches import Call
from model.training.domain.exchange import normal
from model.training.domain.numbers import word_of
from model.training.domain.wording import plural
from model.training.recipe import heard_calls
from model.training.recipe.call_material import CallMaterial
from model.training.recipe.dictation import HEAR
from model.training.recipe.encoded_calls import scenes_of
from model.training.recipe.heard_calls import KINDS, N_DESCRIBED, CallBatches, Kind
from model.training.recipe.questions import training_call
from model.training.recipe.quizzes import Picture, quiz_scene
from model.training.scenes import scene_sampler
from model.training.scenes.scene import COLOURS, EMPTY, SHAPES
from tests.model.training.recipe.toy_calls import all_changes, heard_turns, seen_vectors

pytestmark = pytest.mark.unit

N_CALLS = 30
VECTORS = seen_vectors(N_CALLS)
SCENES = [
    *(quiz_scene(number).scene for number in range(20)),
    *(scene for seed in range(20) for scene in scene_sampler.cup_game(Random(seed), 4).scenes),
    *(scene for change in all_changes() for scene in (change.before, change.after)),
]
NUMBERS = [word_of(number) for number in range(1, 6)]
REFERENCES = [[np.full(50_000, 0.1 * voice, np.float32)] for voice in (1, 2)]


def batches(name: str) -> CallBatches:
    quizzed = [Picture(scene, np.ones((8, 16))) for scene in SCENES]
    material = CallMaterial(range(N_CALLS), heard_turns(N_CALLS), VECTORS, quizzed)
    return CallBatches(1, material, REFERENCES, {name: Kind(1.0, 6)})


def calls(name: str, n_batches: int = 3) -> list[Call]:
    return [call for step in range(n_batches) for call in batches(name).batch(step).calls]


def test_a_step_is_the_same_whenever_it_is_made() -> None:
    for name in KINDS:
        first, second = (
            [(call.mode, call.voice, [turn.reply for turn in call.turns]) for call in made]
            for made in (batches(name).batch(4).calls, batches(name).batch(4).calls)
        )
        assert first == second


def test_typed_calls_have_words_alone() -> None:
    for call in calls("typed"):
        assert all(turn.typed and not turn.units for turn in call.turns)


def test_what_is_written_down_is_what_was_said_and_when() -> None:
    for call in calls("written_down"):
        (turn,) = call.turns
        assert call.instructions == HEAR and turn.reply == normal(turn.reply)
        assert turn.heard_s is not None and turn.heard_s.shape == (len(turn.reply), 2)
        vectors = [unit.audio_vectors for unit in turn.units if unit.audio_vectors is not None]
        assert 0 < turn.heard_s[0, 1] < turn.heard_s[-1, 1] <= sum(map(len, vectors)) / 25 + 0.05
        assert turn.heard_s[0, 0] < 1.0, "it begins with the unit of the first word"
        assert (np.diff(turn.heard_s[:, 1]) >= 0).all()


def test_spoken_calls_are_heard_in_units_of_a_second() -> None:
    heard = calls("heard")
    units = [unit for call in heard for turn in call.turns for unit in turn.units]
    sounds = [unit.audio_vectors for unit in units if unit.audio_vectors is not None]
    assert max(map(len, sounds)) == 25
    assert all(unit.image_vectors is None for unit in units)
    spoken = [turn.spoken for call in heard for turn in call.turns if turn.units]
    assert any(spoken) and all(not text or text == normal(text) for text in spoken)
    assert {call.mode for call in heard} <= {"omni", "audio_assistant"}


@pytest.mark.parametrize("name", ["heard", "retold", "seen", "quizzed"])
def test_it_is_known_when_every_spoken_word_is_heard(name: str) -> None:
    turns = [turn for call in calls(name, 12) for turn in call.turns if turn.spoken]
    assert turns
    for turn in turns:
        assert turn.spoken is not None and turn.heard_s is not None
        assert turn.heard_s.shape == (len(turn.spoken), 2)
        sounds = [unit.audio_vectors for unit in turn.units if unit.audio_vectors is not None]
        assert 0 < turn.heard_s[-1, 1] <= sum(map(len, sounds)) / 25 + 0.05


def test_calls_with_a_camera_have_the_vectors_of_their_scenes() -> None:
    seen = calls("seen")
    assert all(call.mode == "omni" for call in seen)
    for call in seen:
        vectors = [
            unit.image_vectors
            for turn in call.turns
            for unit in turn.units
            if unit.image_vectors is not None
        ]
        assert vectors and len({round(float(v.mean())) for v in vectors}) == 1


@pytest.mark.parametrize("name", ["dictated", "retold"])
def test_sentences_of_words_that_were_heard_are_heard_like_any_other(name: str) -> None:
    asked = {t.exchange.question for n in range(N_CALLS) for t in training_call(n)[0].turns}
    turns = [turn for call in calls(name, 20) for turn in call.turns if turn.units]
    for turn in turns:
        units = [unit.audio_vectors for unit in turn.units]
        assert not turn.typed and all(unit is not None for unit in units)
        assert all(len(unit) == 25 for unit in units[:-1] if unit is not None)
    said = {turn.spoken or turn.reply for turn in turns}
    assert said == {normal(text) for text in said} and not said <= asked


def test_a_thing_stays_in_view_while_it_is_asked_about() -> None:
    turns = [turn for call in calls("quizzed", 20) for turn in call.turns]
    assert {bool(turn.typed) for turn in turns} == {True, False}
    for turn in turns:
        heard = [unit for unit in turn.units if unit.audio_vectors is not None]
        assert bool(turn.spoken) != bool(turn.typed) and (heard or not turn.spoken)
        assert len({unit.image_vectors is None for unit in heard}) <= 1


def test_what_is_asked_aloud_is_seen_all_the_while() -> None:
    turns = [turn for call in calls("aloud", 12) for turn in call.turns]
    spoken = [turn for turn in turns if turn.spoken]
    assert spoken, "of few words, few questions are known"
    for turn in spoken:
        assert all(unit.image_vectors is not None for unit in turn.units)
        assert turn.units[-1].audio_vectors is not None


def test_what_was_seen_before_is_looked_for_where_it_is_now(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(heard_calls, "ALOUD", {"recalled": 1, "changes": 1})
    made = batches("aloud")
    scenes = [EMPTY, *SCENES, *(quiz_scene(number).scene for number in range(20, 200))]
    numbered = [Picture(scene, np.full((8, 16), n)) for n, scene in enumerate(scenes)]
    made = replace(made, material=replace(made.material, pictures={}, quiz_pictures=numbered))
    older = 0
    for call in (call for step in range(12) for call in made.batch(step).calls):
        shown: list[int] = []
        for turn in call.turns:
            vectors = [unit.image_vectors for unit in turn.units]
            shown += [int(each.mean()) for each in vectors if each is not None]
            for text, words in ((turn.reply, turn.seen), (turn.typed or "", turn.asked_about)):
                for word in words:
                    things = scenes[shown[-1 - word.pictures_ago]].objects
                    named = text[word.start : word.stop].lower()
                    assert any(named in (thing.colour, thing.shape) for thing in things)
                    older += bool(turn.spoken) and word.pictures_ago > 0
    assert older > 10


@pytest.mark.parametrize("name", ["seen", "watched"])
def test_in_calls_of_training_what_was_shown_before_is_looked_for_there(name: str) -> None:
    made, marks = batches(name), 64  # of the pictures of a call
    numbered = {
        seed: np.stack([np.full((8, 16), seed * marks + n) for n in range(len(vectors))])
        for seed, vectors in VECTORS.items()
    }
    made = replace(made, material=replace(made.material, pictures=numbered))
    older, aloud = 0, set()
    for call in (call for step in range(12) for call in made.batch(step).calls):
        shown: list[int] = []
        for turn in call.turns:
            vectors = [unit.image_vectors for unit in turn.units]
            shown += [round(float(each.mean())) for each in vectors if each is not None]
            for word in turn.seen:
                seed, number = divmod(shown[-1 - word.pictures_ago], marks)
                named = turn.reply[word.start : word.stop].lower()
                things = scenes_of(training_call(seed)[0])[number].objects
                names = {name for t in things for name in (t.colour, t.shape, plural(t.shape))}
                assert named in names or (named in NUMBERS and not word.pictures_ago)
                older += word.pictures_ago > 0
            aloud.add(bool(turn.spoken))
    assert older and aloud == {True, False}


def test_quizzes_ask_several_questions_about_what_they_show() -> None:
    for name in ("quizzed", "drilled", "recalled", "counted", "cups", "changes"):
        made = calls(name, 4)
        assert all(call.mode == "omni" for call in made)
        turns = [turn for call in made for turn in call.turns]
        assert all(bool(turn.typed) != bool(turn.spoken) for turn in turns)
        assert all(call.turns[0].units for call in made)
        assert len(turns) > (1 if name == "counted" else 2) * len(made)
        shown = [unit.image_vectors for call in made for unit in call.turns[0].units]
        assert all(vectors is not None for vectors in shown)


@pytest.mark.parametrize("name", ["quizzed", "drilled", "recalled", "counted", "cups", "changes"])
def test_the_microphone_is_heard_in_most_calls_that_are_put_together(name: str) -> None:
    heard: list[bool] = []
    for call in calls(name, 30):
        seen = [unit for turn in call.turns if turn.typed for unit in turn.units]
        sounds = {unit.audio_vectors is not None for unit in seen}
        assert len(sounds) <= 1, "all the while, or not at all"
        heard += sounds
    assert len(heard) > 15 and 0.4 < sum(heard) / len(heard) < 0.95


def test_what_was_said_is_asked_for_typed_and_aloud() -> None:
    made = calls("echoed", 30)
    assert all(len(call.turns) % 2 == 0 for call in made)
    turns = [turn for call in made for turn in call.turns]
    assert any(turn.spoken for turn in turns) and any(turn.typed for turn in turns)
    assert any(turn.reply.startswith("You said, ") for turn in turns)


def test_what_was_said_of_things_in_view_is_asked_for_typed_and_aloud() -> None:
    made = calls("talked", 30)
    turns = [turn for call in made for turn in call.turns]
    assert all(turn.units and turn.units[-1].image_vectors is not None for turn in turns)
    assert {bool(turn.spoken) for turn in turns} == {True, False}
    assert any(turn.reply.startswith("You said, ") for turn in turns)


def test_every_answer_has_the_voice_and_the_pace_it_is_to_be_said_in() -> None:
    made = [call for name in ("typed", "heard") for call in calls(name, 40)]
    styles = {turn.voice for call in made for turn in call.turns}
    assert styles == {0, 1, 2, 3}
    for call in made:
        alone = call.voice_samples is None
        assert alone <= (call.voice == 0)
        assert {turn.voice % 2 for turn in call.turns} == {call.voice}


def test_a_voice_is_never_heard_twice_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heard_calls, "REFERENCE_SHARE", 1.0)
    tone = np.sin(np.arange(16_000) / 20).astype(np.float32)
    voiced = replace(batches("typed"), references=[[tone], [tone]])
    played = [call.voice_samples for call in voiced.batch(0).calls]
    samples = [each for each in played if each is not None]
    assert len(samples) == len(played)
    assert {each.dtype for each in samples} == {np.dtype(np.float32)}
    assert all(0.6 * len(tone) < len(each) < 1.1 * len(tone) for each in samples)
    assert len({(len(each), float(np.abs(each).max())) for each in samples}) == len(samples)


def test_pictures_of_quizzes_are_written_down_and_looked_at() -> None:
    made = calls("described", 20)
    of_quizzes = [call for call in made if len(call.turns) == N_DESCRIBED]
    assert 0.4 * len(made) < len(of_quizzes)
    several = [turn for call in made for turn in call.turns if ", " in turn.reply and turn.seen]
    for turn in several:
        words = [turn.reply[word.start : word.stop] for word in turn.seen]
        assert set(words) <= {*COLOURS, *SHAPES}
    assert several
