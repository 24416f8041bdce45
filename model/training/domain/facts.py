"""Everyday facts: days, months, opposites, animals' sounds, how many, which colour."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random

from model.training.domain.exchange import Exchange, History, answered
from model.training.domain.intent import Intent
from model.training.domain.phrasings import Phrasings

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
SEASONS = ("spring", "summer", "autumn", "winter")
OPPOSITES = (
    ("hot", "cold"),
    ("big", "small"),
    ("fast", "slow"),
    ("happy", "sad"),
    ("old", "young"),
    ("long", "short"),
    ("open", "closed"),
    ("day", "night"),
    ("left", "right"),
    ("up", "down"),
    ("black", "white"),
    ("good", "bad"),
    ("rich", "poor"),
    ("full", "empty"),
    ("wet", "dry"),
    ("hard", "soft"),
    ("first", "last"),
    ("light", "dark"),
    ("early", "late"),
    ("yes", "no"),
)
ANIMAL_SOUNDS = {
    "cow": "moo",
    "dog": "woof",
    "cat": "meow",
    "sheep": "baa",
    "duck": "quack",
    "bee": "buzz",
    "snake": "hiss",
    "pig": "oink",
    "owl": "hoot",
    "lion": "roar",
}
COUNTS = {
    "days are in a week": "seven",
    "months are in a year": "twelve",
    "hours are in a day": "twenty four",
    "minutes are in an hour": "sixty",
    "seconds are in a minute": "sixty",
    "seasons are in a year": "four",
    "legs does a dog have": "four",
    "legs does a cat have": "four",
    "legs does a bird have": "two",
    "legs does a spider have": "eight",
    "legs does a bee have": "six",
    "fingers are on a hand": "five",
    "eyes does a person have": "two",
    "sides does a triangle have": "three",
    "sides does a square have": "four",
    "wheels does a car have": "four",
}
THING_COLOURS = {
    "the sky": "blue",
    "grass": "green",
    "snow": "white",
    "the sun": "yellow",
    "a banana": "yellow",
    "a tomato": "red",
    "blood": "red",
    "coal": "black",
    "milk": "white",
    "a carrot": "orange",
    "a pig": "pink",
    "a leaf": "green",
}

Fact = tuple[Mapping[str, str], Sequence[str]]
"""Slots of the question, and every right answer."""


def _plain(word: str) -> str:
    return f"{word[0].upper()}{word[1:]}."


def _ring(names: Sequence[str], step: int, relation: str) -> list[Fact]:
    return [
        ({"x": name.lower()}, (f"{other}.", f"{other} comes {relation} {name}."))
        for index, name in enumerate(names)
        for other in (names[(index + step) % len(names)],)
    ]


def _opposites() -> list[Fact]:
    both_ways = [*OPPOSITES, *((second, first) for first, second in OPPOSITES)]
    return [
        ({"x": word}, (_plain(other), f"The opposite of {word} is {other}."))
        for word, other in both_ways
    ]


def _article(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def _sounds() -> list[Fact]:
    return [
        ({"x": _article(animal)}, (_plain(sound), f"{_plain(_article(animal))[:-1]} says {sound}."))
        for animal, sound in ANIMAL_SOUNDS.items()
    ]


def _animals() -> list[Fact]:
    return [
        ({"x": sound}, (_plain(_article(animal)), f"{_plain(_article(animal))[:-1]} says {sound}."))
        for animal, sound in ANIMAL_SOUNDS.items()
    ]


def _counts() -> list[Fact]:
    return [
        ({"x": thing}, (_plain(number), f"The answer is {number}."))
        for thing, number in COUNTS.items()
    ]


def _colours() -> list[Fact]:
    return [
        ({"x": thing}, (_plain(colour), f"{_plain(thing)[:-1]} is {colour}."))
        for thing, colour in THING_COLOURS.items()
    ]


def _seasons() -> list[Fact]:
    following = zip(SEASONS, (*SEASONS[1:], SEASONS[0]), strict=True)
    return [
        ({"x": name}, (_plain(other), f"{_plain(other)[:-1]} comes after {name}."))
        for name, other in following
    ]


def _from_table(name: str, topic: str, facts: Sequence[Fact], phrasings: Phrasings) -> Intent:
    def attempt(rng: Random, history: History) -> Exchange:
        slots, answers = rng.choice(facts)
        return answered(rng, phrasings.draw(rng, slots), answers, intent=name, topic=topic)

    return Intent(name, "fact", phrasings, attempt)


def _following(kind: str) -> Phrasings:
    return Phrasings(
        f"[please|now] [can you|could you] tell me (which|what) {kind} comes after {{x}}",
        f"(which|what) {kind} (comes|is) [right|next] after {{x}} [please]",
        "what comes [right|next] after {x} [please]",
        f"what is the [next] {kind} after {{x}}",
        f"after {{x}} (comes|is) (which|what) {kind}",
        f"(which|what) {kind} follows {{x}}",
        f"do you know (which|what) {kind} comes after {{x}}",
        "name the one after {x}",
    )


def _leading(kind: str) -> Phrasings:
    return Phrasings(
        f"[please|now] [can you|could you] tell me (which|what) {kind} comes before {{x}}",
        f"(which|what) {kind} (comes|is) [right] before {{x}} [please]",
        "what comes [right] before {x} [please]",
        f"what is the {kind} before {{x}}",
        f"before {{x}} (comes|is) (which|what) {kind}",
        f"do you know (which|what) {kind} comes before {{x}}",
        "name the one before {x}",
    )


_KNOW = "[please|now|can you|could you] tell me"
_DO_YOU_KNOW = "do you know"

OPPOSITE_PHRASINGS = Phrasings(
    "(what is|what's|name|tell me|say) the opposite of {x} [please]",
    f"({_KNOW}|{_DO_YOU_KNOW}) (the opposite of|what the opposite of) {{x}} [is]",
    "{x} is the opposite of what",
    "the opposite of {x} is [what]",
    "what is not {x} but the opposite",
    "(which|what) word is the opposite of {x}",
    "if it is not {x} what is it",
)
SOUND_PHRASINGS = Phrasings(
    "(what|which) sound does {x} make [please]",
    "what does {x} say [please]",
    f"({_KNOW}|{_DO_YOU_KNOW}) (what|which) sound {{x}} makes",
    f"({_KNOW}|{_DO_YOU_KNOW}) what {{x}} says",
    "how does {x} (sound|talk|speak)",
    "(make|say) the sound of {x} [please]",
    "what is the sound of {x}",
)
ANIMAL_PHRASINGS = Phrasings(
    "(what|which) animal (says|makes) {x} [please]",
    "who says {x} [please]",
    f"({_KNOW}|{_DO_YOU_KNOW}) (what|which) animal (says|makes) {{x}}",
    f"({_KNOW}|{_DO_YOU_KNOW}) who says {{x}}",
    "{x} is the sound of (what|which) animal",
    "(what|which) animal goes {x}",
    "i hear {x} (what|which) animal is (it|that)",
)
COUNT_PHRASINGS = Phrasings(
    "[please|now|pocket|and|so|okay|well] how many {x} [please]",
    f"{_KNOW} how many {{x}} [please]",
    f"{_DO_YOU_KNOW} how many {{x}}",
    "(and|so|well|okay) do you know how many {x} [please]",
    "i want to know how many {x}",
    "i would like to know how many {x}",
)
COLOUR_PHRASINGS = Phrasings(
    "[and|so|now|okay|well] (what|which) colour is {x} [please]",
    "(what is|what's|name|tell me|say) the colour of {x} [please]",
    "(what|which) colour does {x} have",
    f"({_KNOW}|{_DO_YOU_KNOW}) (what|which) colour {{x}} (is|has)",
    "{x} has (what|which) colour",
    "how is {x} coloured",
)

BUILDERS: Mapping[str, tuple[str, Callable[[], list[Fact]], Phrasings]] = {
    "day_after": ("days", lambda: _ring(DAYS, 1, "after"), _following("day")),
    "day_before": ("days", lambda: _ring(DAYS, -1, "before"), _leading("day")),
    "month_after": ("months", lambda: _ring(MONTHS, 1, "after"), _following("month")),
    "month_before": ("months", lambda: _ring(MONTHS, -1, "before"), _leading("month")),
    "season_after": ("seasons", _seasons, _following("season")),
    "opposite": ("opposites", _opposites, OPPOSITE_PHRASINGS),
    "animal_sound": ("animals", _sounds, SOUND_PHRASINGS),
    "animal_of_sound": ("animals", _animals, ANIMAL_PHRASINGS),
    "how_many_fact": ("numbers", _counts, COUNT_PHRASINGS),
    "colour_fact": ("colours", _colours, COLOUR_PHRASINGS),
}
"""Per intent: topic, table of facts, ways to ask."""

FACTS = tuple(
    _from_table(name, topic, build(), phrasings)
    for name, (topic, build, phrasings) in BUILDERS.items()
)
N_FACTS = sum(len(build()) for _, build, _ in BUILDERS.values())
"""How many facts there are."""
