"""Calls in which everything is to be written down: what is heard, what is read, what is seen.

A question about a picture is answered with a word or two, and most questions need one glance. Here
every word of an answer is a look, so that the language model finds out how to listen, how to copy
and how to look long before answers alone would teach it.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import numpy as np

from model.training.batches import Call, CallTurn, CallUnit
from model.training.domain.call_script import CallScript
from model.training.recipe.looking import words_seen
from model.training.scenes.scene import CUPS, Cups, Scene, SceneObject

HEAR = "Write down what you hear."
READ = "Write down what you read."
SEE = "Write down what you see."
"""Instructions in the system prompt."""


def heard_call(text: str, units: tuple[CallUnit, ...], times_s: np.ndarray) -> Call:
    """What is said in the units.

    Args:
        text: The words.
        units: In which they are heard.
        times_s: As :attr:`CallTurn.heard_s`.
    """
    turn = CallTurn(reply=text, units=units, spoken=text, heard_s=times_s)
    return Call((turn,), mode="default", instructions=HEAR)


def read_call(script: CallScript, rng: Random) -> Call:
    """The words of a typed call's questions in any order: nothing but looking back tells them."""
    turns = []
    for turn in script.turns:
        text = shuffled(turn.written, rng)
        turns.append(CallTurn(reply=text, typed=text))
    return Call(tuple(turns), mode="default", instructions=READ)


def shuffled(text: str, rng: Random) -> str:
    """Its words in any order."""
    words = text.split()
    rng.shuffle(words)
    return " ".join(words)


def seen_call(scenes: Sequence[Scene], images: Sequence[np.ndarray]) -> Call:
    """One picture after another, and all that is in each.

    Args:
        scenes: Of the call, at least one.
        images: Vectors ``[Q, E]`` of each.
    """
    turns = tuple(
        CallTurn(
            reply=inventory(scene),
            units=(CallUnit(image_vectors=image),),
            seen=words_seen(inventory(scene), (scene,)),
        )
        for scene, image in zip(scenes, images, strict=True)
    )
    return Call(turns, mode="omni", instructions=SEE)


def inventory(scene: Scene) -> str:
    """Everything in view, from left to right: ``small red circle top left, blue star right``."""
    if scene.cups is not None:
        return _cups(scene.cups)
    things = sorted(scene.objects, key=lambda thing: thing.x)
    return ", ".join(_thing(thing) for thing in things) or "nothing"


def _thing(thing: SceneObject) -> str:
    parts = (thing.size, thing.name, thing.place)
    return " ".join(part for part in parts if part is not None)


def _cups(cups: Cups) -> str:
    if cups.open_cup is not None:
        return f"{cups.colour} cups, {cups.ball_colour} ball {CUPS[cups.open_cup]}"
    if cups.swap is not None:
        first, second = (CUPS[place] for place in sorted(cups.swap))
        return f"{cups.colour} cups, {first} and {second}"
    return f"{cups.colour} cups"
