"""Whole calls as pocket learns them: heard, seen or typed, with the voice of every answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random

import numpy as np

from model.training.batches import Call, CallBatch, CallTurn, CallUnit, PromptMode, SeenWord
from model.training.domain.call_script import CallScript
from model.training.domain.exchange import Split, normal
from model.training.domain.written_calls import echoing_script, silent_script, written_call
from model.training.recipe.call_material import CallMaterial, from_first_word
from model.training.recipe.dictation import heard_call, read_call, seen_call, shuffled
from model.training.recipe.encoded_calls import (
    NO_SCENE,
    name_of,
    scenes_of,
    typed_again,
)
from model.training.recipe.looking import looks
from model.training.recipe.questions import training_call
from model.training.recipe.quizzes import quizzed_call, talked_call
from model.training.recipe.replies import style_number
from model.training.recipe.watching import GAME_CALLS
from model.training.recipe.word_bank import units_of
from model.training.scenes.scene import Scene
from model.training.speech_data.reply_voices import REPLY_VOICES
from model.training.speech_data.speech_batches import BatchesByStep

REFERENCE_SHARE = 0.25
"""Share of calls whose system prompt plays a voice; in the others the first voice answers."""
SHORTENED_SHARE = 0.6
"""Share of calls that end after one of their first turns."""
SHORT_TURNS = 2
SEEN_TYPED_SHARE = 0.5
"""Share of calls with a camera in which everything is typed."""
SHUFFLED_SHARE = 0.5
"""Share of the sentences put together to be written down whose words are in any order."""
QUIZ_SHARE = 0.7
"""Share of the pictures to be written down that are of quizzes, not of calls."""
N_DESCRIBED = 3
"""Pictures of quizzes that are written down one after another."""
SPOKEN_ECHO_SHARE = 0.5
"""Share of the calls about what was said before that are spoken."""
SPOKEN_QUIZ_SHARE = 0.25
"""Share of the quizzes about one picture that are asked aloud."""
REFERENCE_BEGINS = (0.0, 0.3)
REFERENCE_TEMPI = (0.95, 1.05)
REFERENCE_GAINS = (0.6, 1.3)
"""A recording of a voice is played from a later moment, as a fraction of it, at another pace and
another loudness: of a few that are always the same, others were taken for the wrong voice."""
VECTOR_NOISE = 0.02
"""Of a picture's vectors, relative to their size: no two frames of a camera are the same."""
SOUND_NOISE = 0.1
"""Of a sound's vectors: each was encoded once, in one room with one microphone."""


@dataclass(frozen=True)
class Kind:
    """One kind of batch."""

    share: float
    """Of all batches."""
    n_calls: int
    """Calls of a batch: so many that a batch of any kind has about as many positions. Of several
    processes that train together all wait for the slowest."""


KINDS: Mapping[str, Kind] = {
    "typed": Kind(0.04, 28),
    "echoed": Kind(0.06, 11),
    "talked": Kind(0.05, 5),
    "read": Kind(0.01, 36),
    "written_down": Kind(0.02, 26),
    "dictated": Kind(0.03, 26),
    "described": Kind(0.01, 24),
    "heard": Kind(0.14, 13),
    "retold": Kind(0.12, 12),
    "seen": Kind(0.06, 13),
    "quizzed": Kind(0.01, 4),
    "drilled": Kind(0.09, 6),
    "recalled": Kind(0.04, 8),
    "counted": Kind(0.04, 14),
    "cups": Kind(0.05, 6),
    "changes": Kind(0.03, 6),
    "aloud": Kind(0.16, 3),
    "watched": Kind(0.04, 12),
}
"""Typed talk, and about what was said before, without a camera and with one; words, spoken
questions and pictures to be written down; spoken calls; calls with a camera; quizzes about what is
seen, drills, games about what was seen before, and both of them aloud. What is dictated, retold or
asked aloud was put together from single words."""


ALOUD: Mapping[str, int] = {"drilled": 3, "recalled": 4, "counted": 5, "cups": 2, "changes": 3}
"""How often each of the drills and games is asked aloud, relative to others."""


