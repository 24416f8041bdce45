"""Questions outside the domain, and how pocket says that it does not know."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

from model.training.domain.exchange import Exchange, History, Split, answered, split_of
from model.training.domain.intent import Intent
from model.training.domain.more_outside import more_outside
from model.training.domain.numbers import word_of
from model.training.domain.phrasings import Phrasings

NOT_KNOWN = "I do not know that."
PERSONAL = "Sorry, I do not know."
TOO_HARD = "That is too hard for me."
NO_HELP = "I can not help with that."
DO_NOT_KNOW = (NOT_KNOWN, PERSONAL, TOO_HARD, NO_HELP)
"""The right answers to anything outside the domain."""
MORE_SHARE = 0.6
"""How many of training's questions are among the many that the evaluation has no like of."""

# fmt: off
_HARD = frozenset({
    "root", "times", "divided", "plus", "minus", "explain", "why", "work", "spell", "percent",
    "prime", "convert", "solve", "difference",
})
_OF_SOMEONE = frozenset({"i", "my", "your"})
_REQUESTS = frozenset({
    "play", "sing", "tell", "wake", "set", "call", "phone", "write", "send", "order", "buy", "turn",
    "open", "translate", "say", "book", "find", "help", "show", "draw", "recommend", "suggest",
    "can", "could", "remind", "add", "read", "delete", "give", "let", "start", "pause", "lock",
    "clean", "sell", "wash", "make", "take", "scan", "print", "copy", "upload", "increase", "lower",
    "check", "reserve", "cancel", "pay",
})
# fmt: on

OUTSIDE = Phrasings(
    "what is the weather (like|going to be) [today|tomorrow|in {city}]",
    "will it (rain|snow) [today|tomorrow|this week] [in {city}]",
    "(what is|tell me) the capital of {country}",
    "who is the (president|king|queen) of {country}",
    "how many people live in {place}",
    "where is {place} on the map",
    "how far is it from {city} to {city2}",
    "(what|which) language do they speak in {country}",
    "(play|sing) [me] (a song|some music) [by {artist}]",
    "(tell me|do you know) a (joke|story|poem) [about {noun}]",
    "who (wrote|painted|invented) {work}",
    "when was {person} born",
    "who was {person}",
    "how tall is {person}",
    "how old is {person}",
    "(what time is it|what is the time) [now|in {city}]",
    "what is the date today",
    "wake me up at {number} [tomorrow]",
    "set (a timer|an alarm) for {number} minutes",
    "(call|phone|write to) my {family} [please]",
    "send (a message|an email) to my {family}",
    "how do i (cook|make|bake) {food}",
    "what is in {food}",
    "is {food} healthy",
    "do you like {food}",
    "(order|buy) me {food}",
    "where can i (buy|find|get) {food}",
    "how much does {product} cost",
    "(which|what) {product_kind} should i buy",
    "how does {product} work",
    "can you (fix|repair|clean) {product}",
    "turn (on|off) the (light|radio|television|heating)",
    "open the (door|window|garage)",
    "(who won|what was the score of) the (football|tennis|baseball) (game|match) [yesterday]",
    "who is the best (player|singer|actor) in the world",
    "what is the (news|latest news) from {place}",
    "(translate|say) {noun} in (french|german|spanish|chinese)",
    "how do you spell {noun}",
    "what does the word {noun} mean",
    "(what is|explain) {science} [to me]",
    "why is {science} important",
    "why (do|does) {why}",
    "what should i (wear|do|eat|read) (today|tonight|this weekend)",
    "do you (love|hate) {noun}",
    "are you (married|hungry|tired|angry)",
    "do you have (children|a dog|a brother|a family|money)",
    "what is your (favourite|preferred) (book|film|song|food)",
    "what is the square root of {number}",
    "what is {big} (times|divided by) {big2}",
    "how much is {big} (times|divided by) {big2}",
    "what is {big} (plus|minus) {big2}",
    "how many legs does {animal} have",
    "what sound does {animal} make",
    "what does {animal} (eat|drink)",
    "where does {animal} live",
    "how fast can {animal} run",
    "what is the opposite of {noun}",
    "what colour is {thing}",
    "(how big|how heavy|how deep) is {thing}",
    "how long does it take to (get to|drive to|fly to) {place}",
    "(book|find) me a (flight|train|hotel) (to|in) {city}",
    "is there (life on mars|a god|a doctor nearby|gold in {place})",
    "how do i get to the (station|airport|hospital|library)",
    "(when|what time) does the (train|bus|shop|museum) (leave|open|close)",
    "what did {person} (do|say|discover)",
    "who are my {family}",
    "where (did i put|are) my (keys|glasses|shoes|books)",
    "what did i (eat|do|dream) (yesterday|last night)",
    "what is (my name|my address|my password)",
    "(can|could) you (drive a car|swim|dance|cook|paint)",
    "help me with my (homework|taxes|garden|essay)",
    "write (a letter|an essay|a program) about {noun}",
    "what will happen (tomorrow|next year|in the future)",
    "(should i|shall i) (marry|leave|call) {person}",
    "i feel (sick|lonely|sad) what should i do",
    "my (head|stomach|tooth) hurts what can i take",
    "(show me|draw) a picture of {noun}",
    "(recommend|suggest) a (good) (restaurant|film|book|game)",
)

