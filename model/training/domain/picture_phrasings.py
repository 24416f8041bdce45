"""The words of questions about what is in view."""

from __future__ import annotations

from model.training.domain.phrasings import Phrasings

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
