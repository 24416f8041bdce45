"""Calls in which everything is typed: the joint stage's batches that need no synthesizer.

They teach what the right answers are, from words and pictures, without limit; speech is learnt
from calls that are heard.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from random import Random

from model.training.batches import Call, CallBatch, CallTurn, CallUnit, TrainingData
from model.training.domain.call_script import MAX_TURNS, CallScript, compose_call
from model.training.domain.domain import INTENTS
from model.training.domain.exchange import Split
from model.training.domain.intent import Group
from model.training.domain.memory_questions import SHOWN_MEMORY, TALK_MEMORY
from model.training.domain.talk import REPEAT_AFTER_ME
from model.training.scenes.renderers import render

CALLS_PER_BATCH = 8
PICTURE_SIZE = (448, 336)
"""Width and height: the proportions of a camera at the resolution the model looks at."""


WORDY_SHARES: dict[Group, float] = {
    "fact": 0.26,
    "sum": 0.16,
    "talk": 0.18,
    "memory": 0.18,
    "limits": 0.16,
    "picture": 0.06,
}
"""How often a call without a camera is asked about each; about pictures, that there is none."""
REPEATED_SHARE = 0.1
"""How often something is to be repeated instead: no other answer is as long and as new."""
MAX_ECHOES = 3
"""Questions about what was said before, in a call that is about nothing else."""


def silent_script(seed: int, split: Split, *, camera: bool | None = None) -> CallScript:
    """A typed call in which no sound is heard; the same for the same seed.

    Without a camera it is mostly about what needs none.

    Args:
        seed: Of everything in it.
        split: Whose sentences, scenes and look.
        camera: Whether it has pictures; drawn where None.
    """
    rng = Random(f"silent {split.value} {seed}")
    while True:
        intents = None if camera is not False else _wordy_intents(rng, rng.randint(1, MAX_TURNS))
        script = compose_call(
            rng.getrandbits(48), split, camera=camera, intents=intents, manner="typed"
        )
        if all(turn.exchange.heard is None for turn in script.turns):
            return script


def echoing_script(seed: int, split: Split) -> CallScript:
    """A typed call without a camera in which every second question is about what was said before;
    the same for the same seed."""
    rng = Random(f"echoing {split.value} {seed}")
    asked = _wordy_intents(rng, rng.randint(1, MAX_ECHOES))
    echoes = rng.choices([intent.name for intent in TALK_MEMORY], k=len(asked))
    intents = [name for both in zip(asked, echoes, strict=True) for name in both]
    return compose_call(rng.getrandbits(48), split, camera=False, intents=intents, manner="typed")


def _wordy_intents(rng: Random, count: int) -> list[str]:
    """Names of intents without sounds, mostly of such that need no picture."""
    groups = rng.choices(list(WORDY_SHARES), list(WORDY_SHARES.values()), k=count)
    return [
        REPEAT_AFTER_ME.name
        if rng.random() < REPEATED_SHARE
        else rng.choice([i.name for i in INTENTS if i.group == group and i not in SHOWN_MEMORY])
        for group in groups
    ]


def written_call(script: CallScript, size: tuple[int, int] = PICTURE_SIZE) -> Call:
    """A typed call as the joint stage reads it: one picture a second, then the words.

    Args:
        script: A call without sounds.
        size: Width and height of its pictures.
    """
    turns = []
    frames = count()
    for turn in script.turns:
        scenes = [*(second.scene for second in turn.lead), turn.scene]
        units = tuple(
            CallUnit(
                image=render(
                    scene,
                    script.look,
                    script.style_seed,
                    colours=script.colours,
                    frame_index=next(frames),
                    size=size,
                )
            )
            for scene in scenes
            if scene is not None and script.look is not None
        )
        turns.append(CallTurn(reply=turn.exchange.reply, units=units, typed=turn.written))
    return Call(tuple(turns))


def written_calls(seed: int) -> TrainingData:
    """Endless typed calls with and without pictures."""
    return _data(seed, Split.TRAIN, None)


def written_talk(seed: int) -> TrainingData:
    """Endless typed calls without pictures: words alone."""
    return _data(seed, Split.TRAIN, False)


def held_out_written_calls(seed: int) -> TrainingData:
    """Typed calls to evaluate with."""
    return _data(seed, Split.EVAL, None)


def _data(seed: int, split: Split, camera: bool | None) -> TrainingData:
    def batch(step: int) -> CallBatch:
        rng = Random(f"written {seed} {step}")
        scripts = (
            silent_script(rng.getrandbits(48), split, camera=camera) for _ in range(CALLS_PER_BATCH)
        )
        return CallBatch(tuple(written_call(script) for script in scripts))

    def source(step: int) -> Iterator[CallBatch]:
        return map(batch, count(step))

    return TrainingData(source)
