from __future__ import annotations

import pytest

from server.media.video_chain import MAX_BYTES, MAX_PICTURES, VideoChain, is_h264_key, is_vp8_key

pytestmark = pytest.mark.unit

KEY, DELTA = b"\x10key", b"\x11delta"


def test_nothing_is_kept_before_a_picture_that_stands_alone() -> None:
    chain = VideoChain(is_vp8_key)
    chain.push(DELTA)
    assert chain.is_broken
    assert chain.take() == []
    chain.push(KEY)
    assert not chain.is_broken
    chain.push(DELTA)
    assert chain.take() == [KEY, DELTA]
    chain.push(DELTA)
    assert chain.take() == [DELTA], "it builds on what was decoded"
    assert chain.take() == []


def test_a_picture_that_stands_alone_makes_those_before_it_needless() -> None:
    chain = VideoChain(is_vp8_key)
    for picture in (KEY, DELTA, DELTA, KEY, DELTA):
        chain.push(picture)
    assert chain.take() == [KEY, DELTA]


@pytest.mark.parametrize(
    ("picture", "count"),
    [(DELTA, MAX_PICTURES), (DELTA + bytes(MAX_BYTES // 4), 4)],
    ids=["number", "bytes"],
)
def test_more_than_is_kept_breaks_the_chain(picture: bytes, count: int) -> None:
    chain = VideoChain(is_vp8_key)
    chain.push(KEY)
    for _ in range(count):
        chain.push(picture)
    assert chain.is_broken
    assert chain.take() == []


def test_breaking_off_waits_for_a_picture_that_stands_alone() -> None:
    chain = VideoChain(is_vp8_key)
    chain.push(KEY)
    chain.break_off()
    chain.push(DELTA)
    assert chain.take() == []


@pytest.mark.parametrize(
    ("picture", "is_key"),
    [
        (b"\x00\x00\x00\x01\x67abc\x00\x00\x01\x68d\x00\x00\x01\x65e", True),
        (b"\x00\x00\x00\x01\x41abc", False),
        (b"\x00\x00\x01", False),
        (b"", False),
    ],
)
def test_h264_keys_are_known_by_their_units(picture: bytes, is_key: bool) -> None:
    assert is_h264_key(picture) is is_key


def test_vp8_keys_are_known_by_their_first_bit() -> None:
    assert is_vp8_key(KEY)
    assert not is_vp8_key(DELTA)
    assert not is_vp8_key(b"")
