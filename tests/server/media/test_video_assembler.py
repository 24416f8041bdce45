from __future__ import annotations

import pytest

from server.media.video_assembler import (
    MAX_MISORDER,
    MAX_WAITING,
    VideoAssembler,
    VideoPacket,
)

pytestmark = pytest.mark.unit


def pictures(*sizes: int, first: int = 65_530) -> list[VideoPacket]:
    """Packets of pictures that have so many each; the content tells picture and packet."""
    packets = []
    for index, size in enumerate(sizes):
        for part in range(size):
            content = bytes([index % 256, part])
            sequence = (first + len(packets)) % 2**16
            packets.append(VideoPacket(sequence, index * 3000, part == size - 1, content))
    return packets


def assembled(assembler: VideoAssembler, packets: list[VideoPacket]) -> list[bytes]:
    return [picture for packet in packets for picture in assembler.push(packet)]


def test_a_picture_is_there_with_its_last_packet() -> None:
    assembler = VideoAssembler()
    a, b, c = pictures(2, 1)
    assert assembler.push(a) == []
    assert assembler.push(b) == [bytes([0, 0, 0, 1])]
    assert assembler.push(c) == [bytes([1, 0])]


def test_a_missing_packet_holds_back_until_it_is_sent_again() -> None:
    assembler = VideoAssembler()
    packets = pictures(3, 2, 1)
    late = packets.pop(1)
    assert assembled(assembler, packets) == []
    assert assembler.push(late) == [bytes([0, 0, 0, 1, 0, 2]), bytes([1, 0, 1, 1]), bytes([2, 0])]
    assert assembler.push(late) == [], "once is enough"
    assert not assembler.take_loss()


def test_a_picture_without_its_mark_ends_where_the_next_begins() -> None:
    unmarked = [VideoPacket(p.sequence, p.timestamp, False, p.content) for p in pictures(2, 1)]
    assert assembled(VideoAssembler(), unmarked) == [bytes([0, 0, 0, 1])]


def test_a_packet_that_never_comes_is_given_up_and_told() -> None:
    assembler = VideoAssembler()
    packets = pictures(*[1] * (MAX_WAITING + 3))
    del packets[1]
    seen = assembled(assembler, packets)
    assert assembler.take_loss()
    assert not assembler.take_loss(), "told once"
    assert seen == [packets[0].content, packets[-1].content]


def test_another_numbering_begins_anew() -> None:
    assembler = VideoAssembler()
    assembled(assembler, pictures(1, 1, first=30_000))
    again = pictures(1, first=30_000 - MAX_MISORDER - 1)
    assert assembled(assembler, again) == [again[0].content]
    assert assembler.take_loss()


def test_a_picture_without_end_is_not_kept() -> None:
    assembler = VideoAssembler()
    endless = [VideoPacket(i, 0, False, b"x" * 100) for i in range(MAX_WAITING * 2 + 2)]
    assert assembled(assembler, endless) == []
    assert assembler.take_loss()
