"""The reference's way of feeding text, faults included."""

from __future__ import annotations

import pytest

from model.speech.burst_text_feed import BurstTextFeed
from model.speech.text_feed import PrefillText, WaitForText
from tests.model.speech.scripted_speech import tiny_tokenizer

pytestmark = pytest.mark.unit

TOKENIZER = tiny_tokenizer()
ANYWHERE = 0
"""The reference does not ask how far the audio is."""


def feed(*bursts: str) -> BurstTextFeed:
    fed = BurstTextFeed(TOKENIZER)
    for burst in bursts:
        fed.push(burst)
    fed.begin_segment()
    return fed


def rest_of(fed: BurstTextFeed) -> list[int]:
    """All ids that are fed from here on."""
    fed.finish()
    ids: list[int] = []
    for _ in range(100):
        work = fed.before_call(ANYWHERE)
        if isinstance(work, PrefillText):
            ids += work.ids
    return ids


def test_the_first_burst_is_only_collected() -> None:
    fed = feed("a a a a a a a a a a a")
    assert isinstance(fed.before_call(ANYWHERE), WaitForText)
    fed.push("")
    assert isinstance(fed.before_call(ANYWHERE), PrefillText)
    assert fed.before_call(ANYWHERE) is None


def test_a_burst_gives_at_most_one_chunk() -> None:
    fed = feed("a", " a" * 40)
    assert isinstance(fed.before_call(ANYWHERE), PrefillText)
    assert fed.before_call(ANYWHERE) is None
    assert isinstance(fed.before_call(ANYWHERE), WaitForText)


def test_digits_and_asterisks_of_the_first_burst_stay() -> None:
    assert rest_of(feed("*2", "4* books")) == [
        *TOKENIZER.start_ids,
        *TOKENIZER.encode("*2four books"),
        TOKENIZER.end_id,
    ]


def test_the_language_is_fixed_after_three_bursts() -> None:
    ids = rest_of(feed("ab", "cd ", "ef ", "你好你好你好你好 2"))
    assert ids[-4:-1] == TOKENIZER.encode("two")[-3:]


def test_what_follows_the_end_mark_of_a_burst_is_dropped() -> None:
    fed = feed("a", " b<|tts_eos|> c")
    assert rest_of(fed)[2:-1] == TOKENIZER.encode("a b")
    assert fed.n_chars == len("a b")


def test_text_past_the_reserved_positions_is_lost_and_the_start_of_audio_is_fed() -> None:
    fed = feed("a", *[" a" * 11] * 40)
    ids = rest_of(fed)
    assert fed.n_text == 300
    assert len(ids) == 303
    assert ids[-1] == TOKENIZER.audio_start_id
    assert TOKENIZER.end_id not in ids


def test_a_long_text_goes_on_in_a_new_segment_after_a_sentence() -> None:
    fed = feed("a", *[" a" * 11] * 11, " b c. d")
    rest_of(fed)
    assert fed.continues
    assert fed.segment_ahead()
    fed.end_segment(0, 0)
    carried = TOKENIZER.encode("a a b c.")
    assert fed.begin_segment() == PrefillText(0, TOKENIZER.start_ids + carried, with_speaker=True)
    assert fed.n_text == len(carried)
    assert rest_of(fed)[2:-1] == TOKENIZER.encode("a a b c. d")
    assert fed.segment_ahead() is False


def test_a_segment_whose_first_burst_is_empty_is_dropped() -> None:
    fed = feed("a", *[" a" * 11] * 11, " b c.")
    while not isinstance(fed.before_call(ANYWHERE), WaitForText):
        if fed.continues:
            break
    fed.end_segment(0, 0)
    fed.begin_segment()
    fed.push("<|tts_eos|>")
    assert fed.before_call(ANYWHERE) is None
    assert fed.abandoned


def test_nothing_to_say_is_no_segment() -> None:
    fed = BurstTextFeed(TOKENIZER)
    assert fed.segment_ahead() is None
    fed.finish()
    assert fed.segment_ahead() is False
