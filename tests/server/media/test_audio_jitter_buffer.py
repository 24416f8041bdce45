from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.media.audio_jitter_buffer import (
    LATER_PACKETS,
    MAX_JUMP,
    MAX_LOSS_S,
    MAX_MISORDER,
    AudioJitterBuffer,
    AudioPacket,
    Gap,
)
from server.media.opus_decoder import OPUS_HZ
from tests.fakes.opus_voice import PACKET_SAMPLES, numbered

pytestmark = pytest.mark.unit

TWENTY_MS = b"\xf8\xff\xfe"


def stream(n_packets: int, sequence: int = 100, timestamp: int = 5000) -> list[AudioPacket]:
    return numbered([TWENTY_MS] * n_packets, sequence, timestamp)


def played(buffer: AudioJitterBuffer, packets: list[AudioPacket]) -> list[int | Gap]:
    """Sequence numbers and gaps in the order they come out."""
    return [
        entry if isinstance(entry, Gap) else entry.sequence
        for packet in packets
        for entry in buffer.push(packet)
    ]


def test_packets_in_order_are_handed_over_at_once() -> None:
    buffer = AudioJitterBuffer()
    for packet in stream(50):
        assert buffer.push(packet) == [packet]
    assert (buffer.n_lost, buffer.n_late) == (0, 0)


def test_an_overtaken_packet_is_put_in_its_place() -> None:
    a, b, c, d = stream(4)
    buffer = AudioJitterBuffer()
    assert buffer.push(a) == [a]
    assert buffer.push(c) == []
    assert buffer.push(b) == [b, c]
    assert buffer.push(d) == [d]
    assert buffer.n_lost == 0


def test_a_missing_packet_is_given_up_after_two_later_ones() -> None:
    a, b, c, d, e = stream(5)
    buffer = AudioJitterBuffer()
    buffer.push(a)
    assert buffer.push(c) == []
    assert buffer.push(d) == [Gap(PACKET_SAMPLES, is_loss=True), c, d]
    assert buffer.push(b) == [], "given up, whenever it comes"
    assert buffer.push(e) == [e], "no delay is left behind"
    assert (buffer.n_lost, buffer.n_late) == (1, 1)


def test_two_holes_are_given_up_one_after_the_other() -> None:
    packets = stream(8)
    buffer = AudioJitterBuffer()
    arriving = [packets[i] for i in (0, 2, 4, 5, 6, 7)]
    gap = Gap(PACKET_SAMPLES, is_loss=True)
    assert played(buffer, arriving) == [100, gap, 102, gap, 104, 105, 106, 107]


def test_a_long_loss_is_filled_no_longer_than_its_limit() -> None:
    packets = stream(200)
    buffer = AudioJitterBuffer()
    gap = Gap(round(MAX_LOSS_S * OPUS_HZ), is_loss=True)
    assert played(buffer, [packets[0], *packets[151:154]]) == [100, gap, 251, 252, 253]
    assert buffer.n_lost == 150


def test_silence_the_encoder_left_out_is_a_gap_that_is_no_loss() -> None:
    a, b = stream(2)
    later = AudioPacket(b.sequence, b.timestamp + 19 * PACKET_SAMPLES, b.payload)
    buffer = AudioJitterBuffer()
    buffer.push(a)
    assert buffer.push(later) == [Gap(19 * PACKET_SAMPLES, is_loss=False), later]
    assert buffer.n_lost == 0


def test_a_clock_that_jumps_without_a_reason_is_followed_without_filling() -> None:
    a, b, c = stream(3)
    buffer = AudioJitterBuffer()
    buffer.push(a)
    for jump in (-50_000, 3_000_000):
        jumped = AudioPacket(b.sequence, (b.timestamp + jump) % 2**32, b.payload)
        fresh = AudioJitterBuffer()
        fresh.push(a)
        assert fresh.push(jumped) == [jumped]
    buffer.push(b)
    assert buffer.push(c) == [c]


def test_counters_wrap_round() -> None:
    buffer = AudioJitterBuffer()
    packets = stream(20, sequence=2**16 - 5, timestamp=2**32 - 7 * PACKET_SAMPLES)
    del packets[9]
    heard = played(buffer, packets)
    assert heard[:9] == [65531, 65532, 65533, 65534, 65535, 0, 1, 2, 3]
    assert heard[9:] == [Gap(PACKET_SAMPLES, is_loss=True), *range(5, 15)]


@pytest.mark.parametrize("jump", [MAX_JUMP + 1, -MAX_MISORDER - 1])
def test_another_numbering_begins_anew(jump: int) -> None:
    buffer = AudioJitterBuffer()
    played(buffer, stream(10, sequence=20_000))
    again = stream(3, sequence=20_010 + jump, timestamp=77)
    assert played(buffer, again) == [packet.sequence for packet in again]


def test_a_packet_that_comes_twice_is_played_once() -> None:
    a, b, c = stream(3)
    buffer = AudioJitterBuffer()
    assert played(buffer, [a, a, c, c, b, b]) == [100, 101, 102]
    assert buffer.n_late == 3


@given(
    lost=st.sets(st.integers(1, 198), max_size=60),
    swaps=st.sets(st.integers(0, 197), max_size=40),
)
def test_order_is_kept_and_delay_is_bounded_whatever_is_lost(
    lost: set[int], swaps: set[int]
) -> None:
    packets = stream(200, sequence=65_500)
    order = list(range(200))
    for index in sorted(swaps):
        order[index], order[index + 1] = order[index + 1], order[index]
    arriving = [packets[index] for index in order if index not in lost]
    buffer = AudioJitterBuffer()
    waiting = 0
    heard: list[int] = []
    for packet in arriving:
        waiting += 1
        for entry in buffer.push(packet):
            if isinstance(entry, AudioPacket):
                heard.append((entry.sequence - 65_500) % 2**16)
                waiting -= 1
        assert waiting - buffer.n_late < LATER_PACKETS
    assert heard == sorted(set(heard))
    assert len(heard) + buffer.n_late + (waiting - buffer.n_late) == len(arriving)
