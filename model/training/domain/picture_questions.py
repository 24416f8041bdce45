"""Questions about what is in view: colour, shape, size, number, place, presence, relation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from model.training.domain.exchange import Exchange, History, SceneNeed, answered
from model.training.domain.intent import Intent
from model.training.domain.numbers import word_of
from model.training.domain.phrasings import Phrasings
from model.training.domain.wording import (
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

Asked = tuple[Scene, dict[str, str], Sequence[str]]
"""A scene, the question's slots and the right answers."""

_ASK = "[please|now|can you|could you] tell me"

COLOUR = Phrasings(
    "[and|so|now|okay|pocket] (what|which) colour is (it|this|that) [now|please]",
    "(what|which) colour is (the|this|that) (thing|card|object|shape) [please]",
    "(what|which) colour is (this|that) one",
    "(what|which) colour do you see [now|here|please]",
    f"{_ASK} (the|its|what) colour [please|it is|this is]",
    "(what is|what's|name) (the|its) colour [please]",
    "(what|which) colour does (it|this) have",
    "(what|which) colour am i (holding|showing [you]) [now]",
    "do you (see|know) (what|which) colour (it|this) is",
    "the colour please",
)
COLOUR_OF = Phrasings(
    "[and|so|now|okay] (what|which) colour is the {shape} [please]",
    "(what is|what's) the colour of the {shape}",
    f"{_ASK} (what|which) colour the {{shape}} is",
    "(what|which) colour does the {shape} have",
)
SHAPE = Phrasings(
    "[and|so|now|okay|pocket] (what|which) shape is (it|this|that) [now|please]",
    "(what|which) shape is (the|this|that) (thing|object) [please]",
    "(what|which) shape is (this|that) one",
    "(what|which) shape do you see [now|here|please]",
    f"{_ASK} (the|its|what) shape [please|it is|this is]",
    "(what is|what's|name) (the|its) shape [please]",
    "(what|which) shape does (it|this) have",
    "(what|which) shape am i (holding|showing [you]) [now]",
    "do you (see|know) (what|which) shape (it|this) is",
    "(what|which) shape is the {colour} (one|thing)",
    "the shape please",
)
SIZE = Phrasings(
    "[and|so|now|okay|pocket] is (it|this|that) (big or small|small or big) [please]",
    "is (the|this|that) (thing|object|shape|{shape}) (big or small|small or big)",
    "how big is (it|this|that|the {shape}) [please]",
    f"{_ASK} (if it is big or small|how big it is|its size|the size)",
    "(what is|what's) (the|its) size",
    "(what|which) size is (it|this|that|the {shape})",
    "do you see (a big one or a small one|something big or something small)",
)
COUNT = Phrasings(
    "[and|so|now|okay|pocket] how many (things|objects|shapes) (are there|do you see) [now|please]",
    "how many (things|objects|shapes) (are in the picture|can you see) [please]",
    f"{_ASK} how many (things|objects|shapes) (there are|you see)",
    "[please] count the (things|objects|shapes) [for me|please]",
    "how many are there [now|please]",
    "how many do you see [now|please]",
    "(what is|what's) the number of (things|objects|shapes)",
)
COUNT_OF = Phrasings(
    "[and|so|now|okay] how many {things} (are there|do you see) [please]",
    "how many {things} (are in the picture|can you see) [please]",
    f"{_ASK} how many {{things}} (there are|you see)",
    "[please] count the {things} [for me|please]",
)
PLACE = Phrasings(
    "[and|so|now|okay|pocket] where is (it|this|that|the {shape}) [now|please]",
    "where is (the|this|that) (thing|object|shape) [please]",
    "where do you see (it|the {shape}|the thing) [please]",
    f"{_ASK} where (it|the {{shape}}|the thing) is",
    "where in the picture is (it|the {shape}|the thing)",
    "(what is|what's) (the|its) (place|position)",
    "do you see where (it|the {shape}|the thing) is",
    "in (which|what) place is (it|the {shape}|the thing)",
)
THERE = Phrasings(
    "[and|so|now|okay|pocket] is there {a_thing} [please|here]",
    "[and|now] do you see {a_thing} [please|here]",
    "can you see {a_thing} [now|here]",
    "is {a_thing} (there|here|in the picture) [now]",
    f"{_ASK} if there is {{a_thing}}",
    f"{_ASK} if you see {{a_thing}}",
    "(am i|i am) (holding|showing you) {a_thing} [now]",
    "is this {a_thing}",
)
RELATION = Phrasings(
    "[and|so|now|okay] where is the {first} (from|to|next to) the {second}",
    "[and|so|now|okay] where do you see the {first} from the {second}",
    "from the {second} where is the {first} [please]",
    "(what|which) side of the {second} is the {first} on",
    f"{_ASK} where the {{first}} is from the {{second}}",
    "is the {first} left right above or below the {second}",
)
IS_RELATED = Phrasings(
    "[and|so|now|okay|pocket] is the {first} {relation} the {second} [please]",
    "do you see the {first} {relation} the {second} [now]",
    f"{_ASK} if the {{first}} is {{relation}} the {{second}}",
    "the {first} is {relation} the {second} is that right",
    "is it right that the {first} is {relation} the {second}",
    "can you see the {first} {relation} the {second}",
)
NEIGHBOUR = Phrasings(
    "[and|so|now|okay|pocket] what is {relation} the {second} [please]",
    "what do you see {relation} the {second} [please]",
    "(what|which) thing is {relation} the {second}",
    f"{_ASK} what is {{relation}} the {{second}}",
    "{relation} the {second} is what",
    "name the thing {relation} the {second}",
)
BIGGER = Phrasings(
    "[and|so|now|okay|pocket] (which|what) [one|thing|object|shape] is {bigger} [please]",
    "(which|what) is the {bigger} [one|thing|object|shape] [please]",
    f"{_ASK} (which|what) [one|thing] is {{bigger}}",
    "do you see (which|what) [one|thing] is {bigger}",
    "what is {bigger} the {first} or the {second}",
)
DESCRIBE = Phrasings(
    "[and|so|now|okay|pocket] what do you see [now|here|please]",
    "what can you see [now|here|please]",
    "what is (this|that|it|here|there) [now|please]",
    "what is in the picture [now|please]",
    "what am i (holding|showing you) [now|please]",
    f"{_ASK} what you see [now|please]",
    "(describe|look at) (it|this|the picture) [please]",
    "what have i got [here]",
    "(look|and look) what is this",
)