_SLOTS: Mapping[str, tuple[str, ...]] = {
    "city": ("london", "paris", "tokyo", "new york", "berlin", "rome", "moscow", "boston"),
    "country": ("france", "china", "japan", "germany", "spain", "italy", "brazil", "canada"),
    "place": ("france", "london", "africa", "texas", "china", "the north pole", "india"),
    "artist": ("mozart", "elvis", "the beatles", "madonna"),
    "noun": ("love", "water", "music", "freedom", "a house", "a tree", "winter sports", "horses"),
    "work": ("hamlet", "the telephone", "the mona lisa", "the bible", "the light bulb"),
    "person": ("napoleon", "einstein", "shakespeare", "columbus", "my boss", "the pope"),
    "family": ("mother", "father", "sister", "brother", "wife", "husband", "neighbours"),
    "food": ("pizza", "soup", "a cake", "bread", "rice", "chicken", "a sandwich", "pasta"),
    "product": ("a phone", "this computer", "a car", "the radio", "a bicycle", "a camera"),
    "product_kind": ("phone", "computer", "car", "bicycle", "camera"),
    "science": ("gravity", "electricity", "evolution", "democracy", "the economy", "chemistry"),
    "why": ("birds sing", "people sleep", "the moon shine", "leaves fall", "it rain"),
    "animal": ("a zebra", "a dolphin", "a crocodile", "a kangaroo", "an elephant", "a butterfly"),
    "thing": ("the moon", "my car", "the ocean", "your house", "my hair", "the mountain"),
}


def _slots(rng: Random) -> dict[str, str]:
    drawn = {name: rng.choice(words) for name, words in _SLOTS.items()}
    drawn["city2"] = rng.choice([city for city in _SLOTS["city"] if city != drawn["city"]])
    drawn["number"] = word_of(rng.randint(5, 60))
    drawn["big"], drawn["big2"] = (word_of(rng.randint(21, 400)) for _ in range(2))
    return drawn


def fitting_answer(question: str) -> str:
    """The one of ``DO_NOT_KNOW`` that suits a question best: of a request, of something hard, of
    the caller or of pocket itself, of the world."""
    words = question.split()
    if words[0] in _REQUESTS:
        return NO_HELP
    if not _HARD.isdisjoint(words):
        return TOO_HARD
    if words[0] in ("are", "do") or not _OF_SOMEONE.isdisjoint(words):
        return PERSONAL
    return NOT_KNOWN


def _outside(rng: Random, history: History) -> Exchange:
    index = rng.randrange(len(OUTSIDE.patterns))
    sentence, slots = rng.choice(OUTSIDE.by_pattern[index]), _slots(rng)
    question = sentence.format_map(slots)
    if split_of(OUTSIDE.patterns[index]) is Split.TRAIN:
        # Drawn apart: what the evaluation asks does not depend on what training asks.
        aside = Random(f"{question} {slots}")
        question = more_outside(aside) if aside.random() < MORE_SHARE else question
    return answered(
        rng,
        question,
        (fitting_answer(question), *DO_NOT_KNOW),
        intent="outside",
        topic="other things",
        # A whole pattern is on one side: what the evaluation asks was not asked in other words.
        split_key=OUTSIDE.patterns[index],
    )


LIMITS = (Intent("outside", "limits", OUTSIDE, _outside),)
