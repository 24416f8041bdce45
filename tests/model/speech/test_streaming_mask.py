"""The schedule by which audio sees text."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.config import SpeechConfig
from model.speech.streaming_mask import StreamingMask

pytestmark = pytest.mark.unit

MASK = StreamingMask(SpeechConfig())
ALL_TEXT = 300


def test_the_condition_is_two_positions_the_reserved_text_and_the_start() -> None:
    assert MASK.condition_length == 303
    assert MASK.start_position == 302


@pytest.mark.parametrize(
    ("position", "text_tokens"),
    [(302, 10), (350, 10), (351, 20), (400, 20), (401, 30), (1750, 290), (1751, 300), (2350, 300)],
)
def test_each_chunk_of_audio_sees_one_more_chunk_of_text(position: int, text_tokens: int) -> None:
    assert MASK.n_visible(position, ALL_TEXT) == text_tokens + 2


def test_text_that_is_not_known_yet_is_hidden_but_for_one_position() -> None:
    assert MASK.n_visible(302, 3) == 2 + 3 + 1
    assert MASK.n_visible(2000, 3) == 2 + 3 + 1


def test_the_start_position_is_hidden_from_every_step_and_from_itself() -> None:
    for position in (302, 303, 351, 1751, 2350):
        assert not MASK.visible(position, 1, ALL_TEXT)[302]


def test_sizes_come_from_the_config() -> None:
    config = SpeechConfig(
        streaming_text_reserved_len=20, streaming_text_chunk_size=4, streaming_audio_chunk_size=6
    )
    mask = StreamingMask(config)
    assert mask.condition_length == 23
    assert [mask.n_visible(position, 20) for position in (22, 26, 27, 32, 33)] == [6, 6, 10, 10, 14]


@settings(deadline=None, max_examples=200)
@given(position=st.integers(302, 2400), n_text=st.integers(1, 320))
def test_the_window_of_stored_positions_is_what_the_mask_shows(position: int, n_text: int) -> None:
    low, high = MASK.window(position, n_text)
    seen = MASK.visible(position, 1, n_text).nonzero().flatten().tolist()
    assert sorted(MASK.storage_index(index) for index in seen) == list(range(low, high))


def test_every_position_has_its_own_place_in_storage() -> None:
    places = [MASK.storage_index(position) for position in range(400)]
    assert sorted(places) == list(range(400))
    assert places[303:] == list(range(303, 400))
