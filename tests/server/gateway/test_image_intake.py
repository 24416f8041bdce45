"""Pictures of one client."""

from __future__ import annotations

import asyncio
import base64
import io
from typing import Literal

import pytest
from PIL import Image

from server.config import ServerConfig
from server.engine.interface import ImageFrame
from server.errors import ProtocolError
from server.gateway.image_intake import ImageIntake

pytestmark = pytest.mark.unit


class HandClock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s


def picture(width: int = 8, height: int = 6, kind: Literal["JPEG", "PNG"] = "JPEG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), (255, 0, 0)).save(file, kind)
    return file.getvalue()


def base64_of(content: bytes) -> str:
    return base64.b64encode(content).decode()


def decoded(text: str, limits: ServerConfig | None = None) -> ImageFrame:
    intake = ImageIntake(limits or ServerConfig(), HandClock(), 1)
    return asyncio.run(intake.decode(text, "image"))


def test_a_picture_comes_as_base64_or_as_a_data_uri() -> None:
    plain = decoded(base64_of(picture()))
    assert (plain.width, plain.height, len(plain.rgb)) == (8, 6, 8 * 6 * 3)
    uri = decoded("data:image/png;base64," + base64_of(picture(kind="PNG")))
    assert uri.rgb[:3] == b"\xff\x00\x00"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "unsupported_image_format"),
        ("!!!!", "invalid_base64"),
        (base64_of(b"hello"), "unsupported_image_format"),
        (base64_of(picture(400, 300)[:-200]), "invalid_image"),
        (base64_of(picture(30_000, 1, "PNG")), "image_too_large"),
        ("https://example.org/cat.jpg", "invalid_image_url"),
    ],
)
def test_what_is_no_picture_is_refused_by_name(text: str, code: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        decoded(text)
    assert caught.value.code == code
    assert caught.value.param == "image"


def test_a_large_file_is_refused_before_it_is_decoded() -> None:
    limits = ServerConfig(max_image_bytes=1024)
    with pytest.raises(ProtocolError) as caught:
        decoded("!" * 2000, limits)
    assert caught.value.code == "image_too_large"


def test_frames_may_come_in_a_burst_and_then_one_a_second() -> None:
    clock = HandClock()
    intake = ImageIntake(ServerConfig(), clock, burst_frames=3)
    for _ in range(3):
        intake.admit_frame("image")
    with pytest.raises(ProtocolError) as caught:
        intake.admit_frame("image")
    assert caught.value.code == "image_too_fast"
    clock.now_s += 1.0
    intake.admit_frame("image")
    with pytest.raises(ProtocolError):
        intake.admit_frame("image")
    clock.now_s += 1000.0
    for _ in range(3):
        intake.admit_frame("image")
    with pytest.raises(ProtocolError):
        intake.admit_frame("image")
