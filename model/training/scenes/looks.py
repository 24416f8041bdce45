"""Names of the generators that draw scenes."""

from __future__ import annotations

CALL_LOOKS = ("flat", "shaded", "felt")
"""Of the pictures of calls. They were there first: a call is the same for the same seed, and what
is said in it was synthesised."""
TRAIN_LOOKS = (*CALL_LOOKS, "chalk")
"""For training and for seen pictures."""
EVAL_LOOK = "card"
"""Only for the evaluation: its pictures come from a generator training never used."""
LOOKS = (*TRAIN_LOOKS, EVAL_LOOK)


def is_eval_seed(style_seed: int) -> bool:
    """Odd seeds are the evaluation's, even ones are training's, with every look."""
    return style_seed % 2 == 1
