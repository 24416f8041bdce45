"""Encoded pictures that were not decoded yet: only what the newest one needs is kept."""

from __future__ import annotations

from collections.abc import Callable

MAX_PICTURES = 150
MAX_BYTES = 8 * 1024 * 1024
"""What is kept at most; beyond, the caller is asked for a picture that stands alone."""
START_CODE = b"\x00\x00\x01"
H264_KEY_UNITS = frozenset({5, 7})
"""Picture that stands alone, and the parameters sent before it."""


def is_vp8_key(picture: bytes) -> bool:
    """Whether a VP8 picture stands alone (RFC 6386, 9.1)."""
    return bool(picture) and not picture[0] & 1


def is_h264_key(picture: bytes) -> bool:
    """Whether an H.264 picture in Annex B's format stands alone."""
    starts = picture.split(START_CODE)[1:]
    return any(unit[0] & 0x1F in H264_KEY_UNITS for unit in starts if unit)


class VideoChain:
    """Pictures since the last one that was decoded, each needing those before it.

    Bounded by ``MAX_PICTURES`` and ``MAX_BYTES``: beyond, all are dropped, and nothing is taken
    until a picture comes that stands alone.
    """

    def __init__(self, is_key: Callable[[bytes], bool]) -> None:
        self._is_key = is_key
        self._pictures: list[bytes] = []
        self._n_bytes = 0
        self.is_broken = True
        """Whether a picture that stands alone is needed before anything can be decoded."""

    def push(self, picture: bytes) -> None:
        """Take the next picture."""
        if self._is_key(picture):
            self._clear()
            self.is_broken = False
        elif self.is_broken:
            return
        self._pictures.append(picture)
        self._n_bytes += len(picture)
        if len(self._pictures) > MAX_PICTURES or self._n_bytes > MAX_BYTES:
            self.break_off()

    def take(self) -> list[bytes]:
        """The pictures to decode, in order, to see the newest one; empty when nothing is new."""
        pictures = list(self._pictures)
        self._clear()
        return pictures

    def break_off(self) -> None:
        """Something is missing, or nobody looks: forget all until a picture stands alone."""
        self._clear()
        self.is_broken = True

    def _clear(self) -> None:
        self._pictures.clear()
        self._n_bytes = 0
