"""Questions about what was shown, asked and said before."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Literal

from model.training.domain.exchange import Exchange, History, SceneNeed, answered, normal
from model.training.domain.intent import Intent
from model.training.domain.numbers import word_of
from model.training.domain.phrasings import Phrasings
from model.training.domain.wording import place_phrase, sentence, with_article
from model.training.scenes import scene_sampler
from model.training.scenes.scene import CUPS, EMPTY, Scene
from model.training.scenes.scene_sampler import Change

MAX_SHOWN = 5
MAX_SWAPS = 4
SLOW_RATE = 0.7
"""How fast an answer is said when a slower one was asked for."""

_ASK = "[please|now|can you|could you] tell me"
_ORDERS = ("first", "second", "last")

SHOWN = Phrasings(
    "[and|so|now|okay|pocket] (which|what) {kind} did i show [you] {order} [please]",
    "(which|what) {kind} was {order} [please]",
    "(what was|what is|name) the {order} {kind} [please]",
    "(which|what) {kind} did you see {order} [please]",
    f"{_ASK} the {{order}} {{kind}} [please]",
    f"{_ASK} (which|what) {{kind}} (i showed you|you saw|was) {{order}}",
    "do you (remember|know) the {order} {kind}",
    "(which|what) {kind} came {order}",
)
CHANGED = Phrasings(
    "[and|so|now|okay|pocket] what (changed|has changed|is different) [now|please]",
    "what did i change [now|please]",
    "what is (new|not the same) [now|please]",
    f"{_ASK} what (changed|is different|has changed) [please]",
    "do you (see|know) what (changed|is different) [now]",
    "(what is|what's|name) the (change|difference) [please]",
    "did (something|anything) change [now]",
    "what happened [now|please]",
)
HOW_MANY_SHOWN = Phrasings(
    "[and|so|now|okay|pocket] how many (things|objects|shapes) did i show [you] [please]",
    "how many (things|objects|shapes) (did you see|have you seen) [so far|please]",
    "how many (things|objects|shapes) have i shown [you] [so far]",
    f"{_ASK} how many (things|objects|shapes) i (showed|have shown) you",
    "how many did i show you [in all|please]",
    "how many (things|objects|shapes) were there [in all]",
)
BALL = Phrasings(
    "[and|so|now|okay|pocket] under (which|what) cup is the ball [now|please]",
    "[and|so|now|okay] where is the ball [now|please]",
    "(which|what) cup (has|hides) the ball [now|please]",
    "(which|what) cup is the ball under [now|please]",
    f"{_ASK} where the ball is [now|please]",
    f"{_ASK} (which|what) cup the ball is under",
    "do you (know|see) where the ball is [now]",
    "can you find the ball [now|for me]",
)
SAY_AGAIN = Phrasings(
    "[please|now|pocket] say (it|that) again [please]",
    "[please|now] repeat (it|that|your answer) [please]",
    "[please] (once more|one more time|again) [please]",
    "(what did you say|what was that answer) [please]",
    "(can|could) you (say|repeat) (it|that) [again] [please]",
    "i did not (hear|understand) (you|that|it) [please]",
    "(sorry|pardon) [what did you say|say it again]",
    "tell me [that] again [please]",
)
SLOWER = Phrasings(
    "[please|now|pocket] [speak|talk] slower [please]",
    "[please|now] say (it|that) [again] (slower|slowly|more slowly) [please]",
    "[please|now] (speak|talk) (slowly|more slowly) [please]",
    "(can|could) you (speak|talk|say it) (slower|slowly|more slowly) [please]",
    "(that is|that was|you are) too fast [for me|please]",
    "not so fast [please]",
)
WHAT_DID_I_SAY = Phrasings(
    "[and|so|now|okay|pocket] what did i [just] say [please]",
    "what (were|are) my [last] words",
    "what did i [just] (ask|tell) you [please]",
    "(repeat|say) what i said [please]",
    f"{_ASK} what i [just] said [please]",
    "do you (remember|know) what i [just] said",
    "what was my last question [please]",
    "what have i [just] said",
)
FIRST_QUESTION = Phrasings(
    "[and|so|now|okay|pocket] what was my first question about [please]",
    "what did i ask [you] (about first|first about) [please]",
    "what was the first question about [please]",
    f"{_ASK} what my first question was about",
    "do you (remember|know) what my first question was about",
    "what did we (talk|speak) about first [please]",
    "(what is|what was) the topic of my first question [please]",
    "my first question was about what",
)


def _one_after_another(rng: Random, count: int) -> tuple[list[Scene], tuple[Scene, ...]]:
    """A parade, and the seconds it takes: some things stay for two, some leave a gap."""
    shown = scene_sampler.parade(rng, count)
    seconds: list[Scene] = []
    for scene in shown:
        seconds += [scene] * rng.choice((1, 1, 2))
        if rng.random() < 0.15:
            seconds.append(EMPTY)
    return shown, tuple(seconds)


def shown_exchange(
    rng: Random, kind: Literal["colour", "shape"], shown: Sequence[Scene], need: SceneNeed
) -> Exchange:
    """Which colour or shape was first, second or last, of single things shown one by one.

    Args:
        rng: Draws order and words.
        kind: What is asked for.
        shown: The things, in order; at least two.
        need: What is in view now, and what still has to be shown before.
    """
    order = rng.choice(_ORDERS)
    if order == "last" and need.scene.is_empty:
        order = "first"
    thing = shown[-1 if order == "last" else _ORDERS.index(order)].objects[0]
    word = thing.colour if kind == "colour" else with_article(thing.shape)
    return answered(
        rng,
        SHOWN.draw(rng, {"kind": kind, "order": order}),
        (sentence(word), f"The {order} {kind} was {word}.", f"It was {word}."),
        intent=f"shown_{kind}",
        topic=f"{kind}s",
        needs=need,
    )


def _shown(kind: Literal["colour", "shape"]) -> Intent:
    def attempt(rng: Random, history: History) -> Exchange:
        shown, seconds = _one_after_another(rng, rng.randint(2, MAX_SHOWN))
        now = EMPTY if rng.random() < 0.4 else seconds[-1]
        return shown_exchange(rng, kind, shown, SceneNeed(now, seconds))

    return Intent(f"shown_{kind}", "memory", SHOWN, attempt)


def change_answers(change: Change) -> tuple[str, ...]:
    """Every right way to say what changed."""
    before, after = change.before.objects[0], change.after.objects[0]
    if change.kind == "none":
        return "Nothing changed.", "Nothing.", "It is the same."
    if change.kind == "added":
        name = with_article(change.after.objects[1].name)
        return f"There is {name} now.", f"Now there is {name}."
    if change.kind == "removed":
        name = change.before.objects[1].name
        return f"The {name} is gone.", f"Now the {name} is gone."
    if change.kind == "colour":
        return _now_and_then(before.colour, after.colour)
    if change.kind == "shape":
        return _now_and_then(with_article(before.shape), with_article(after.shape))
    if change.kind == "size":
        size = "bigger" if after.extent > before.extent else "smaller"
        return f"It is {size} now.", f"Now it is {size}."
    where = place_phrase(after.place or "middle")
    return f"It is {where} now.", f"Now it is {where}.", f"It moved, it is {where} now."


def _now_and_then(before: str, after: str) -> tuple[str, ...]:
    return f"It is {after} now.", f"It was {before}, now it is {after}."


def changed_exchange(rng: Random, change: Change, need: SceneNeed) -> Exchange:
    """What is different between the last two pictures that were not the same."""
    return answered(
        rng,
        CHANGED.draw(rng),
        change_answers(change),
        intent="what_changed",
        topic="the picture",
        needs=need,
    )


def _changed(rng: Random, history: History) -> Exchange:
    change = scene_sampler.change(rng)
    gap = (EMPTY,) if rng.random() < 0.2 else ()
    before = (change.before,) * rng.choice((1, 2)) + gap
    return changed_exchange(rng, change, SceneNeed(change.after, before))


def how_many_exchange(rng: Random, count: int, need: SceneNeed) -> Exchange:
    """How many things were shown, one by one, up to now."""
    word = word_of(count)
    noun = "thing" if count == 1 else "things"
    return answered(
        rng,
        HOW_MANY_SHOWN.draw(rng),
        (sentence(word), f"You showed me {word}.", f"I saw {word} {noun}."),
        intent="how_many_shown",
        topic="numbers",
        needs=need,
    )


def recall_exchange(rng: Random, shown: Sequence[Scene], need: SceneNeed) -> Exchange:
    """A question about all the single things shown one by one, at least two of them.

    Args:
        rng: Draws what is asked, and the words.
        shown: The things, in order.
        need: What is in view now, and what still has to be shown before.
    """
    kind = rng.choice(("colour", "shape", "number"))
    if kind == "number":
        return how_many_exchange(rng, len(shown), need)
    return shown_exchange(rng, "colour" if kind == "colour" else "shape", shown, need)


def _how_many_shown(rng: Random, history: History) -> Exchange:
    count = rng.randint(1, MAX_SHOWN)
    _, seconds = _one_after_another(rng, count)
    now = EMPTY if rng.random() < 0.3 else seconds[-1]
    return how_many_exchange(rng, count, SceneNeed(now, seconds))


def ball_exchange(rng: Random, place: int, need: SceneNeed) -> Exchange:
    """Under which cup the ball is: the one at a place, 0 left, 1 middle, 2 right."""
    cup = f"the {CUPS[place]} cup"
    return answered(
        rng,
        BALL.draw(rng),
        (f"Under {cup}.", f"It is under {cup}.", f"The ball is under {cup}."),
        intent="ball_under_cup",
        topic="the ball",
        needs=need,
    )


def _ball(rng: Random, history: History) -> Exchange:
    game = scene_sampler.cup_game(rng, rng.randint(0, MAX_SWAPS))
    return ball_exchange(rng, game.end, SceneNeed(game.scenes[-1], game.scenes[:-1]))


def _again(name: str, phrasings: Phrasings, rate: float) -> Intent:
    def attempt(rng: Random, history: History) -> Exchange:
        said = history[-1] if history else None
        answers = said.answers if said else ("I did not say anything.", "I said nothing.")
        return Exchange(
            question=normal(phrasings.draw(rng)),
            answers=answers,
            # What was said and no other right answer to that question.
            answer=said.answer if said else rng.choice(answers),
            intent=name,
            topic="my answer",
            speech_rate=rate if said else 1.0,
            is_question=False,
        )

    return Intent(name, "memory", phrasings, attempt)


def _what_did_i_say(rng: Random, history: History) -> Exchange:
    said = history[-1].question if history else ""
    answers = (f"You said, {said}.", sentence(said)) if said else ("You said nothing.", "Nothing.")
    return answered(
        rng, WHAT_DID_I_SAY.draw(rng), answers, intent="what_did_i_say", topic="your words"
    )


def _first_question(rng: Random, history: History) -> Exchange:
    topic = next((past.topic for past in history if past.is_question and past.question), None)
    answers = (
        (f"It was about {topic}.", f"Your first question was about {topic}.", f"About {topic}.")
        if topic
        else ("You did not ask a question.", "There was no question.")
    )
    return answered(
        rng, FIRST_QUESTION.draw(rng), answers, intent="first_question", topic="your questions"
    )


SHOWN_MEMORY = (
    _shown("colour"),
    _shown("shape"),
    Intent("what_changed", "memory", CHANGED, _changed),
    Intent("how_many_shown", "memory", HOW_MANY_SHOWN, _how_many_shown),
    Intent("ball_under_cup", "memory", BALL, _ball),
)
"""About pictures of the same turn."""

TALK_MEMORY = (
    _again("say_again", SAY_AGAIN, 1.0),
    _again("slower", SLOWER, SLOW_RATE),
    Intent("what_did_i_say", "memory", WHAT_DID_I_SAY, _what_did_i_say),
    Intent("first_question", "memory", FIRST_QUESTION, _first_question),
)
"""About the call so far."""