@dataclass(frozen=True)
class CallBatches(BatchesByStep[CallBatch]):
    """Batches of calls, one kind per batch: each kind is a method that draws a call of it."""

    seed: int
    """Of everything drawn."""
    material: CallMaterial
    """What is heard and seen."""
    references: Sequence[Sequence[np.ndarray]] = ()
    """Per reply voice its recordings at 16 kHz, ``[n]`` each."""
    kinds: Mapping[str, Kind] = field(default_factory=lambda: KINDS)
    """How often each kind comes."""

    def batch(self, step: int) -> CallBatch:
        """The batch of one step."""
        rng = Random(f"calls {self.seed} {step}")
        name = rng.choices(list(self.kinds), [kind.share for kind in self.kinds.values()])[0]
        return CallBatch(tuple(self._drawn(name, rng) for _ in range(self.kinds[name].n_calls)))

    def _drawn(self, kind: str, rng: Random) -> Call:
        draw: Callable[[Random], Call] = getattr(self, f"_{kind}")
        return draw(rng)

    # --- typed

    def _typed(self, rng: Random) -> Call:
        script = _shortened(_typed_script(rng), rng)
        return self._voiced(written_call(script), script, rng)

    def _echoed(self, rng: Random) -> Call:
        script = echoing_script(rng.getrandbits(48), Split.TRAIN)
        call = self._voiced(written_call(script), script, rng)
        return self._spoken(call, rng) if rng.random() < SPOKEN_ECHO_SHARE else call

    def _read(self, rng: Random) -> Call:
        return read_call(_shortened(_typed_script(rng), rng), rng)

    # --- heard

    def _written_down(self, rng: Random) -> Call:
        seed, index = rng.choice(self.material.said)
        spoken = training_call(seed)[0].turns[index].spoken
        units, heard_s = from_first_word(self.material.sounds[name_of(seed, index)])
        return heard_call(spoken, _heard_units(units, rng), heard_s)

    def _dictated(self, rng: Random) -> Call:
        words = self.material.words
        while True:
            question = rng.choice(_typed_script(rng).turns).exchange.question
            if words.knows(question):
                break
        text = shuffled(question, rng) if rng.random() < SHUFFLED_SHARE else question
        said = words.say(text, rng)
        return heard_call(text, _heard_units(units_of(said.vectors), rng), said.heard_s)

    def _heard(self, rng: Random) -> Call:
        while True:
            seed = rng.choice(self.material.calls)
            script, _ = training_call(seed)
            if script.look is None:
                return self._of_training(_shortened(script, rng), seed, rng)

    def _retold(self, rng: Random) -> Call:
        script = _shortened(_typed_script(rng), rng)
        return self._voiced(self._spoken(written_call(script), rng), script, rng)

    def _spoken(self, call: Call, rng: Random) -> Call:
        """A typed call whose questions are heard, as far as their words are known.

        What is in view stays there while somebody speaks, so that pictures before it are longer
        ago than they were.
        """
        turns, in_view = [], None
        numbers: list[int] = []  # of each picture of the typed call, among those of the spoken one
        n_shown = 0
        for turn in call.turns:
            shown = _pictures(turn)
            in_view = shown[-1] if shown else in_view
            spoken = self._spoken_turn(turn, in_view, rng)
            numbers += range(n_shown, n_shown + len(shown))
            n_shown += len(_pictures(spoken))
            if numbers:
                numbers[-1] = n_shown - 1
            turns.append(
                replace(
                    spoken,
                    seen=_longer_ago(spoken.seen, numbers),
                    asked_about=_longer_ago(spoken.asked_about, numbers),
                )
            )
        return replace(call, turns=tuple(turns))

    def _spoken_turn(self, turn: CallTurn, in_view: np.ndarray | None, rng: Random) -> CallTurn:
        question = normal(turn.typed or "")
        if not self.material.words.knows(question):
            return turn
        said = self.material.words.say(question, rng)
        heard = _heard_units(units_of(said.vectors), rng)
        return replace(
            turn,
            units=(*turn.units[:-1], *(replace(unit, image_vectors=in_view) for unit in heard)),
            typed=None,
            asked_about=(),
            spoken=question,
            heard_s=said.heard_s,
        )

    # --- seen

    def _described(self, rng: Random) -> Call:
        pictures = self.material.quiz_pictures
        if pictures and rng.random() < QUIZ_SHARE:
            chosen = [rng.choice(pictures) for _ in range(N_DESCRIBED)]
            scenes, images = [p.scene for p in chosen], [p.vectors for p in chosen]
            return seen_anew(seen_call(scenes, images), rng)
        seed = rng.choice(self.material.seen_seeds)
        scenes = scenes_of(training_call(seed)[0])
        return seen_anew(seen_call(scenes, list(self.material.pictures[seed])), rng)

    def _seen(self, rng: Random) -> Call:
        seed = rng.choice(self.material.seen_seeds)
        typed = rng.random() < SEEN_TYPED_SHARE
        script = typed_again(seed) if typed else training_call(seed)[0]
        return self._of_training(_shortened(script, rng), seed, rng, typed=typed)

    def _quizzed(self, rng: Random) -> Call:
        quiz = self._shown(quizzed_call(rng.choice(self.material.quiz_pictures), rng), rng)
        return self._spoken(quiz, rng) if rng.random() < SPOKEN_QUIZ_SHARE else quiz

    def _drilled(self, rng: Random) -> Call:
        return self._shown(self.material.drills.call(rng), rng)

    def _talked(self, rng: Random) -> Call:
        call = self._shown(talked_call(self.material.shown.singles, rng), rng)
        return self._spoken(call, rng) if rng.random() < SPOKEN_ECHO_SHARE else call

    # --- seen before

    def _recalled(self, rng: Random) -> Call:
        return self._game("recalled", rng)

    def _counted(self, rng: Random) -> Call:
        return self._game("counted", rng)

    def _cups(self, rng: Random) -> Call:
        return self._game("cups", rng)

    def _changes(self, rng: Random) -> Call:
        return self._game("changes", rng)

    def _game(self, name: str, rng: Random) -> Call:
        return self._shown(GAME_CALLS[name](self.material.shown, rng), rng)

    def _shown(self, call: Call, rng: Random) -> Call:
        return seen_anew(call, rng, self.material.quiet_of_a_call(rng))

    def _watched(self, rng: Random) -> Call:
        seed, index = rng.choice(self.material.watched)
        typed = rng.random() < SEEN_TYPED_SHARE
        script = typed_again(seed) if typed else training_call(seed)[0]
        alone = replace(script, turns=(script.turns[index],))
        return self._of_training(alone, seed, rng, typed=typed, first_turn=index)

    def _aloud(self, rng: Random) -> Call:
        name = rng.choices(list(ALOUD), list(ALOUD.values()))[0]
        return self._spoken(self._drawn(name, rng), rng)

    # --- calls of training, as they were encoded

    def _of_training(
        self,
        script: CallScript,
        seed: int,
        rng: Random,
        *,
        typed: bool = False,
        first_turn: int = 0,
    ) -> Call:
        vectors = self.material.pictures.get(seed)
        scenes = scenes_of(training_call(seed)[0])
        shown: list[Scene] = []  # of all pictures, newest first
        turns = []
        for index, turn in enumerate(script.turns):
            encoded = self.material.sounds[name_of(seed, first_turn + index, typed=typed)]
            units = []
            for sound, scene in zip(encoded.units, encoded.shown, strict=True):
                image = None
                if scene != NO_SCENE and vectors is not None:
                    image = _again(vectors[scene], VECTOR_NOISE, rng)
                    shown.insert(0, scenes[scene])
                heard = _again(sound, SOUND_NOISE, rng) if len(sound) else None
                units.append(CallUnit(image_vectors=image, audio_vectors=heard))
            turns.append(
                CallTurn(
                    reply=turn.exchange.reply,
                    units=tuple(units),
                    typed=turn.written or None,
                    spoken=turn.spoken or None,
                    heard_s=encoded.heard_s if turn.spoken else None,
                    seen=looks(turn.exchange, turn.exchange.reply, shown),
                )
            )
        return self._voiced(Call(tuple(turns)), script, rng)

    def _voiced(self, call: Call, script: CallScript, rng: Random) -> Call:
        """The call with a system prompt, and the voice and pace of every answer."""
        voice, samples = 0, None
        if self.references and rng.random() < REFERENCE_SHARE:
            voice = rng.randrange(len(REPLY_VOICES))
            samples = _played_anew(rng.choice(self.references[voice]), rng)
        turns = tuple(
            replace(turn, voice=style_number(voice, asked.exchange.speech_rate))
            for turn, asked in zip(call.turns, script.turns, strict=True)
        )
        sees = any(unit.image_vectors is not None for turn in turns for unit in turn.units)
        mode: PromptMode = "omni" if sees else rng.choice(("omni", "audio_assistant"))
        return replace(call, turns=turns, mode=mode, voice=voice, voice_samples=samples)


