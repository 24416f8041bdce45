"""Every wording of a question about a picture can be filled in by its question."""

from __future__ import annotations

from random import Random
from string import Formatter

import pytest

from model.training.domain.picture_questions import PICTURE_QUESTIONS, PictureQuestion

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("question", PICTURE_QUESTIONS, ids=lambda question: question.name)
def test_every_slot_of_a_wording_is_filled(question: PictureQuestion) -> None:
    rng = Random(0)
    _, slots, _ = question.ask(rng, question.sample(rng))
    for sentence in question.phrasings.sentences:
        wanted = {name for _, name, _, _ in Formatter().parse(sentence) if name}
        assert wanted <= set(slots), sentence
        assert "{" not in sentence.format_map(slots)
