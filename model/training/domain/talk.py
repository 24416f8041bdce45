"""Small talk: greetings, who are you, thanks, goodbye, stop, repeat after me."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from model.training.domain.exchange import Exchange, History, answered
from model.training.domain.intent import Intent
from model.training.domain.numbers import word_of
from model.training.domain.phrasings import Phrasings
from model.training.scenes.scene import COLOURS, SHAPES


def _fixed(
    name: str, topic: str, phrasings: Phrasings, answers: Sequence[str], is_question: bool
) -> Intent:
    def attempt(rng: Random, history: History) -> Exchange:
        return answered(
            rng, phrasings.draw(rng), answers, intent=name, topic=topic, is_question=is_question
        )

    return Intent(name, "talk", phrasings, attempt)


GREETING = _fixed(
    "greeting",
    "hello",
    Phrasings(
        "(hello|hi|hey) [there|again|pocket|my friend]",
        "(hello|hi|hey) there (pocket|my friend)",
        "good (morning|evening|afternoon|day) [to you|pocket|my friend]",
        "(hello|hi|hey) good (morning|evening|afternoon)",
        "(hello|hi|hey) (nice|good) to (see|meet|hear) you",
        "(nice|good) to (see|meet|hear) you [again|pocket]",
        "(hello|hi) can you hear me",
    ),
    ("Hello.", "Hello, nice to meet you.", "Hi, how can I help you?"),
    False,
)
HOW_ARE_YOU = _fixed(
    "how_are_you",
    "me",
    Phrasings(
        "[hello|hi|hey] how are you [today|now|doing]",
        "[hello|hi|hey] how do you feel [today|now]",
        "are you (fine|well|okay|happy) [today|now]",
        "how is your day [today]",
        "do you feel (fine|well|good|happy) [today|now]",
    ),
    ("I am fine, thank you.", "I am well, thank you.", "Fine, thank you."),
    True,
)
WHO_ARE_YOU = _fixed(
    "who_are_you",
    "me",
    Phrasings(
        "who are you [really|please]",
        "(what is|what's|tell me|say) your name [please]",
        "what are you [called|really]",
        "(what|how) (can|should) i call you",
        "who am i (talking|speaking) (to|with) [now|please]",
        "(please|can you|could you) tell me (who you are|your name|what you are)",
        "[so|and|hello] do you have a name [please|now]",
        "(hello|hi|hey) who are you",
        "are you a (person|computer|man|woman)",
    ),
    ("I am Pocket.", "My name is Pocket.", "I am Pocket, a small computer model."),
    True,
)
WHAT_CAN_YOU_DO = _fixed(
    "what_can_you_do",
    "me",
    Phrasings(
        "what can you do [for me] [today|please]",
        "what (do|can) you know [about]",
        "what can i (ask|say|show) [to] you [about] [please]",
        "(please|can you|could you) tell me what you can do",
        "how can you help [me] [today]",
        "can you help me [please|today]",
        "what are you (good at|able to do)",
        "(tell|show) me what you (can|are able to) do [please]",
    ),
    (
        "I can see colours and shapes, do small sums, and talk a little.",
        "I hear, I see colours and shapes, and I know small sums.",
        "Show me a shape, or ask me about days, animals and numbers.",
    ),
    True,
)
THANKS = _fixed(
    "thanks",
    "thanks",
    Phrasings(
        "(thank you|thanks) [very much|so much|a lot|pocket|my friend]",
        "(thank you|thanks) for (your help|that|the answer|helping me|telling me)",
        "(okay|great|good|fine|well) (thank you|thanks) [very much|a lot]",
        "that (was|is) (great|good|very good|right|nice) [thank you|thanks|pocket]",
        "(very good|great|nice|well done) [pocket]",
    ),
    ("You are welcome.", "My pleasure.", "I am happy to help."),
    False,
)
GOODBYE = _fixed(
    "goodbye",
    "goodbye",
    Phrasings(
        "(goodbye|bye|bye bye) [pocket|my friend|for now|for today]",
        "(okay|well|thanks) (goodbye|bye|bye bye) [pocket|my friend]",
        "see you [later|soon|tomorrow|again] [pocket]",
        "good night [pocket|my friend]",
        "(i have|i need) to go [now] [goodbye|bye]",
        "that (is|was) all [for (now|today)] [goodbye|bye]",
        "until (tomorrow|later|next time)",
        "have a (good|nice) (day|evening|time)",
    ),
    ("Goodbye.", "Goodbye, see you soon.", "Bye, have a nice day."),
    False,
)
STOP = _fixed(
    "stop",
    "stopping",
    Phrasings(
        "[please|okay|pocket] stop [now|please|it|that|talking|speaking]",
        "stop (talking|speaking|that|it) (now|please)",
        "(be|please be|be very) quiet [now|please]",
        "(do not|don't) (talk|speak|say) [any more] [now|please]",
        "no more (talking|words) [now|please]",
        "(that is|that's) enough [now|please|thank you|pocket]",
        "(wait|hold on) [please|now]",
        "(can|could) you (stop|be quiet) [now|please]",
    ),
    ("Okay.", "Okay, I will stop.", "I am quiet now."),
    False,
)

_REPEAT = Phrasings(
    "[please|now|pocket|and|okay] (repeat|say) after me {phrase}",
    "[please|now|can you|could you] repeat [this|these words|the words] {phrase}",
    "[please|now] say [these words|this] after me {phrase}",
    "[i want you to|i would like you to] (repeat|say) the words {phrase}",
    "(can|could) you (say|repeat) after me {phrase}",
)
_NOUNS = [
    "house",
    "door",
    "table",
    "chair",
    "book",
    "school",
    "street",
    "garden",
    "tree",
    "flower",
    "river",
    "mountain",
    "sea",
    "boat",
    "train",
    "bread",
    "water",
    "apple",
    "cake",
    "egg",
    "rice",
    "friend",
    "mother",
    "father",
    "brother",
    "sister",
    "child",
    "teacher",
    "doctor",
    "horse",
    "fish",
    "mouse",
    "bear",
    "shoe",
    "hat",
    "coat",
    "box",
    "bag",
    "key",
    "lamp",
    "clock",
    "window",
    "bed",
    "room",
    "song",
    "game",
    "picture",
]
_QUALITIES = [
    "big",
    "small",
    "old",
    "new",
    "good",
    "nice",
    "warm",
    "cold",
    "clean",
    "green",
    "blue",
    "round",
    "heavy",
    "strong",
    "sweet",
]

_PHRASES = Phrasings(
    "the {shape} is {colour} [and {colour2}]",
    "(one|two|three|four|five) {colour} (birds|cats|dogs|cows|apples)",
    "(i|we|you) (like|see|have|want|hear) [the|a|my] [{colour}] (cat|dog|bird|cow|apple|ball|cup)",
    "the [{size}] (cat|dog|bird|cow|sheep|ball) is [very] (big|small|fast|slow|hot|cold|happy|old)",
    "{n1} {n2} [{n3}] [{n4}]",
    "{colour} {colour2} [and {colour3}]",
    "(today|tomorrow) is (monday|tuesday|wednesday|thursday|friday|saturday|sunday)",
    "(good morning|good night|hello|thank you) [my friend|everyone]",
    "(spring|summer|winter) is (hot|cold|long|short|nice)",
    "(the sun|the sky|snow|grass) is {colour}",
    "the (dog|cat|bird|ball) is (under|above|left of|right of) the (cup|square|circle|star)",
    "(january|may|june|july|august) comes (after|before) (march|april|december)",
    "(my|your|the) {noun} is [very|not] {quality}",
    "(i|we|you) (have|see|want|need|like) (a|the|my) [{quality}] {noun}",
    "the {noun} and the {noun2}",
    "{noun} {noun2} {noun3} [{noun4}]",
)


def _phrase(rng: Random) -> str:
    colours = rng.sample(COLOURS, 3)
    nouns = dict(zip(("noun", "noun2", "noun3", "noun4"), rng.sample(_NOUNS, 4), strict=True))
    numbers = {f"n{index}": word_of(rng.randint(0, 12)) for index in range(1, 5)}
    return _PHRASES.draw(
        rng,
        {
            "shape": rng.choice(SHAPES),
            "colour": colours[0],
            "colour2": colours[1],
            "colour3": colours[2],
            "size": rng.choice(("big", "small")),
            "quality": rng.choice(_QUALITIES),
            **numbers,
            **nouns,
        },
    )


def _repeat(rng: Random, history: History) -> Exchange:
    phrase = _phrase(rng)
    return answered(
        rng,
        _REPEAT.draw(rng, {"phrase": phrase}),
        (f"{phrase[0].upper()}{phrase[1:]}.",),
        intent="repeat_after_me",
        topic="repeating",
        # The phrase decides, so that what has to be said back was never said in training.
        split_key=phrase,
        is_question=False,
    )


REPEAT_AFTER_ME = Intent("repeat_after_me", "talk", _REPEAT, _repeat)

TALK = (
    GREETING,
    HOW_ARE_YOU,
    WHO_ARE_YOU,
    WHAT_CAN_YOU_DO,
    THANKS,
    GOODBYE,
    STOP,
    REPEAT_AFTER_ME,
)
