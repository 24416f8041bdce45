"""Whole calls as scripts: what is shown every second, what is heard, said and typed when.

A script names no samples and no pixels. Speech is synthesised, placed on a timeline and cut into
units elsewhere; pictures are drawn with the script's ``look`` and ``style_seed``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Literal

from model.training.domain.domain import draw_intent, intent_named
from model.training.domain.exchange import Exchange, SceneNeed, SoundKind, Split
from model.training.domain.intent import Intent
from model.training.domain.memory_questions import MAX_SHOWN, recall_exchange
from model.training.domain.typed_text import typed
from model.training.domain.wording import NO_PICTURE
from model.training.scenes.looks import CALL_LOOKS, EVAL_LOOK
from model.training.scenes.scene import EMPTY, Scene

Manner = Literal["typed", "spoken", "either"]
TYPED_SHARE = 0.25
"""Of all turns, how many are typed."""
CAMERA_SHARE = 0.6
"""Of all calls, how many have pictures."""
RECALL_SHARE = 0.4
"""How often a call that showed several things goes on to ask about all of them."""
MAX_TURNS = 6
MAX_CALL_S = 45
"""Seconds of pictures and sounds before questions in one call; speech comes on top."""
SHOW_AND_RECALL_SHARE = 0.25
"""Of calls with a camera, how many show one thing per turn and then ask about all of them."""
RECALL = "recall"
"""In place of an intent's name: a question about all things shown, where there are some."""
_SHOWING = ("see_colour", "see_shape", "see_size", "see_place")
_TYPED_SHARES: Mapping[Manner, float] = {"typed": 1.0, "spoken": 0.0, "either": TYPED_SHARE}
_REDRAWS = 200

_ALL_SHOWN = ("shown_colour", "shown_shape", "how_many_shown")
"""Intents about everything shown since the call began."""


class ComposeError(RuntimeError):
    """No exchange fitted a call."""


@dataclass(frozen=True, slots=True)
class Second:
    """One second before a question."""

    scene: Scene | None
    """In view; None in a call without a camera."""
    sound: SoundKind | None = None
    """Heard in it; None is quiet."""


@dataclass(frozen=True, slots=True)
class CallTurn:
    """One turn of the user and the answer to it."""

    exchange: Exchange
    """What is asked and answered."""
    written: str
    """The typed words; empty where the question is spoken."""
    lead: tuple[Second, ...]
    """What happens before the question, second by second."""
    scene: Scene | None
    """In view from the question on; None in a call without a camera."""
    silence_before_s: float
    """Quiet between the lead and the first word."""
    silence_after_s: float
    """Quiet between the last word and the end of the turn."""

    @property
    def spoken(self) -> str:
        """The words to synthesise; empty for a typed turn or a sound alone."""
        return "" if self.written else self.exchange.question


@dataclass(frozen=True, slots=True)
class CallScript:
    """One call."""

    seed: int
    """It came from this seed and split, and comes from them again."""
    split: Split
    """Its sentences, scenes and look are of this split."""
    look: str | None
    """Which generator draws its pictures; None without a camera."""
    style_seed: int
    """One background, light and camera for all its pictures."""
    turns: tuple[CallTurn, ...]
    """In order."""

    @property
    def colours(self) -> tuple[str, ...]:
        """Every colour shown in the call, sorted: one background has to suit them all."""
        scenes = [
            scene
            for turn in self.turns
            for scene in (*(second.scene for second in turn.lead), turn.scene)
            if scene is not None
        ]
        return tuple(sorted(frozenset().union(*(scene.colours for scene in scenes))))


