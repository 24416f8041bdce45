"""Questions about what is in view: colour, shape, size, number, place, presence, relation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from model.training.domain import picture_phrasings as words
from model.training.domain.exchange import Exchange, History, SceneNeed, Split, answered
from model.training.domain.intent import Intent
from model.training.domain.numbers import word_of
from model.training.domain.phrasings import Phrasings
from model.training.domain.wording import (
    MAX_LISTED,
    NO_PICTURE,
    NOTHING,
    descriptions,
    place_phrase,
    plural,
    relation_answers,
    sentence,
    with_article,
)
from model.training.scenes import scene_sampler
from model.training.scenes.scene import COLOURS, EMPTY, RELATIONS, SHAPES, Scene, relation_of

EMPTY_SHARE = 0.08
"""Of questions that presuppose a thing, how many meet an empty picture."""
NO_PICTURE_SHARE = 0.04
"""Of them, how many meet no picture at all."""
CLEARLY = 2.0
"""How many times the distance one way the other has to be, for a relation without doubt."""
CLEARLY_BIGGER = 1.8
"""How many times as wide a thing has to be, to be the bigger one without doubt."""
WORDINGS_TRIED = 20

Asked = tuple[Scene, dict[str, str], Sequence[str]]
"""A scene, the question's slots and the right answers."""


@dataclass(frozen=True, slots=True)
class PictureQuestion:
    """One kind of question about a picture, for a picture of its own or for any that it fits."""

    name: str
    """Of the intent."""
    topic: str
    """As :attr:`Exchange.topic`."""
    phrasings: Phrasings
    """All ways to ask it."""
    sample: Callable[[Random], Scene]
    """Draws a picture to ask about."""
    ask: Callable[[Random, Scene], Asked]
    """Asks about a picture; may show an empty one instead."""
    fits: Callable[[Scene], bool]
    """Whether there is one right answer about a picture that has things in it."""
    presupposes: bool = False
    """Whether it takes a thing for granted; sometimes there is none, or no picture."""

    @property
    def intent(self) -> Intent:
        """It, asked about pictures of its own."""
        return Intent(self.name, "picture", self.phrasings, self._attempt)

    def about(self, rng: Random, scene: Scene, split: Split) -> Exchange | None:
        """It, asked about a given picture; None where it does not fit, or where no wording of
        that split was found."""
        empty = scene.is_empty
        if not (self.presupposes if empty else self.fits(scene)):
            return None
        for _ in range(WORDINGS_TRIED):
            shown, slots, answers = self.ask(rng, self.sample(rng) if empty else scene)
            if not empty and shown != scene:
                continue
            exchange = self._exchange(rng, SceneNeed(scene), slots, NOTHING if empty else answers)
            if exchange.split is split:
                return exchange
        return None

    def _attempt(self, rng: Random, history: History) -> Exchange:
        scene, slots, answers = self.ask(rng, self.sample(rng))
        need: SceneNeed | None = SceneNeed(scene)
        if self.presupposes:
            luck = rng.random()
            if luck < NO_PICTURE_SHARE:
                need, answers = None, NO_PICTURE
            elif luck < NO_PICTURE_SHARE + EMPTY_SHARE:
                need, answers = SceneNeed(EMPTY), NOTHING
        return self._exchange(rng, need, slots, answers)

    def _exchange(
        self, rng: Random, need: SceneNeed | None, slots: dict[str, str], answers: Sequence[str]
    ) -> Exchange:
        question = self.phrasings.draw(rng, slots)
        return answered(rng, question, answers, intent=self.name, topic=self.topic, needs=need)


def _ask_colour(rng: Random, scene: Scene) -> Asked:
    thing = scene.objects[0]
    answers = (
        f"It is {thing.colour}.",
        sentence(thing.colour),
        f"The {thing.shape} is {thing.colour}.",
    )
    return scene, {}, answers


def _ask_colour_of(rng: Random, scene: Scene) -> Asked:
    thing = rng.choice(scene.objects)
    answers = (
        f"The {thing.shape} is {thing.colour}.",
        sentence(thing.colour),
        f"It is {thing.colour}.",
    )
    return scene, {"shape": thing.shape}, answers


def _ask_shape(rng: Random, scene: Scene) -> Asked:
    thing = scene.objects[0]
    shape = with_article(thing.shape)
    answers = (f"It is {shape}.", sentence(shape), f"It is {with_article(thing.name)}.")
    return scene, {"colour": thing.colour}, answers


