"""Pictures from clients."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from server.config import ServerConfig
from server.errors import ProtocolError
from server.media.image_decoding import decode_image

pytestmark = pytest.mark.unit

LIMITS = ServerConfig()
FORMATS = ("JPEG", "PNG", "WEBP")


def picture(width: int = 60, height: int = 40) -> Image.Image:
    """Noise, which no format can make small."""
    pixels = np.random.default_rng(3).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def encoded(image: Image.Image, file_format: str, **options: Any) -> bytes:
    """The picture as a file."""
    target = io.BytesIO()
    image.save(target, file_format, **options)
    return target.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and has almost no pixels: what a decompression bomb looks like."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(bytes(100)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body + chunk(b"IEND", b"")


def refusal(data: bytes, limits: ServerConfig = LIMITS) -> ProtocolError:
    """The error that ``data`` gets."""
    with pytest.raises(ProtocolError) as refused:
        decode_image(data, limits)
    assert refused.value.param == "image"
    return refused.value


@pytest.mark.parametrize("file_format", FORMATS)
def test_the_three_formats_decode(file_format: str) -> None:
    frame = decode_image(encoded(picture(), file_format), LIMITS)
    assert (frame.width, frame.height, len(frame.rgb)) == (60, 40, 60 * 40 * 3)


def test_pixels_of_a_png_are_exact_and_in_rows_from_the_top() -> None:
    image = picture()
    assert decode_image(encoded(image, "PNG"), LIMITS).rgb == image.tobytes()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA"])
def test_every_colour_mode_becomes_rgb(mode: str) -> None:
    frame = decode_image(encoded(picture().convert(mode), "PNG"), LIMITS)
    assert len(frame.rgb) == 60 * 40 * 3


def test_a_transparent_palette_becomes_rgb() -> None:
    data = encoded(picture().convert("P"), "PNG", transparency=bytes(range(256)))
    assert len(decode_image(data, LIMITS).rgb) == 60 * 40 * 3


def test_print_colours_become_rgb() -> None:
    assert decode_image(encoded(picture().convert("CMYK"), "JPEG"), LIMITS).width == 60


def test_sixteen_bit_grey_is_scaled_not_clipped() -> None:
    grey = Image.fromarray(np.array([[0, 0x8000, 0xFFFF]], dtype=np.uint16))
    rgb = decode_image(encoded(grey, "PNG"), LIMITS).rgb
    assert list(rgb[::3]) == [0, 128, 255]


def test_a_picture_held_sideways_is_put_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    frame = decode_image(encoded(picture(60, 40), "JPEG", exif=exif), LIMITS)
    assert (frame.width, frame.height) == (40, 60)


@pytest.mark.parametrize("file_format", FORMATS)
@settings(deadline=None, max_examples=20)
@given(part=st.floats(0.05, 0.9))
def test_a_truncated_file_is_refused(file_format: str, part: float) -> None:
    data = encoded(picture(), file_format)
    assert refusal(data[: int(len(data) * part)]).code == "invalid_image"


@pytest.mark.parametrize("file_format", FORMATS)
@settings(deadline=None, max_examples=40)
@given(changes=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=5))
def test_a_damaged_file_decodes_or_is_refused_but_never_breaks_anything(
    file_format: str, changes: list[tuple[int, int]]
) -> None:
    data = bytearray(encoded(picture(), file_format))
    for place, value in changes:
        data[place] = value
    try:
        frame = decode_image(bytes(data), LIMITS)
    except ProtocolError as error:
        assert error.code in ("invalid_image", "image_too_large", "unsupported_image_format")
    else:
        assert len(frame.rgb) == frame.width * frame.height * 3


@pytest.mark.parametrize("data", [b"", b"hello", b"%PDF-1.7", b"RIFF\x00\x00\x00\x00WAVE"])
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    assert refusal(data).code == "unsupported_image_format"


def test_another_picture_format_is_refused_with_the_known_ones() -> None:
    error = refusal(encoded(picture(), "GIF"))
    assert error.code == "unsupported_image_format"
    assert "JPEG, PNG and WEBP" in error.message


def test_a_picture_without_pixels_is_refused() -> None:
    error = refusal(png_header(0, 0))
    assert error.code == "invalid_image"
    assert "no pixels" in error.message


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    error = refusal(png_header(8_000, 8_000))
    assert error.code == "image_too_large"
    assert "64,000,000 pixels" in error.message


def test_a_side_of_thirty_thousand_pixels_is_refused() -> None:
    assert "30000x1" in refusal(png_header(30_000, 1)).message


def test_twenty_megabytes_are_refused_without_a_look_inside() -> None:
    error = refusal(b"\xff\xd8\xff" + bytes(20 * 1024 * 1024))
    assert error.code == "image_too_large"
    assert "bytes" in error.message


def test_the_limits_are_the_servers() -> None:
    small = ServerConfig(max_image_side=64, max_image_pixels=2_048)
    assert decode_image(encoded(picture(50, 40), "PNG"), small).width == 50
    assert refusal(encoded(picture(65, 1), "PNG"), small).code == "image_too_large"
    assert refusal(encoded(picture(60, 40), "PNG"), small).code == "image_too_large"