@dataclass(slots=True)
class _Composition:
    """A call while it is being written."""

    rng: Random
    split: Split
    camera: bool
    typed_share: float
    history: list[Exchange] = field(default_factory=list)
    turns: list[CallTurn] = field(default_factory=list)
    shown: list[Scene] = field(default_factory=list)
    in_view: Scene = EMPTY
    lead_s: int = 0

    def add(self, name: str | None) -> None:
        recall_share = 1.0 if name == RECALL else RECALL_SHARE
        recalls = name in (None, RECALL) and self._can_recall()
        recalls = recalls and self.rng.random() < recall_share
        intent = None if name is None or name == RECALL else intent_named(name)
        exchange = self._exchange(intent, recalls)
        need = exchange.needs
        before = need.before if need else ()
        now = need.scene if need else self.in_view
        for scene in (*before, now):
            self._see(scene)
        self.history.append(exchange)
        lead = [Second(scene if self.camera else None) for scene in before]
        if exchange.heard is not None:
            lead.append(Second(now if self.camera else None, exchange.heard))
        self.lead_s += len(lead)
        keys = Random(self.rng.getrandbits(48))
        by_keys = bool(exchange.question) and keys.random() < self.typed_share
        self.turns.append(
            CallTurn(
                exchange=exchange,
                written=typed(exchange, keys) if by_keys else "",
                lead=tuple(lead),
                scene=now if self.camera else None,
                silence_before_s=round(self.rng.uniform(0.0, 1.2), 3),
                silence_after_s=round(self.rng.uniform(0.3, 1.0), 3),
            )
        )

    def _see(self, scene: Scene) -> None:
        if scene != self.in_view and not scene.is_empty:
            self.shown.append(scene)
        self.in_view = scene

    def _exchange(self, intent: Intent | None, recalls: bool) -> Exchange:
        for _ in range(_REDRAWS):
            if recalls:
                exchange = recall_exchange(self.rng, self.shown, SceneNeed(self.in_view))
            else:
                drawn = intent or draw_intent(self.rng)
                exchange = drawn.draw(self.rng, self.split, self.history)
                exchange = exchange if self.camera else _without_picture(self.rng, exchange)
            if exchange.split is self.split and self._fits(exchange):
                return exchange
        raise ComposeError(f"nothing fits after {[past.intent for past in self.history]}")

    def _fits(self, exchange: Exchange) -> bool:
        if not self.camera:
            return True
        if exchange.needs is None:
            return exchange.answers != NO_PICTURE
        if exchange.intent in _ALL_SHOWN and exchange.needs.before and self.shown:
            return False
        return self.lead_s + len(exchange.needs.before) <= MAX_CALL_S

    def _can_recall(self) -> bool:
        # The same thing in another place or colour would be one thing to some and two to others.
        if not self.camera or not 2 <= len(self.shown) <= MAX_SHOWN:
            return False
        if any(len(scene.objects) != 1 for scene in self.shown):
            return False
        things = [scene.objects[0] for scene in self.shown]
        colours, shapes = {thing.colour for thing in things}, {thing.shape for thing in things}
        return len(colours) == len(shapes) == len(things)


def _without_picture(rng: Random, exchange: Exchange) -> Exchange:
    if exchange.needs is None:
        return exchange
    return replace(exchange, answers=NO_PICTURE, answer=rng.choice(NO_PICTURE), needs=None)


def compose_call(
    seed: int,
    split: Split,
    *,
    camera: bool | None = None,
    intents: Sequence[str | None] | None = None,
    manner: Manner = "either",
) -> CallScript:
    """A call.

    Args:
        seed: Of everything in it.
        split: Whose sentences, scenes and look.
        camera: Whether it has pictures; drawn where None.
        intents: One per turn, by name or ``RECALL``, None for any; drawn where None, 1 to
            ``MAX_TURNS``.
        manner: How questions are asked; it changes neither questions nor pictures.

    Raises:
        ComposeError: The intents cannot follow each other.
        UnknownIntentError: No intent has such a name.
    """
    rng = Random(f"call {split.value} {seed}")
    if camera is None:
        camera = rng.random() < CAMERA_SHARE
    if intents is None:
        intents = _plan(rng, camera)
    composition = _Composition(rng, split, camera, _TYPED_SHARES[manner])
    for name in intents:
        composition.add(name)
    look = EVAL_LOOK if split is Split.EVAL else rng.choice(CALL_LOOKS)
    return CallScript(
        seed=seed,
        split=split,
        look=look if camera else None,
        style_seed=style_seed(seed, split),
        turns=tuple(composition.turns),
    )


def _plan(rng: Random, camera: bool) -> Sequence[str | None]:
    if camera and rng.random() < SHOW_AND_RECALL_SHARE:
        return [*rng.choices(_SHOWING, k=rng.randint(2, MAX_TURNS - 2)), RECALL]
    return [None] * rng.randint(1, MAX_TURNS)


def style_seed(seed: int, split: Split) -> int:
    """A call's style seed: even in training, odd in the evaluation, so that they never meet."""
    digest = hashlib.sha256(f"style {split.value} {seed}".encode()).digest()
    drawn = int.from_bytes(digest[:6], "big")
    return 2 * drawn + (split is Split.EVAL)
