"""Brings a caller's audio packets into order at once, and says where some will never come.

No clock and no I/O: everything is decided by the numbers on the packets.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from server.media.opus_decoder import OPUS_HZ, opus_samples

LATER_PACKETS = 2
"""Packets that may overtake a missing one before it is given up: 40 ms of patience."""
MAX_MISORDER = 100
"""A packet older than this many is not late but the beginning of another numbering."""
MAX_JUMP = 3_000
"""So is one newer than this many: one minute."""
MAX_LOSS_S = 0.2
"""Longest loss that is filled. What a longer one lost is not made up for: a turn goes on where the
caller is heard again, and is not ended by silence nobody heard."""
MAX_PAUSE_S = 1.0
"""Longest silence a caller's encoder may leave out and have filled in."""
SEQUENCES = 1 << 16
TIMESTAMPS = 1 << 32


@dataclass(frozen=True, slots=True)
class AudioPacket:
    """One Opus packet."""

    sequence: int
    """RTP's, 16 bits."""
    timestamp: int
    """RTP's, 32 bits, at 48 kHz."""
    payload: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Gap:
    """Audio that does not come."""

    n_samples: int
    """At 48 kHz."""
    is_loss: bool
    """False: the caller's encoder left out silence."""


class AudioJitterBuffer:
    """Hands over packets in order as soon as they are there.

    A missing packet is waited for until ``LATER_PACKETS`` later ones have come. Bounded by that
    number; what comes after it was given up is dropped and counted.
    """

    def __init__(self) -> None:
        self.n_lost = 0
        """Packets given up."""
        self.n_late = 0
        """Packets that came too late, or twice."""
        self._next_sequence: int | None = None
        self._next_timestamp = 0
        self._waiting: dict[int, AudioPacket] = {}

    def push(self, packet: AudioPacket) -> list[AudioPacket | Gap]:
        """Take a packet as it arrives; return what can be played now, in order."""
        if self._next_sequence is None:
            self._begin_with(packet)
        ahead = _difference(packet.sequence, self._next_sequence or 0, SEQUENCES)
        if ahead < -MAX_MISORDER or ahead > MAX_JUMP:
            self._waiting.clear()
            self._begin_with(packet)
        elif ahead < 0 or packet.sequence in self._waiting:
            self.n_late += 1
            return []
        self._waiting[packet.sequence] = packet
        ready = self._take_in_order()
        while len(self._waiting) >= LATER_PACKETS:
            ready += self._give_up()
            ready += self._take_in_order()
        return ready

    def _begin_with(self, packet: AudioPacket) -> None:
        self._next_sequence = packet.sequence
        self._next_timestamp = packet.timestamp

    def _take_in_order(self) -> list[AudioPacket | Gap]:
        ready: list[AudioPacket | Gap] = []
        while (packet := self._waiting.pop(self._next_sequence or 0, None)) is not None:
            pause = _difference(packet.timestamp, self._next_timestamp, TIMESTAMPS)
            if 0 < pause <= MAX_PAUSE_S * OPUS_HZ:
                ready.append(Gap(pause, is_loss=False))
            ready.append(packet)
            self._next_sequence = (packet.sequence + 1) % SEQUENCES
            self._next_timestamp = (packet.timestamp + opus_samples(packet.payload)) % TIMESTAMPS
        return ready

    def _give_up(self) -> list[AudioPacket | Gap]:
        """Stop waiting for what is missing before the oldest packet that is here."""
        missing = self._next_sequence or 0
        oldest = min(
            self._waiting.values(),
            key=lambda packet: _difference(packet.sequence, missing, SEQUENCES),
        )
        self.n_lost += _difference(oldest.sequence, missing, SEQUENCES)
        length = _difference(oldest.timestamp, self._next_timestamp, TIMESTAMPS)
        self._begin_with(oldest)
        return [Gap(min(length, round(MAX_LOSS_S * OPUS_HZ)), is_loss=True)] if length > 0 else []


def _difference(number: int, other: int, modulus: int) -> int:
    """``number`` - ``other`` for counters that wrap round, between -modulus/2 and modulus/2."""
    half = modulus // 2
    return (number - other + half) % modulus - half
