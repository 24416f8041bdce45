"""Numbers as words."""

from __future__ import annotations

_SMALL = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
MAX_NUMBER = 999


def word_of(number: int) -> str:
    """``number`` in words without hyphens: ``twenty four``.

    Numbers above ``MAX_NUMBER``, which nothing here asks for, are read digit by digit.
    """
    if number > MAX_NUMBER:
        return " ".join(_SMALL[int(digit)] for digit in str(number))
    hundreds, rest = divmod(number, 100)
    if hundreds:
        tail = f" {word_of(rest)}" if rest else ""
        return f"{_SMALL[hundreds]} hundred{tail}"
    if rest < len(_SMALL):
        return _SMALL[rest]
    tens, ones = divmod(rest, 10)
    return _TENS[tens - 2] + (f" {_SMALL[ones]}" if ones else "")
