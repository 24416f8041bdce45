"""Calls as they went, in words: what was shown, asked, said, and heard of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from model.training.domain.call_script import CallTurn
from model.training.domain.wording import listed, place_phrase, with_article
from model.training.scenes.scene import Cups, Scene, SceneObject
from server.evaluation.scoring import PlacedCall, group_of

N_TRANSCRIPTS = 5
GROUPS_SHOWN = ("picture", "memory", "sum", "fact", "limits", "talk", "sound")
"""What the first transcripts are about, one each."""


def choose_calls(calls: Sequence[PlacedCall], limit: int = N_TRANSCRIPTS) -> list[int]:
    """Places of the calls to show: the first of each group, whatever was answered.

    Args:
        calls: In any order.
        limit: How many.
    """
    by_group: dict[str, list[int]] = {}
    for place, call in enumerate(calls):
        by_group.setdefault(group_of(call), []).append(place)
    rounds = max((len(places) for places in by_group.values()), default=0)
    in_turns = [
        by_group[group][number]
        for number in range(rounds)
        for group in GROUPS_SHOWN
        if number < len(by_group.get(group, ()))
    ]
    return in_turns[:limit]


def transcript_json(call: PlacedCall, heard: str) -> dict[str, Any]:
    """One call.

    Args:
        call: As it was held.
        heard: What a recogniser heard of the last answer.
    """
    turns: list[Mapping[str, Any]] = [
        {
            "asked": turn.asked,
            "shown": shown_in(turn.turn),
            "said": turn.said.strip(),
            "right": turn.right,
        }
        for turn in call.turns
    ]
    return {
        "caller": call.planned.caller.voice,
        "voice": call.voice,
        "turns": [*turns[:-1], {**turns[-1], "heard": heard}],
    }


def shown_in(turn: CallTurn) -> str:
    """What the camera and the sounds of a turn were, second by second; empty for neither."""
    seen: list[str] = []
    for second in turn.lead:
        parts = [] if second.scene is None else [scene_in_words(second.scene)]
        parts += [] if second.sound is None else [f"[{second.sound}]"]
        seen.append(" with ".join(parts))
    if turn.scene is not None:
        seen.append(scene_in_words(turn.scene))
    # Neighbouring seconds of one picture are one thing shown.
    changes = [text for place, text in enumerate(seen) if not place or seen[place - 1] != text]
    return ", then ".join(text for text in changes if text)


def scene_in_words(scene: Scene) -> str:
    """What is in one picture."""
    if scene.cups is not None:
        return _cups_in_words(scene.cups)
    if scene.is_empty:
        return "nothing"
    return listed([_object_in_words(thing) for thing in scene.objects])


def _object_in_words(thing: SceneObject) -> str:
    name = thing.name if thing.size is None else f"{thing.size} {thing.name}"
    place = "" if thing.place is None else f" {place_phrase(thing.place)}"
    return with_article(name) + place


def _cups_in_words(cups: Cups) -> str:
    if cups.open_cup is not None:
        place = ("left", "middle", "right")[cups.open_cup]
        return f"three cups, a ball under the {place} one"
    if cups.swap is not None:
        first, second = (("left", "middle", "right")[index] for index in cups.swap)
        return f"the {first} and the {second} cup change places"
    return "three cups"
