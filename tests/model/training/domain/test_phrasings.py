"""The small pattern language."""

from __future__ import annotations

from random import Random

import pytest

from model.training.domain.phrasings import PatternError, Phrasings, expand

pytestmark = pytest.mark.unit


def test_choices_options_and_nesting_are_expanded_in_order() -> None:
    assert expand("(hello|hi) [there]") == ["hello", "hello there", "hi", "hi there"]
    assert expand("[a (b|c [d])] e") == ["e", "a b e", "a c e", "a c d e"]
    assert expand("one|two {slot}") == ["one", "two {slot}"]
    assert expand("") == [""]


@pytest.mark.parametrize("pattern", ["(a", "a)", "[a", "(a]", "a|b]"])
def test_brackets_that_do_not_match_are_refused(pattern: str) -> None:
    with pytest.raises(PatternError):
        expand(pattern)


def test_drawing_fills_slots_and_favours_no_long_pattern() -> None:
    phrasings = Phrasings("see {x}", "(a|b|c|d|e|f|g|h|i|j) {x}")
    drawn = [phrasings.draw(Random(seed), {"x": "it"}) for seed in range(200)]
    assert set(drawn) <= {sentence.format(x="it") for sentence in phrasings.sentences}
    assert 60 < drawn.count("see it") < 140
    assert len(phrasings.sentences) == 11
