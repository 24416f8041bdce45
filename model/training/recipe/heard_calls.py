"""Whole calls as pocket learns them: heard, seen or typed, with the voice of every answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from random import Random

import numpy as np

from model.training.batches import Call, CallBatch, CallTurn, CallUnit, PromptMode
from model.training.domain.call_script import CallScript, compose_call
from model.training.domain.call_script import CallTurn as ScriptTurn
from model.training.domain.exchange import Split
from model.training.domain.written_calls import silent_script, written_call
from model.training.recipe.dictation import heard_call, read_call, seen_call
from model.training.recipe.questions import training_call
from model.training.recipe.replies import style_number
from model.training.scenes.scene import Scene
from model.training.speech_data.augmentation import VARIED, draw_recipe
from model.training.speech_data.call_audio import HISS_DB, Caller, turn_timeline
from model.training.speech_data.clips import Clip
from model.training.speech_data.reply_voices import REPLY_VOICES
from model.training.speech_data.speech_batches import BatchesByStep
from model.training.speech_data.synthesis import SpeechRequest
from model.training.speech_data.timeline import Timeline
from model.training.speech_data.units import Shown

Speak = Callable[[SpeechRequest], Clip]
REFERENCE_SHARE = 0.15
"""Share of calls whose system prompt plays a voice; in the others the first voice answers."""
SHORTENED_SHARE = 0.6
"""Share of calls that end after one of their first turns."""
SHORT_TURNS = 2
SEEN_TYPED_SHARE = 0.5
"""Share of calls with a camera in which everything is typed."""
DRAWN_PER_CALL = 3
"""Calls drawn for each one made, so that those of a batch are of one length."""
TOKENS_PER_UNIT = 46
VECTOR_NOISE = 0.02
"""Of a picture's vectors, relative to their size: no two frames of a camera are the same."""


@dataclass(frozen=True)
class Kind:
    """One kind of batch."""

    share: float
    """Of all batches."""
    n_calls: int
    """Calls of a batch."""


KINDS: Mapping[str, Kind] = {
    "typed": Kind(0.12, 24),
    "read": Kind(0.06, 24),
    "written_down": Kind(0.24, 16),
    "described": Kind(0.14, 16),
    "heard": Kind(0.24, 10),
    "seen": Kind(0.2, 10),
}
"""Typed talk; words, questions and pictures to be written down; spoken calls; calls with a
camera."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """A call before anything of it is heard."""

    script: CallScript
    caller: Caller | None = None
    seed: int = 0


@dataclass(frozen=True)
class CallBatches(BatchesByStep[CallBatch]):
    """Batches of calls, one kind per batch."""

    seed: int
    """Of everything drawn."""
    speak: Speak
    """Finds a question's clip."""
    n_calls: int
    """Calls whose questions and pictures are there."""
    pictures: Mapping[int, np.ndarray] = field(default_factory=dict)
    """Per call with a camera the vectors ``[n_scenes, Q, E]`` of :func:`scenes_of`."""
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
        plans = sorted((plan(rng) for _ in range(n_calls * DRAWN_PER_CALL)), key=_length_of)
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
        images = [_another_frame(each, rng) for each in self.pictures[plan.seed]]
        return seen_call(scenes, images)

    def _plan_written_down(self, rng: Random) -> _Plan:
        while True:
            script, caller = training_call(rng.randrange(self.n_calls))
            turns = [turn for turn in script.turns if turn.spoken]
            if turns:
                turn = replace(rng.choice(turns), lead=(), scene=None)
                return _Plan(replace(script, turns=(turn,)), caller)

    def _make_written_down(self, plan: _Plan, rng: Random) -> Call:
        (turn,) = plan.script.turns
        timeline, _ = self._listen(turn, _elsewhere(plan.caller, rng), rng)
        times_s = timeline.char_times_s(turn.spoken)
        return heard_call(turn.spoken, _units(timeline), times_s)

    def _plan_heard(self, rng: Random) -> _Plan:
        while True:
            script, caller = training_call(rng.randrange(self.n_calls))
            if script.look is None:
                return _Plan(_shortened(script, rng), caller)

    def _make_heard(self, plan: _Plan, rng: Random) -> Call:
        return self._call(plan, rng)

    def _plan_seen(self, rng: Random) -> _Plan:
        seed = rng.choice(self._seen_seeds)
        script, caller = training_call(seed)
        if rng.random() < SEEN_TYPED_SHARE:
            script = compose_call(seed, Split.TRAIN, manner="typed")
        return _Plan(_shortened(script, rng), caller, seed)

    def _make_seen(self, plan: _Plan, rng: Random) -> Call:
        return self._call(plan, rng, self.pictures[plan.seed])

    @cached_property
    def _seen_seeds(self) -> list[int]:
        return sorted(self.pictures)

    def _call(self, plan: _Plan, rng: Random, vectors: np.ndarray | None = None) -> Call:
        # Shortening leaves the order of the scenes as it was.
        scenes = scenes_of(plan.script)
        turns = []
        caller = _elsewhere(plan.caller, rng)
        for turn in plan.script.turns:
            timeline, shown = self._listen(turn, caller, rng)
            units = _units(timeline, shown, scenes, vectors, rng)
            turns.append(
                CallTurn(reply=turn.exchange.reply, units=units, typed=turn.written or None)
            )
        return self._voiced(Call(tuple(turns)), plan.script, rng)

    def _listen(
        self, turn: ScriptTurn, caller: Caller, rng: Random
    ) -> tuple[Timeline, list[Shown[Scene]]]:
        generator = np.random.default_rng(rng.getrandbits(48))
        return turn_timeline(turn, caller, self.speak, generator)

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