def _thing_or_not(
    name: str, topic: str, phrasings: Phrasings, ask: Callable[[Random], Asked]
) -> Intent:
    """An intent whose question presupposes a thing; sometimes there is none, or no picture."""

    def attempt(rng: Random, history: History) -> Exchange:
        scene, slots, answers = ask(rng)
        luck = rng.random()
        need: SceneNeed | None = SceneNeed(scene)
        if luck < NO_PICTURE_SHARE:
            need, answers = None, NO_PICTURE
        elif luck < NO_PICTURE_SHARE + EMPTY_SHARE:
            need, answers = SceneNeed(EMPTY), NOTHING
        question = phrasings.draw(rng, slots)
        return answered(rng, question, answers, intent=name, topic=topic, needs=need)

    return Intent(name, "picture", phrasings, attempt)


def _always(name: str, topic: str, phrasings: Phrasings, ask: Callable[[Random], Asked]) -> Intent:
    def attempt(rng: Random, history: History) -> Exchange:
        scene, slots, answers = ask(rng)
        return answered(
            rng,
            phrasings.draw(rng, slots),
            answers,
            intent=name,
            topic=topic,
            needs=SceneNeed(scene),
        )

    return Intent(name, "picture", phrasings, attempt)


def _ask_colour(rng: Random) -> Asked:
    scene = scene_sampler.single(rng)
    thing = scene.objects[0]
    answers = (
        f"It is {thing.colour}.",
        sentence(thing.colour),
        f"The {thing.shape} is {thing.colour}.",
    )
    return scene, {}, answers


def _ask_colour_of(rng: Random) -> Asked:
    scene = scene_sampler.pair(rng)
    thing = rng.choice(scene.objects)
    answers = (
        f"The {thing.shape} is {thing.colour}.",
        sentence(thing.colour),
        f"It is {thing.colour}.",
    )
    return scene, {"shape": thing.shape}, answers


def _ask_shape(rng: Random) -> Asked:
    scene = scene_sampler.single(rng)
    thing = scene.objects[0]
    shape = with_article(thing.shape)
    answers = (f"It is {shape}.", sentence(shape), f"It is {with_article(thing.name)}.")
    return scene, {"colour": thing.colour}, answers


