"""Whole calls as pocket learns them: heard, seen or typed, with the voice of every answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from random import Random

import numpy as np

from model.training.batches import Call, CallBatch, CallTurn, CallUnit, PromptMode
from model.training.domain.call_script import CallScript
from model.training.domain.exchange import Split
from model.training.domain.written_calls import silent_script, written_call
from model.training.recipe.dictation import heard_call, read_call, seen_call
from model.training.recipe.encoded_calls import (
    NO_SCENE,
    EncodedTurn,
    name_of,
    scenes_of,
    typed_again,
)
from model.training.recipe.questions import training_call
from model.training.recipe.replies import style_number
from model.training.speech_data.reply_voices import REPLY_VOICES
from model.training.speech_data.speech_batches import BatchesByStep

REFERENCE_SHARE = 0.15
"""Share of calls whose system prompt plays a voice; in the others the first voice answers."""
SHORTENED_SHARE = 0.6
"""Share of calls that end after one of their first turns."""
SHORT_TURNS = 2
SEEN_TYPED_SHARE = 0.5
"""Share of calls with a camera in which everything is typed."""
DRAWN_PER_CALL = 3
"""Calls drawn for each one made, so that those of a batch are of one length."""
PICTURE_TOKENS = 20
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
    """Calls of a batch."""


KINDS: Mapping[str, Kind] = {
    "typed": Kind(0.12, 16),
    "read": Kind(0.08, 16),
    "written_down": Kind(0.12, 16),
    "described": Kind(0.12, 12),
    "heard": Kind(0.34, 14),
    "seen": Kind(0.22, 8),
}
"""Typed talk; words, questions and pictures to be written down; spoken calls; calls with a
camera."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """A call before anything of it is heard."""

    script: CallScript
    seed: int = -1
    """Of the training call, where it is one."""
    typed: bool = False
    """Whether it is the training call with all questions typed."""
    first_turn: int = 0
    """Of the training call, where only one turn of it is left."""


@dataclass(frozen=True)
class CallBatches(BatchesByStep[CallBatch]):
    """Batches of calls, one kind per batch."""

    seed: int
    """Of everything drawn."""
    n_calls: int
    """Calls whose sounds and pictures are there."""
    sounds: Mapping[str, EncodedTurn] = field(default_factory=dict)
    """Turns by ``name_of``."""
    pictures: Mapping[int, np.ndarray] = field(default_factory=dict)
    """Per call with a camera the vectors ``[n_scenes, Q, E]`` of ``scenes_of``."""
    references: Sequence[Sequence[np.ndarray]] = ()
    """Per reply voice its recordings at 16 kHz, ``[n]`` each."""
    kinds: Mapping[str, Kind] = field(default_factory=lambda: KINDS)
    """How often each kind comes."""

    def batch(self, step: int) -> CallBatch:
        """The batch of one step."""
        rng = Random(f"calls {self.seed} {step}")
        name = rng.choices(list(self.kinds), [kind.share for kind in self.kinds.values()])[0]
        n_calls = self.kinds[name].n_calls
        plan, make = getattr(self, f"_plan_{name}"), getattr(self, f"_make_{name}")
        # Calls of about one length, so that little of a batch is padding.
        plans = sorted((plan(rng) for _ in range(n_calls * DRAWN_PER_CALL)), key=self._length_of)
        first = rng.randrange(len(plans) - n_calls + 1)
        return CallBatch(tuple(make(planned, rng) for planned in plans[first : first + n_calls]))

    def _plan_typed(self, rng: Random) -> _Plan:
        script = silent_script(rng.getrandbits(48), Split.TRAIN, camera=False)
        return _Plan(_shortened(script, rng))

    def _make_typed(self, plan: _Plan, rng: Random) -> Call:
        return self._voiced(written_call(plan.script), plan.script, rng)

    def _plan_read(self, rng: Random) -> _Plan:
        return self._plan_typed(rng)

    def _make_read(self, plan: _Plan, rng: Random) -> Call:
        return read_call(plan.script, rng)

    def _plan_described(self, rng: Random) -> _Plan:
        seed = rng.choice(self._seen_seeds)
        return _Plan(training_call(seed)[0], seed=seed)

    def _make_described(self, plan: _Plan, rng: Random) -> Call:
        scenes = scenes_of(plan.script)
        images = [_again(each, VECTOR_NOISE, rng) for each in self.pictures[plan.seed]]
        return seen_call(scenes, images)

    def _plan_written_down(self, rng: Random) -> _Plan:
        while True:
            seed = rng.randrange(self.n_calls)
            script, _ = training_call(seed)
            spoken = [index for index, turn in enumerate(script.turns) if turn.spoken]
            if spoken:
                index = rng.choice(spoken)
                alone = replace(script, turns=(script.turns[index],))
                return _Plan(alone, seed, first_turn=index)

    def _make_written_down(self, plan: _Plan, rng: Random) -> Call:
        (turn,) = plan.script.turns
        encoded = self.sounds[name_of(plan.seed, plan.first_turn)]
        # What is only seen before the first word is left out.
        first = int(encoded.heard_s[0, 0])
        units = tuple(
            CallUnit(audio_vectors=_again(unit, SOUND_NOISE, rng))
            for unit in encoded.units[first:]
            if len(unit)
        )
        return heard_call(turn.spoken, units, encoded.heard_s - first)

    def _plan_heard(self, rng: Random) -> _Plan:
        while True:
            seed = rng.randrange(self.n_calls)
            script, _ = training_call(seed)
            if script.look is None:
                return _Plan(_shortened(script, rng), seed)

    def _make_heard(self, plan: _Plan, rng: Random) -> Call:
        return self._call(plan, rng)

    def _plan_seen(self, rng: Random) -> _Plan:
        seed = rng.choice(self._seen_seeds)
        typed = rng.random() < SEEN_TYPED_SHARE
        script = typed_again(seed) if typed else training_call(seed)[0]
        return _Plan(_shortened(script, rng), seed, typed)

    def _make_seen(self, plan: _Plan, rng: Random) -> Call:
        return self._call(plan, rng, self.pictures[plan.seed])

    @cached_property
    def _seen_seeds(self) -> list[int]:
        return sorted(seed for seed in self.pictures if seed < self.n_calls)

    def _call(self, plan: _Plan, rng: Random, vectors: np.ndarray | None = None) -> Call:
        turns = []
        for index, turn in enumerate(plan.script.turns):
            units = []
            encoded = self.sounds[name_of(plan.seed, index, typed=plan.typed)]
            for sound, scene in zip(encoded.units, encoded.shown, strict=True):
                image = None
                if scene != NO_SCENE and vectors is not None:
                    image = _again(vectors[scene], VECTOR_NOISE, rng)
                heard = _again(sound, SOUND_NOISE, rng) if len(sound) else None
                units.append(CallUnit(image_vectors=image, audio_vectors=heard))
            turns.append(
                CallTurn(
                    reply=turn.exchange.reply,
                    units=tuple(units),
                    typed=turn.written or None,
                    spoken=turn.spoken or None,
                )
            )
        return self._voiced(Call(tuple(turns)), plan.script, rng)

    def _length_of(self, plan: _Plan) -> int:
        """About how long the call's sequence is, in tokens."""
        length = 0
        for index, turn in enumerate(plan.script.turns):
            encoded = self.sounds.get(name_of(plan.seed, plan.first_turn + index, typed=plan.typed))
            if encoded is not None:
                length += sum(map(len, encoded.units))
                length += PICTURE_TOKENS * sum(scene != NO_SCENE for scene in encoded.shown)
            length += (len(turn.written) + len(turn.exchange.reply)) // 3
        return length

    def _voiced(self, call: Call, script: CallScript, rng: Random) -> Call:
        """The call with a system prompt, and the voice and pace of every answer."""
        voice, samples = 0, None
        if self.references and rng.random() < REFERENCE_SHARE:
            voice = rng.randrange(len(REPLY_VOICES))
            samples = rng.choice(self.references[voice])
        turns = tuple(
            replace(turn, voice=style_number(voice, asked.exchange.speech_rate))
            for turn, asked in zip(call.turns, script.turns, strict=True)
        )
        sees = any(unit.image_vectors is not None for turn in turns for unit in turn.units)
        mode: PromptMode = "omni" if sees else rng.choice(("omni", "audio_assistant"))
        return replace(call, turns=turns, mode=mode, voice=voice, voice_samples=samples)


def _shortened(script: CallScript, rng: Random) -> CallScript:
    """Most calls end early: their first questions are learnt in a fraction of the time."""
    if rng.random() >= SHORTENED_SHARE:
        return script
    return replace(script, turns=script.turns[: rng.randint(1, SHORT_TURNS)])


def _again(vectors: np.ndarray, noise: float, rng: Random) -> np.ndarray:
    """Vectors ``[n, E]`` as another frame or another microphone has them, float32."""
    exact = vectors.astype(np.float32)
    drawn = np.random.default_rng(rng.getrandbits(48)).standard_normal(exact.shape)
    return exact + (drawn * (noise * exact.std())).astype(np.float32)