def _ask_size(rng: Random, scene: Scene) -> Asked:
    thing = scene.objects[0]
    answers = (f"It is {thing.size}.", f"The {thing.shape} is {thing.size}.")
    return scene, {"shape": thing.shape}, answers


def _ask_count(rng: Random, scene: Scene) -> Asked:
    return scene, {}, _count_answers(len(scene.objects))


def _count_answers(count: int) -> tuple[str, ...]:
    verb = "is" if count == 1 else "are"
    word = word_of(count)
    return f"There {verb} {word}.", f"I see {word}.", sentence(word)


def _ask_count_of(rng: Random, scene: Scene) -> Asked:
    by_colour = rng.random() < 0.4
    present = rng.choice(scene.objects)
    if rng.random() < 0.15:
        things, count = _absent_things(rng, scene, by_colour)
    elif by_colour:
        things = f"{present.colour} things"
        count = sum(thing.colour == present.colour for thing in scene.objects)
    else:
        things = plural(present.shape)
        count = sum(thing.shape == present.shape for thing in scene.objects)
    answers = _count_answers(count) if count else ("There are none.", "I see none.", "None.")
    return scene, {"things": things}, answers


def _absent_things(rng: Random, scene: Scene, by_colour: bool) -> tuple[str, int]:
    if by_colour:
        present = {thing.colour for thing in scene.objects}
        return f"{rng.choice([name for name in COLOURS if name not in present])} things", 0
    present = {thing.shape for thing in scene.objects}
    return plural(rng.choice([name for name in SHAPES if name not in present])), 0


def _ask_place(rng: Random, scene: Scene) -> Asked:
    thing = scene.objects[0]
    where = place_phrase(thing.place or "middle")
    answers = (f"It is {where}.", sentence(where), f"The {thing.shape} is {where}.")
    return scene, {"shape": thing.shape}, answers


def _ask_there(rng: Random, scene: Scene) -> Asked:
    thing = rng.choice(scene.objects)
    if rng.random() < 0.06:
        scene = EMPTY
    asked = thing.name
    if rng.random() < 0.5:
        # Half of the wrong guesses share the colour or the shape: the whole name has to match.
        colour = rng.choice((thing.colour, rng.choice(COLOURS)))
        shape = rng.choice((thing.shape, rng.choice(SHAPES)))
        asked = f"{colour} {shape}"
    there = any(asked == seen.name for seen in scene.objects)
    noun = with_article(asked)
    answers = (
        ("Yes.", f"Yes, there is {noun}.", f"Yes, I see {noun}.")
        if there
        else ("No.", f"No, there is no {asked}.", f"No, I do not see {noun}.")
    )
    return scene, {"a_thing": noun}, answers


def _ask_relation(rng: Random, scene: Scene) -> Asked:
    first, second = rng.sample(scene.objects, 2)
    answers = relation_answers(first, second, relation_of(first, second))
    return scene, {"first": first.name, "second": second.name}, answers


def _ask_is_related(rng: Random, scene: Scene) -> Asked:
    first, second = rng.sample(scene.objects, 2)
    relation = relation_of(first, second)
    asked = relation if rng.random() < 0.5 else rng.choice(RELATIONS)
    where = f"it is {relation} the {second.name}"
    answers = ("Yes.", f"Yes, {where}.") if asked == relation else ("No.", f"No, {where}.")
    slots = {"first": first.name, "second": second.name, "relation": asked}
    return scene, slots, answers


def _ask_neighbour(rng: Random, scene: Scene) -> Asked:
    first, second = rng.sample(scene.objects, 2)
    slots = {"second": second.name, "relation": relation_of(first, second)}
    return scene, slots, (f"The {first.name}.", sentence(with_article(first.name)))


def _ask_bigger(rng: Random, scene: Scene) -> Asked:
    big, small = sorted(scene.objects, key=lambda thing: -thing.extent)
    bigger = rng.choice(("bigger", "smaller"))
    thing = big if bigger == "bigger" else small
    first, second = rng.sample((big.name, small.name), 2)
    slots = {"bigger": bigger, "first": first, "second": second}
    return scene, slots, (f"The {thing.name}.", f"The {thing.name} is {bigger}.")


def _ask_describe(rng: Random, scene: Scene) -> Asked:
    return scene, {}, descriptions(scene)


# --- pictures to ask about


def _small_single(rng: Random) -> Scene:
    return scene_sampler.single(rng, size="small")


