"""One answer token by token, and in bursts as the reference has it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.quirks import PRODUCT, ReferenceQuirks
from model.sampling import GREEDY, SamplingSettings
from model.text_generation import (
    FinishReason,
    GenerationSettings,
    TextGeneration,
    decode_answer,
)
from tests.model.tiny_models import tiny_tokenizer

pytestmark = pytest.mark.unit

TOKENIZER = tiny_tokenizer()
FAITHFUL = ReferenceQuirks.faithful()
END = TOKENIZER.im_end
SETTINGS = GenerationSettings(sampling=GREEDY)
TEXT_IDS = st.integers(0, TOKENIZER.end_of_text - 1)


def ids_of(text: str) -> list[int]:
    return TOKENIZER.encode_foreign(text)


def run(
    ids: list[int],
    limits: GenerationSettings = SETTINGS,
    quirks: ReferenceQuirks = PRODUCT,
) -> tuple[TextGeneration, list[str | None]]:
    generation = TextGeneration(TOKENIZER, limits, quirks=quirks)
    pieces = []
    for token_id in ids:
        pieces.append(generation.accept(token_id))
        if generation.done:
            break
    return generation, pieces


def joined(pieces: list[str | None]) -> str:
    return "".join(piece or "" for piece in pieces)


@given(ids=st.lists(TEXT_IDS, max_size=20))
@settings(deadline=None, max_examples=100)
def test_pieces_join_to_the_text_of_all_tokens(ids: list[int]) -> None:
    generation, pieces = run([*ids, END])
    assert joined(pieces) == TOKENIZER.decode(ids)
    assert generation.finish is FinishReason.STOP
    assert generation.ids == [*ids, END]


def test_characters_leave_whole() -> None:
    ids = ids_of("好🎉!")
    _, pieces = run(ids)
    assert joined(pieces) == "好🎉!"
    assert None in pieces
    assert all("\ufffd" not in piece for piece in pieces if piece)


def test_a_character_cut_by_the_end_is_not_swallowed() -> None:
    half = ids_of("🎉")[:-1]
    _, pieces = run([*half, END])
    assert joined(pieces) == "\ufffd"


@pytest.mark.parametrize("terminator", TOKENIZER.terminators)
def test_both_terminators_end_an_answer_and_are_not_text(terminator: int) -> None:
    generation, pieces = run([*ids_of("hi"), terminator])
    assert generation.done and generation.finish is FinishReason.STOP
    assert joined(pieces) == "hi"
    assert generation.unfed_id is None
    with pytest.raises(RuntimeError, match="over"):
        generation.accept(1)


def test_the_limit_ends_an_answer_with_its_last_token_still_to_feed() -> None:
    ids = ids_of("one two three four")
    generation, _ = run(ids, replace(SETTINGS, max_tokens=3))
    assert generation.finish is FinishReason.LENGTH
    assert generation.ids == ids[:3]
    assert generation.unfed_id == ids[2]


def test_a_character_cut_by_the_limit_is_not_swallowed() -> None:
    half = ids_of("🎉")[:-1]
    _, pieces = run(half, replace(SETTINGS, max_tokens=len(half)))
    assert joined(pieces) == "\ufffd"


def test_a_limit_without_room_for_a_token_is_refused() -> None:
    with pytest.raises(ValueError, match="max_tokens"):
        TextGeneration(TOKENIZER, replace(SETTINGS, max_tokens=0))


def test_text_behind_the_end_of_speech_is_shown_and_not_spoken() -> None:
    generation = TextGeneration(TOKENIZER, SETTINGS)
    for token_id in ids_of("hi"):
        generation.accept(token_id)
    assert generation.spoken
    assert generation.accept(TOKENIZER.tts_eos) is None
    assert not generation.spoken
    assert joined([generation.accept(token_id) for token_id in ids_of("so")]) == "so"


def test_special_tokens_are_not_text() -> None:
    specials = [TOKENIZER.id_of("<|listen|>"), TOKENIZER.im_start, TOKENIZER.tts_eos]
    _, pieces = run([specials[0], *ids_of("a"), *specials[1:], *ids_of("b"), END])
    assert joined(pieces) == "ab"


def test_the_exclamation_mark_is_kept() -> None:
    assert joined(run(ids_of("Oh! No!"))[1]) == "Oh! No!"


def test_the_penalty_sees_the_whole_answer_and_not_the_prompt() -> None:
    generation = TextGeneration(TOKENIZER, SETTINGS, prompt_ids=[5, 6])
    for token_id in (7, 8, 9, 10, 7):
        generation.accept(token_id)
    assert set(generation.draw().said) == {7, 8, 9, 10}


def test_terminators_are_barred_until_the_answer_is_long_enough() -> None:
    generation = TextGeneration(TOKENIZER, replace(SETTINGS, min_tokens=2))
    assert tuple(generation.draw().barred) == TOKENIZER.terminators
    generation.accept(5)
    generation.accept(5)
    assert not generation.draw().barred


def test_a_draw_carries_the_answers_settings_and_random_numbers() -> None:
    sampling, generator = SamplingSettings(temperature=0.5), torch.Generator()
    limits = GenerationSettings(sampling=sampling)
    draw = TextGeneration(TOKENIZER, limits, generator=generator).draw()
    assert draw.settings is sampling and draw.generator is generator


# --- as the reference has it


def test_bursts_give_text_every_third_token() -> None:
    ids = ids_of("abcdefg")
    pieces = run([*ids, END], quirks=FAITHFUL)[1]
    assert [index for index, piece in enumerate(pieces) if piece is not None] == [2, 5, len(ids)]
    assert joined(pieces) == "abcdefg"


def test_a_burst_of_the_terminator_alone_is_an_empty_text() -> None:
    assert run([*ids_of("xyz"), END], quirks=FAITHFUL)[1][-1] == ""


def test_bursts_spell_special_tokens_and_drop_exclamation_marks() -> None:
    pieces = run([*ids_of("a!"), TOKENIZER.tts_eos], quirks=FAITHFUL)[1]
    assert joined(pieces) == "a<|tts_eos|>"


def test_the_reference_overshoots_the_limit_to_the_end_of_a_burst() -> None:
    generation, _ = run(ids_of("abcdefghij"), replace(SETTINGS, max_tokens=7), FAITHFUL)
    assert len(generation.ids) == 9
    assert generation.finish is FinishReason.LENGTH


def test_the_references_penalty_forgets_all_but_the_last_burst() -> None:
    generation = TextGeneration(TOKENIZER, SETTINGS, prompt_ids=[5, 6], quirks=FAITHFUL)
    for token_id in (7, 8):
        generation.accept(token_id)
    assert set(generation.draw().said) == {5, 6, 7, 8}
    for token_id in (9, 10):
        generation.accept(token_id)
    assert set(generation.draw().said) == {9, 10}


def test_the_reference_bars_terminators_in_every_burst() -> None:
    limits = replace(SETTINGS, min_tokens=1)
    generation = TextGeneration(TOKENIZER, limits, quirks=FAITHFUL)
    barred = []
    for token_id in (7, 8, 9, 10):
        barred.append(bool(generation.draw().barred))
        generation.accept(token_id)
    assert barred == [True, False, False, True]


def test_an_answer_decodes_without_its_frame() -> None:
    ids = [TOKENIZER.im_start, *ids_of("a!"), TOKENIZER.tts_eos, END]
    assert decode_answer(ids, TOKENIZER) == "a!<|tts_eos|>"
    assert decode_answer(ids, TOKENIZER, FAITHFUL) == "a<|tts_eos|>"
