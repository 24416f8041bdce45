"""Typed forms."""

from __future__ import annotations

from random import Random

import pytest

from model.training.domain.domain import draw_exchanges
from model.training.domain.exchange import Split, answered, normal
from model.training.domain.typed_text import typed

pytestmark = pytest.mark.unit


def test_a_typed_form_says_the_same_words() -> None:
    rng = Random(2)
    for exchange in draw_exchanges(5, Split.TRAIN, 20):
        assert normal(typed(exchange, rng)) == exchange.question


def test_there_are_several_typed_forms() -> None:
    exchange = answered(
        Random(0), "what is three plus four", ("Seven.",), intent="plus", topic="numbers"
    )
    forms = {typed(exchange, Random(seed)) for seed in range(200)}
    assert {"What is three plus four?", "what is three plus four", "What is 3 + 4?"} <= forms