def _ask_size(rng: Random) -> Asked:
    scene = scene_sampler.single(rng)
    thing = scene.objects[0]
    answers = (f"It is {thing.size}.", f"The {thing.shape} is {thing.size}.")
    return scene, {"shape": thing.shape}, answers


def _ask_count(rng: Random) -> Asked:
    count = rng.randint(1, 5)
    scene = (scene_sampler.alike if rng.random() < 0.6 else scene_sampler.mixed)(rng, count)
    return scene, {}, _count_answers(count)


def _count_answers(count: int) -> tuple[str, ...]:
    verb = "is" if count == 1 else "are"
    word = word_of(count)
    return f"There {verb} {word}.", f"I see {word}.", sentence(word)


def _ask_count_of(rng: Random) -> Asked:
    scene = scene_sampler.mixed(rng, rng.randint(2, 5))
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


def _ask_place(rng: Random) -> Asked:
    scene = scene_sampler.single(rng, size="small")
    thing = scene.objects[0]
    where = place_phrase(thing.place or "middle")
    answers = (f"It is {where}.", sentence(where), f"The {thing.shape} is {where}.")
    return scene, {"shape": thing.shape}, answers


def _ask_there(rng: Random) -> Asked:
    scene = scene_sampler.single(rng) if rng.random() < 0.5 else scene_sampler.pair(rng)
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


def _ask_relation(rng: Random) -> Asked:
    scene = scene_sampler.pair(rng)
    first, second = rng.sample(scene.objects, 2)
    answers = relation_answers(first, second, relation_of(first, second))
    return scene, {"first": first.name, "second": second.name}, answers


def _ask_is_related(rng: Random) -> Asked:
    scene = scene_sampler.pair(rng)
    first, second = rng.sample(scene.objects, 2)
    relation = relation_of(first, second)
    asked = relation if rng.random() < 0.5 else rng.choice(RELATIONS)
    where = f"it is {relation} the {second.name}"
    answers = ("Yes.", f"Yes, {where}.") if asked == relation else ("No.", f"No, {where}.")
    slots = {"first": first.name, "second": second.name, "relation": asked}
    return scene, slots, answers


def _ask_neighbour(rng: Random) -> Asked:
    scene = scene_sampler.pair(rng)
    first, second = rng.sample(scene.objects, 2)
    slots = {"second": second.name, "relation": relation_of(first, second)}
    return scene, slots, (f"The {first.name}.", sentence(with_article(first.name)))


def _ask_bigger(rng: Random) -> Asked:
    scene = scene_sampler.sized_pair(rng)
    big, small = scene.objects
    bigger = rng.choice(("bigger", "smaller"))
    thing = big if bigger == "bigger" else small
    first, second = rng.sample((big.name, small.name), 2)
    slots = {"bigger": bigger, "first": first, "second": second}
    return scene, slots, (f"The {thing.name}.", f"The {thing.name} is {bigger}.")


def _ask_describe(rng: Random) -> Asked:
    kind = rng.choices(("single", "pair", "alike", "cups", "empty"), (45, 25, 20, 3, 7))[0]
    if kind == "single":
        scene = scene_sampler.single(rng)
    elif kind == "pair":
        scene = scene_sampler.pair(rng)
    elif kind == "alike":
        scene = scene_sampler.alike(rng, rng.randint(2, 5))
    else:
        scene = scene_sampler.cup_game(rng, 1).scenes[-1] if kind == "cups" else EMPTY
    return scene, {}, descriptions(scene)


PICTURE = (
    _thing_or_not("see_colour", "colours", COLOUR, _ask_colour),
    _always("see_colour_of", "colours", COLOUR_OF, _ask_colour_of),
    _thing_or_not("see_shape", "shapes", SHAPE, _ask_shape),
    _thing_or_not("see_size", "sizes", SIZE, _ask_size),
    _thing_or_not("see_count", "numbers", COUNT, _ask_count),
    _always("see_count_of", "numbers", COUNT_OF, _ask_count_of),
    _thing_or_not("see_place", "places", PLACE, _ask_place),
    _always("see_there", "the picture", THERE, _ask_there),
    _always("see_relation", "places", RELATION, _ask_relation),
    _always("see_is_related", "places", IS_RELATED, _ask_is_related),
    _always("see_neighbour", "places", NEIGHBOUR, _ask_neighbour),
    _always("see_bigger", "sizes", BIGGER, _ask_bigger),
    _thing_or_not("see_all", "the picture", DESCRIBE, _ask_describe),
)
