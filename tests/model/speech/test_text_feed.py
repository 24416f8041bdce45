"""Chunks and segments of a running text."""

from __future__ import annotations

import pytest

from model.speech.text_feed import MAX_IDLE_SEGMENTS, PrefillText, RunningTextFeed, WaitForText
from tests.model.speech.scripted_speech import tiny_tokenizer

pytestmark = pytest.mark.unit

FIRST_CALL, SECOND_CALL = 326, 351
"""Positions of the last frames of the first two calls."""
END = tiny_tokenizer().end_id
START = tiny_tokenizer().start_ids


def feed(text: str = "", *, finish: bool = False) -> RunningTextFeed:
    fed = RunningTextFeed(tiny_tokenizer())
    fed.push(text)
    if finish:
        fed.finish()
    fed.begin_segment()
    return fed


def take(fed: RunningTextFeed, position: int = FIRST_CALL) -> list[int]:
    """Ids that are prefilled before frames up to ``position``."""
    ids: list[int] = []
    while isinstance(work := fed.before_call(position), PrefillText):
        assert work.with_speaker == (work.begin == 0)
        ids += work.ids
    return ids


def words(count: int) -> str:
    return "a " * count


def test_a_chunk_is_fed_once_ten_tokens_cannot_change() -> None:
    fed = feed("a " * 9 + "a")
    assert isinstance(fed.before_call(FIRST_CALL), WaitForText)
    fed.push(" ")
    work = fed.before_call(FIRST_CALL)
    assert work == PrefillText(0, START + tiny_tokenizer().encode(words(10)), with_speaker=True)
    assert fed.before_call(FIRST_CALL) is None
    assert fed.n_text == 10


def test_frames_wait_for_the_text_they_are_to_see() -> None:
    fed = feed(words(19))
    assert len(take(fed)) == 12
    assert isinstance(fed.before_call(SECOND_CALL), WaitForText)
    fed.push("a ")
    work = fed.before_call(SECOND_CALL)
    assert isinstance(work, PrefillText)
    assert (work.begin, len(work.ids), work.with_speaker) == (12, 10, False)
    assert fed.before_call(SECOND_CALL) is None


def test_all_chunks_that_are_there_are_fed_at_once() -> None:
    assert len(take(feed(words(38)))) == 2 + 30


def test_a_finished_text_is_fed_to_its_end() -> None:
    fed = feed("hello you. ", finish=True)
    ids = tiny_tokenizer().encode("hello you.")
    assert take(fed) == [*START, *ids, END]
    assert fed.before_call(10_000) is None
    assert (fed.n_text, fed.text_end) == (len(ids), len("hello you. "))


def test_the_end_alone_is_fed_where_the_chunks_were_full() -> None:
    fed = feed(words(10))
    take(fed)
    fed.finish()
    assert fed.before_call(FIRST_CALL) == PrefillText(12, [END], with_speaker=False)


def test_text_end_grows_with_what_is_fed() -> None:
    fed = feed(words(25))
    assert fed.text_end == 0
    take(fed)
    assert fed.text_end == len(words(20)) - 1


def test_a_segment_ends_with_the_first_sentence_past_the_margin() -> None:
    fed = feed(words(118) + "b.c.”” d e. f")
    # 118 words, "b" and "." make 120: this sentence ends the segment.
    ids = take(fed)
    assert ids[-1] == END
    assert len(ids) == 2 + 120 + 1
    assert fed.continues
    fed.end_segment(2000, 300)
    fed.begin_segment()
    fed.finish()
    carried = tiny_tokenizer().encode("a a a b.")
    assert take(fed) == [*START, *carried, *tiny_tokenizer().encode("c.”” d e. f"), END]


def test_closing_marks_stay_with_their_sentence() -> None:
    fed = feed(words(118) + "b.””!c ")
    assert len(take(fed)) == 2 + 123 + 1


def test_a_sentence_end_at_the_margin_waits_for_its_closing_marks() -> None:
    fed = feed(words(118) + "b.")
    assert len(take(fed)) == 2 + 120
    fed.push(" c")
    assert take(fed) == []
    fed.push(" ")
    assert take(fed) == [END]


def test_a_segment_without_a_sentence_end_stops_at_the_last_word_that_fits() -> None:
    fed = feed(words(295) + "abcdefg hij ")
    # "abcdefg" would end at token 302 of 299.
    ids = take(fed, 10_000)
    assert len(ids) == 2 + 295 + 1
    fed.end_segment(2000, 300)
    fed.begin_segment()
    fed.finish()
    carried = tiny_tokenizer().encode(words(5))
    assert take(fed) == [*START, *carried, *tiny_tokenizer().encode("abcdefg hij"), END]


def test_exactly_full_text_is_one_segment() -> None:
    fed = feed(words(299), finish=True)
    assert len(take(fed)) == 2 + 299 + 1
    assert not fed.continues


def test_a_word_longer_than_the_room_is_cut() -> None:
    fed = feed(words(280) + "ab" * 40 + " ", finish=True)
    assert len(take(fed)) == 2 + 299 + 1
    fed.end_segment(2000, 300)
    assert fed.segment_ahead()
    fed.begin_segment()
    assert len(take(fed)) == 2 + 5 + (280 + 80 - 299) + 1


def test_nothing_past_the_last_whole_chunk_is_fed_before_the_cut_is_known() -> None:
    fed = feed(words(295))
    assert len(take(fed)) == 2 + 290


def test_an_early_end_leaves_what_the_decoder_had_not_seen() -> None:
    fed = feed(words(28) + "b c ", finish=True)
    take(fed)
    # 20 frames were made: they saw the first ten tokens.
    fed.end_segment(302 + 20, 20)
    assert fed.segment_ahead()
    fed.begin_segment()
    rest = tiny_tokenizer().encode(words(5) + words(18) + "b c")
    assert take(fed) == [*START, *rest, END]


def test_a_segment_without_a_frame_is_tried_again_but_not_forever() -> None:
    fed = feed(words(12), finish=True)
    for _ in range(MAX_IDLE_SEGMENTS):
        assert len(take(fed)) == 2 + 12 + 1
        fed.end_segment(302, 0)
        assert fed.segment_ahead()
        fed.begin_segment()
    take(fed)
    fed.end_segment(302, 0)
    fed.begin_segment()
    assert len(take(fed)) == 2 + 5 + 2 + 1


@pytest.mark.parametrize("rest", ["", "...", "* *", "?!"])
def test_a_rest_that_cannot_be_spoken_is_no_segment(rest: str) -> None:
    fed = feed(rest)
    assert fed.segment_ahead() is None
    fed.finish()
    assert fed.segment_ahead() is False


def test_text_end_does_not_go_back_in_a_new_segment() -> None:
    fed = feed(words(30))
    take(fed)
    before = fed.text_end
    fed.end_segment(302 + 20, 20)
    fed.begin_segment()
    assert fed.text_end == before
    take(fed)
    assert fed.text_end == before