def _typed_script(rng: Random) -> CallScript:
    return silent_script(rng.getrandbits(48), Split.TRAIN, camera=False)


def _shortened(script: CallScript, rng: Random) -> CallScript:
    """Most calls end early: their first questions are learnt in a fraction of the time."""
    if rng.random() >= SHORTENED_SHARE:
        return script
    return replace(script, turns=script.turns[: rng.randint(1, SHORT_TURNS)])


def _pictures(turn: CallTurn) -> list[np.ndarray]:
    return [unit.image_vectors for unit in turn.units if unit.image_vectors is not None]


def _longer_ago(words: Sequence[SeenWord], numbers: Sequence[int]) -> tuple[SeenWord, ...]:
    """Words of a typed call as they are seen in the spoken one.

    Args:
        words: Of one turn.
        numbers: Of every picture up to that turn, its number in the spoken call; the newest is
            the last.
    """
    return tuple(
        replace(word, pictures_ago=numbers[-1] - numbers[-1 - word.pictures_ago]) for word in words
    )


def _heard_units(units: Sequence[np.ndarray], rng: Random) -> tuple[CallUnit, ...]:
    return tuple(CallUnit(audio_vectors=_again(unit, SOUND_NOISE, rng)) for unit in units)


def seen_anew(call: Call, rng: Random, quiet: Sequence[np.ndarray] = ()) -> Call:
    """A call that is only seen, each of its pictures as another frame.

    Args:
        call: What units have besides pictures is left out.
        rng: Of everything drawn.
        quiet: What may be heard meanwhile, ``[n, E]`` each; nothing is where there are none.
    """
    return replace(
        call,
        turns=tuple(
            replace(
                turn,
                units=tuple(
                    CallUnit(
                        image_vectors=_again(unit.image_vectors, VECTOR_NOISE, rng),
                        audio_vectors=_again(rng.choice(quiet), SOUND_NOISE, rng)
                        if quiet
                        else None,
                    )
                    for unit in turn.units
                    if unit.image_vectors is not None
                ),
            )
            for turn in call.turns
        ),
    )


def _again(vectors: np.ndarray, noise: float, rng: Random) -> np.ndarray:
    """Vectors ``[n, E]`` as another frame or another microphone has them, float32."""
    exact = vectors.astype(np.float32)
    drawn = np.random.default_rng(rng.getrandbits(48)).standard_normal(exact.shape)
    changed: np.ndarray = exact + (drawn * (noise * exact.std())).astype(np.float32)
    return changed


def _played_anew(samples: np.ndarray, rng: Random) -> np.ndarray:
    """A recording ``[n]`` of a voice as it is played another time; shorter where it begins late."""
    kept = samples[int(rng.uniform(*REFERENCE_BEGINS) * len(samples)) :]
    at = np.arange(0, len(kept) - 1, rng.uniform(*REFERENCE_TEMPI))
    paced = np.interp(at, np.arange(len(kept)), kept)
    return (paced * rng.uniform(*REFERENCE_GAINS)).astype(np.float32)
