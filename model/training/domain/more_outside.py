"""More questions outside the domain, which training alone asks.

What is outside has no end, and some sixty patterns are learnt by heart: five of twenty questions of
other patterns were taken for questions of the domain. The evaluation keeps its own, in
``limits.py``; nothing here is about what those ask.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

from model.training.domain.numbers import word_of
from model.training.domain.phrasings import Phrasings

MORE_OUTSIDE = Phrasings(
    # of the world
    "who is {hero} [again|please]",
    "tell me (about|something about|more about) {topic} [please]",
    "what do you think about {topic}",
    "what do you know about {topic}",
    "how (hot|bright|wet|dark) is {spot} [today|at night]",
    "when did {event} (begin|end|happen)",
    "what year was {event}",
    "who (discovered|built|founded|directed|stole) {creation}",
    "how old is {creation}",
    "where (is|was) {hero} (from|buried|yesterday)",
    "what is the (population|history|currency|flag|size) of {town}",
    "how many (people|cars|hotels|bridges|schools) are there in {town}",
    "is {town} (near|far from|older than|bigger than) {town2}",
    "(what|which) (river|airport|museum|church) is in {town}",
    "who lives in {town} [now]",
    "are there (hotels|wolves|ghosts|sharks|volcanoes) in {town}",
    "is there (a bank|a beach|milk|wine) (nearby|at home|in {town})",
    "what happened to {hero}",
    "why was {hero} (famous|rich|angry|late)",
    "is {hero} (alive|dead|taller than you|a good singer)",
    "how many (books|children|films|brothers) does {hero} have",
    "what (car|phone|computer) does {hero} use",
    "what is the (best|cheapest|fastest|oldest|longest) {kind} [in the world|in {town}]",
    "which {kind} is (better|faster|cheaper|older)",
    "what is {topic} (made of|good for|about)",
    "where does {topic} come from",
    "what is (time|happiness|the meaning of life|infinity|a black hole)",
    "who will win the (election|race|lottery|final)",
    "who (is calling|is at the door|ate my lunch|is in charge here)",
    "what is on (television|the radio|the menu) [tonight]",
    "when is (the next bus|the full moon|the election|lunch|dinner|easter)",
    "how many (hours|minutes) until (midnight|lunch|the weekend|we arrive)",
    "how is the (traffic|market|coffee|economy) [today|in {town}]",
    "what are the (rules of {sport}|opening hours|side effects|lyrics)",
    "who plays {sport} (best|on television|for {town})",
    "what time does {sport} (start|finish)",
    "how long (do|should) i (boil|bake|fry|freeze) {dish}",
    "what goes with {dish}",
    "what does {dish} (taste|smell) like",
    "how was the (party|film|meeting|concert|exam)",
    "did you (see|watch|miss) the (film|race|concert) [yesterday]",
    "whose (car|coat|phone|idea) is (this|that)",
    # of the caller and of pocket
    "where (am i|do i live|do i work)",
    "how old (am i|are you|is my mother)",
    "what is my (age|birthday|job|phone number|bank balance)",
    "who is my (boss|dentist|best friend|cousin)",
    "where are (we|they|my parents|the others|the children)",
    "what am i (thinking|thinking of|feeling|going to say)",
    "(guess|do you know) my (age|weight|middle name)",
    "where (do you live|are you from|did you go to school)",
    "who (made|built|invented|pays|trained) you",
    "do you (sleep|dream|eat|drink|breathe|get tired|have friends|have feelings)",
    "are you (real|alive|clever|famous|rich|lonely|in love)",
    "do you (know|remember|like) {hero}",
    "do you speak (french|chinese|german|russian|arabic)",
    "do you believe in {topic}",
    "(which|what) (team|band|party|newspaper) do you (like|support|read)",
    "what are you (wearing|thinking about|doing tonight|afraid of)",
    "i (lost|broke|forgot|sold) my (wallet|passport|phone|glasses|bicycle)",
    "i am (bored|late|in trouble|looking for {tool}|afraid of {topic})",
    "i (want|need|would like) (a coffee|a taxi|a haircut|a new job|to learn {sport})",
    "my (computer|car|printer|washing machine) (does not work|is broken|makes a noise)",
    "do i need (a visa|a ticket|an umbrella|more time|a lawyer)",
    # requests
    "remind me to {act} [tonight|tomorrow|at {number}]",
    "add {dish} to (my|the) shopping list",
    "(read|delete) my (emails|messages|calendar)",
    "give me (some advice|a recipe|an example|some money|a hint)",
    "let us (play {sport}|go out|talk about {topic}|watch a film)",
    "(start|pause) the (washing machine|film|car|vacuum cleaner)",
    "(lock|clean|sell|wash) the (car|kitchen|house|windows)",
    "make me (some tea|a website|laugh|an offer)",
    "take (a photo|a note|me home|a break)",
    "(scan|print|copy|upload) this (document|letter|page|file)",
    "(increase|lower) the (volume|temperature|brightness)",
    "check (my account|the oil|the traffic|my spelling)",
    "tell me (a secret|a riddle|the truth|your plans|a number between {number} and {big})",
    "could i (borrow|have|use) your (phone|pen|car|umbrella)",
    "what should we (name|call) (the baby|the dog|our team|the company)",
    "how can i (lose weight|earn money|sleep better|get rich|find work)",
    "(reserve|cancel|pay for) (a table|my ticket|my room|the taxi)",
    # too hard
    "is it (safe|legal|dangerous|polite) to {act}",
    "how do i (fix|clean|charge|install|open) {tool}",
    "how do i (play|learn|watch|win at) {sport}",
    "explain how {tool} works [please]",
    "what is {number} percent of {big}",
    "convert {big} (miles|pounds|dollars|inches) to (kilometres|kilos|euros|metres)",
    "is {big} a prime number",
    "how many (miles|pounds|inches|cups of flour) are {big} grams",
    "solve (this riddle|the puzzle|my equation|the problem of {topic})",
    "what is the difference between {topic} and {topic2}",
    "how do you say {topic} in (french|german|spanish|chinese|latin)",
)

_SLOTS: Mapping[str, tuple[str, ...]] = {
    "hero": (
        "mozart", "cleopatra", "darwin", "picasso", "gandhi", "churchill", "my uncle", "the mayor",
        "your boss", "the queen", "batman", "john smith", "doctor jones", "your mother", "galileo",
        "the new teacher", "lincoln", "my landlord", "santa claus", "the pilot",
    ),
    "topic": (
        "politics", "dinosaurs", "the economy", "magic", "football", "yoga", "the ocean", "robots",
        "volcanoes", "your family", "marriage", "chess", "history", "vampires", "the stock market",
        "philosophy", "cotton", "plastic", "ancient rome", "jazz", "fashion", "coffee", "taxes",
        "the internet", "space travel", "ghosts", "gardening", "computers", "poetry", "silver",
    ),
    "event": (
        "the last war", "the revolution", "the earthquake", "the moon landing", "the big fire",
        "the olympic games", "the ice age", "my wedding", "the renaissance", "the conference",
    ),
    "creation": (
        "the eiffel tower", "america", "the pyramids", "star wars", "the great wall", "facebook",
        "the titanic", "penicillin", "big ben", "my bicycle", "the steam engine", "the white house",
    ),
    "spot": (
        "the desert", "mars", "the kitchen", "hawaii", "the cellar", "siberia", "the swimming pool",
    ),
    "town": (
        "madrid", "vienna", "chicago", "mexico", "sweden", "norway", "egypt", "dublin", "florida",
        "australia", "india", "greece", "amsterdam", "lisbon", "seattle", "our town",
    ),
    "kind": (
        "restaurant", "hotel", "airline", "bank", "university", "laptop", "newspaper", "language",
        "building", "doctor", "way to work", "insurance", "diet", "airport",
    ),
    "sport": (
        "tennis", "hockey", "golf", "poker", "basketball", "the piano", "the guitar", "cricket",
        "baseball", "the violin", "rugby", "volleyball",
    ),
    "dish": (
        "potatoes", "spaghetti", "salmon", "tomatoes", "cheese", "garlic", "beans", "butter",
        "lasagne", "sushi", "a steak", "honey", "olives", "noodles", "mushrooms", "pancakes",
    ),
    "tool": (
        "my printer", "the dishwasher", "an engine", "the alarm", "a rocket", "a microwave",
        "the elevator", "a battery", "this lock", "a telescope", "the coffee machine", "my laptop",
    ),
    "act": (
        "water the plants", "call the bank", "feed the neighbours", "pay the rent", "swim at night",
        "take the medicine", "sell my house", "travel alone", "wash my hands", "eat snails",
        "climb a tower", "buy flowers", "study law", "invest my money",
    ),
}  # fmt: skip


def more_outside(rng: Random) -> str:
    """A question of training that is outside the domain, one of some fifteen thousand."""
    drawn = {name: rng.choice(words) for name, words in _SLOTS.items()}
    for name in ("topic", "town"):
        drawn[f"{name}2"] = rng.choice([word for word in _SLOTS[name] if word != drawn[name]])
    drawn["number"], drawn["big"] = word_of(rng.randint(2, 60)), word_of(rng.randint(61, 900))
    return MORE_OUTSIDE.draw(rng, drawn)
