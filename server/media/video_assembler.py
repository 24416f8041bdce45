"""Puts a caller's video packets together to encoded pictures. No clock and no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field

MAX_WAITING = 512
"""Packets kept for a missing one, which the caller is asked to send again; then it is given up."""
MAX_MISORDER = 1000
"""A packet older than this many begins another numbering."""
SEQUENCES = 1 << 16


@dataclass(frozen=True, slots=True)
class VideoPacket:
    """A piece of an encoded picture."""

    sequence: int
    timestamp: int
    is_last: bool
    """Of its picture."""
    content: bytes = field(repr=False)
    """Without the codec's packet header."""


class VideoAssembler:
    """Hands over each picture when its last packet is there.

    Bounded by ``MAX_WAITING`` packets: beyond, everything is dropped and :attr:`has_lost` is set
    until it is read, because later pictures build on what was lost.
    """

    def __init__(self) -> None:
        self._next: int | None = None
        self._waiting: dict[int, VideoPacket] = {}
        self._open: list[VideoPacket] = []
        self._has_lost = False

    def take_loss(self) -> bool:
        """Whether pictures were given up since this was last asked."""
        has_lost, self._has_lost = self._has_lost, False
        return has_lost

    def push(self, packet: VideoPacket) -> list[bytes]:
        """Take a packet as it arrives; return the pictures that are complete now, in order."""
        if self._next is None:
            self._next = packet.sequence
        ahead = (packet.sequence - self._next + SEQUENCES // 2) % SEQUENCES - SEQUENCES // 2
        if ahead < -MAX_MISORDER or ahead > MAX_WAITING:
            self._restart(packet.sequence)
        elif ahead < 0:
            return []
        self._waiting[packet.sequence] = packet
        return self._take_in_order()

    def _restart(self, sequence: int) -> None:
        self._waiting.clear()
        self._open.clear()
        self._next = sequence
        self._has_lost = True

    def _take_in_order(self) -> list[bytes]:
        pictures: list[bytes] = []
        while (packet := self._waiting.pop(self._next or 0, None)) is not None:
            self._next = (packet.sequence + 1) % SEQUENCES
            if self._open and self._open[0].timestamp != packet.timestamp:
                pictures.append(self._close())
            self._open.append(packet)
            if packet.is_last:
                pictures.append(self._close())
        if len(self._open) > MAX_WAITING:
            self._restart(self._next or 0)
        return pictures

    def _close(self) -> bytes:
        picture = b"".join(packet.content for packet in self._open)
        self._open.clear()
        return picture