def _one_to_five(rng: Random) -> Scene:
    count = rng.randint(1, 5)
    return (scene_sampler.alike if rng.random() < 0.6 else scene_sampler.mixed)(rng, count)


def _two_to_five(rng: Random) -> Scene:
    return scene_sampler.mixed(rng, rng.randint(2, 5))


def _one_or_two(rng: Random) -> Scene:
    return scene_sampler.single(rng) if rng.random() < 0.5 else scene_sampler.pair(rng)


def _anything(rng: Random) -> Scene:
    kind = rng.choices(("single", "pair", "alike", "cups", "empty"), (45, 25, 20, 3, 7))[0]
    if kind == "single":
        return scene_sampler.single(rng)
    if kind == "pair":
        return scene_sampler.pair(rng)
    if kind == "alike":
        return scene_sampler.alike(rng, rng.randint(2, 5))
    return scene_sampler.cup_game(rng, 1).scenes[-1] if kind == "cups" else EMPTY


# --- which pictures a question fits


def _has_one(scene: Scene) -> bool:
    return len(scene.objects) == 1


def _has_a_size(scene: Scene) -> bool:
    return _has_one(scene) and scene.objects[0].size is not None


def _has_a_place(scene: Scene) -> bool:
    return _has_one(scene) and scene.objects[0].place is not None


def _has_some(scene: Scene) -> bool:
    return bool(scene.objects)


def _has_several(scene: Scene) -> bool:
    return len(scene.objects) > 1


def _has_different_shapes(scene: Scene) -> bool:
    return _has_several(scene) and len({t.shape for t in scene.objects}) == len(scene.objects)


def _has_two_different(scene: Scene) -> bool:
    return len(scene.objects) == len({thing.name for thing in scene.objects}) == 2


def _has_two_sides(scene: Scene) -> bool:
    if not _has_two_different(scene):
        return False
    first, second = scene.objects
    near, far = sorted((abs(first.x - second.x), abs(first.y - second.y)))
    return far >= CLEARLY * near


def _has_a_bigger_one(scene: Scene) -> bool:
    if not _has_two_different(scene):
        return False
    small, big = sorted(thing.extent for thing in scene.objects)
    return big >= CLEARLY_BIGGER * small


def _can_be_listed(scene: Scene) -> bool:
    return len({thing.name for thing in scene.objects}) <= MAX_LISTED


_single, _pair = scene_sampler.single, scene_sampler.pair

PICTURE_QUESTIONS = (
    PictureQuestion(
        "see_colour", "colours", words.COLOUR, _single, _ask_colour, _has_one, presupposes=True
    ),
    PictureQuestion(
        "see_colour_of", "colours", words.COLOUR_OF, _pair, _ask_colour_of, _has_different_shapes
    ),
    PictureQuestion(
        "see_shape", "shapes", words.SHAPE, _single, _ask_shape, _has_one, presupposes=True
    ),
    PictureQuestion(
        "see_size", "sizes", words.SIZE, _single, _ask_size, _has_a_size, presupposes=True
    ),
    PictureQuestion(
        "see_count", "numbers", words.COUNT, _one_to_five, _ask_count, _has_some, presupposes=True
    ),
    PictureQuestion(
        "see_count_of", "numbers", words.COUNT_OF, _two_to_five, _ask_count_of, _has_several
    ),
    PictureQuestion(
        "see_place",
        "places",
        words.PLACE,
        _small_single,
        _ask_place,
        _has_a_place,
        presupposes=True,
    ),
    PictureQuestion("see_there", "the picture", words.THERE, _one_or_two, _ask_there, _has_some),
    PictureQuestion("see_relation", "places", words.RELATION, _pair, _ask_relation, _has_two_sides),
    PictureQuestion(
        "see_is_related", "places", words.IS_RELATED, _pair, _ask_is_related, _has_two_sides
    ),
    PictureQuestion(
        "see_neighbour", "places", words.NEIGHBOUR, _pair, _ask_neighbour, _has_two_sides
    ),
    PictureQuestion(
        "see_bigger",
        "sizes",
        words.BIGGER,
        scene_sampler.sized_pair,
        _ask_bigger,
        _has_a_bigger_one,
    ),
    PictureQuestion(
        "see_all",
        "the picture",
        words.DESCRIBE,
        _anything,
        _ask_describe,
        _can_be_listed,
        presupposes=True,
    ),
)
PICTURE = tuple(question.intent for question in PICTURE_QUESTIONS)
