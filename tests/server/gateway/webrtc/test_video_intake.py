from __future__ import annotations

import asyncio

import numpy as np
import pytest
from aiortc.rtp import RtpPacket

from server.engine.interface import ImageFrame
from server.gateway.webrtc.video_intake import KEY_REQUEST_INTERVAL_S, VideoIntake
from tests.fakes.set_clock import SetClock
from tests.fakes.video_pictures import encoded_pictures

pytestmark = pytest.mark.unit

VP8, H264 = 96, 108


class Camera:
    """Sends pictures to an intake, each in one packet."""

    def __init__(self, clock: SetClock) -> None:
        self.intake = VideoIntake({VP8: "vp8", H264: "h264"}, clock)
        self._sequence = 0

    def send(self, picture: bytes, payload_type: int = VP8) -> bool:
        """Whether a picture that stands alone is asked for."""
        packet = RtpPacket(payload_type=payload_type, marker=1, sequence_number=self._sequence)
        packet.timestamp = self._sequence * 3000
        packet._data = picture  # type: ignore[attr-defined]
        self._sequence += 1
        wants_key, frame = self.intake.add(packet)
        assert frame is None
        return wants_key

    def look(self) -> ImageFrame | None:
        return asyncio.run(self.intake.newest())


def grey(frame: ImageFrame | None) -> float:
    assert frame is not None
    return float(np.frombuffer(frame.rgb, dtype=np.uint8).mean())


def test_the_newest_picture_is_seen() -> None:
    camera = Camera(SetClock())
    for picture in encoded_pictures("vp8", [40, 90, 140]):
        camera.send(picture)
    assert grey(camera.look()) == pytest.approx(140, abs=4)
    assert camera.look() is None, "nothing new"


def test_who_looks_after_a_while_gets_a_picture_that_stands_alone() -> None:
    clock = SetClock()
    camera = Camera(clock)
    first, second, third = encoded_pictures("vp8", [40, 90, 140])
    camera.send(first)
    camera.intake.look_away()
    assert not camera.send(second), "nobody looks"
    assert camera.look() is None
    assert camera.send(third)
    assert not camera.send(third), "asked already"
    clock.now_s += KEY_REQUEST_INTERVAL_S
    assert camera.send(third), "and again, as it did not come"
    assert not camera.send(encoded_pictures("vp8", [200])[0])
    assert grey(camera.look()) == pytest.approx(200, abs=4)


def test_damage_asks_for_a_picture_that_stands_alone() -> None:
    camera = Camera(SetClock())
    camera.send(b"\x10\x00\x00damaged")
    assert camera.look() is None
    assert camera.send(b"\x11more")


def test_a_loss_breaks_the_chain() -> None:
    camera = Camera(SetClock())
    first, second = encoded_pictures("vp8", [40, 90])
    camera.send(first)
    assert camera.look() is not None
    camera._sequence += 2000
    assert camera.send(second)
    assert camera.look() is None


def test_the_codec_may_change_and_unknown_ones_are_passed_over() -> None:
    camera = Camera(SetClock())
    camera.send(encoded_pictures("vp8", [40])[0])
    assert grey(camera.look()) == pytest.approx(40, abs=4)
    camera.send(encoded_pictures("h264", [220])[0], H264)
    assert not camera.send(b"x", 120)
    assert grey(camera.look()) == pytest.approx(220, abs=4)