def scenes_of(script: CallScript) -> list[Scene]:
    """Everything a call shows, each once, in the order in which it is shown."""
    scenes = [
        scene
        for turn in script.turns
        for scene in (*(second.scene for second in turn.lead), turn.scene)
        if scene is not None
    ]
    return list(dict.fromkeys(scenes))


def _shortened(script: CallScript, rng: Random) -> CallScript:
    """Most calls end early: their first questions are learnt in a fraction of the time."""
    if rng.random() >= SHORTENED_SHARE:
        return script
    return replace(script, turns=script.turns[: rng.randint(1, SHORT_TURNS)])


def _length_of(plan: _Plan) -> int:
    """About how long the call's sequence is, in tokens."""
    return sum(
        len(turn.lead) * TOKENS_PER_UNIT + len(turn.spoken) * 2 + len(turn.exchange.reply) // 3
        for turn in plan.script.turns
    )


def _elsewhere(caller: Caller | None, rng: Random) -> Caller:
    """The caller with another microphone in another room."""
    assert caller is not None
    generator = np.random.default_rng(rng.getrandbits(48))
    hiss_db = float(generator.uniform(*HISS_DB))
    return replace(caller, recipe=draw_recipe(VARIED, generator), hiss_db=hiss_db)


def _units(
    timeline: Timeline,
    shown: Sequence[Shown[Scene]] = (),
    scenes: Sequence[Scene] = (),
    vectors: np.ndarray | None = None,
    rng: Random | None = None,
) -> tuple[CallUnit, ...]:
    units = []
    for unit in timeline.units(shown):
        image = None
        if unit.image is not None and vectors is not None and rng is not None:
            image = _another_frame(vectors[scenes.index(unit.image)], rng)
        units.append(CallUnit(unit.samples if unit.samples.size else None, image_vectors=image))
    return tuple(units)


def _another_frame(vectors: np.ndarray, rng: Random) -> np.ndarray:
    """A picture's vectors ``[Q, E]`` as another frame of the same thing has them, float32."""
    exact = vectors.astype(np.float32)
    noise = np.random.default_rng(rng.getrandbits(48)).standard_normal(exact.shape)
    return exact + (noise * (VECTOR_NOISE * exact.std())).astype(np.float32)
