"""Encoded pictures from clients, decoded within limits.

Takes tens of milliseconds for a large picture: callers run it in a thread.
"""

from __future__ import annotations

import io
import struct
import zlib

from PIL import Image, ImageFile, ImageOps, JpegImagePlugin, PngImagePlugin, WebPImagePlugin

from server.config import ServerConfig
from server.engine.interface import ImageFrame
from server.errors import ProtocolError

WEBP_HEADER_BYTES = 12
PARAM = "image"

# Pillow's errors for damaged files of these three formats; anything else is a fault of ours.
DAMAGED_FILE_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    OverflowError,
    struct.error,
    zlib.error,
)


def decode_image(encoded: bytes, limits: ServerConfig) -> ImageFrame:
    """Decode a JPEG, PNG or WEBP picture, upright, as RGB.

    Size and sides are checked from the header, before any pixel is decoded.

    Args:
        encoded: The file's bytes.
        limits: ``max_image_bytes``, ``max_image_pixels`` and ``max_image_side`` count.

    Raises:
        ProtocolError: ``image_too_large`` (bytes, pixels or side), ``unsupported_image_format``,
            or ``invalid_image`` (truncated, damaged, without pixels).
    """
    if len(encoded) > limits.max_image_bytes:
        raise ProtocolError(
            f"the picture has {len(encoded):,} bytes; send at most {limits.max_image_bytes:,}",
            code="image_too_large",
            param=PARAM,
        )
    opener = _opener(encoded)
    try:
        with opener(io.BytesIO(encoded)) as picture:
            _check_size(picture.width, picture.height, limits)
            return _frame(picture)
    except ProtocolError:
        raise
    except DAMAGED_FILE_ERRORS as error:
        raise ProtocolError(
            "the picture is truncated or damaged, or has no pixels; send a complete file",
            code="invalid_image",
            param=PARAM,
        ) from error


def _opener(encoded: bytes) -> type[ImageFile.ImageFile]:
    """Pillow's reader for the file's first bytes; it refuses files without a pixel.

    The three readers are used directly: ``Image.open`` would try every format Pillow knows, and
    warns about large pictures by a limit of the whole process.
    """
    if encoded.startswith(b"\xff\xd8\xff"):
        return JpegImagePlugin.JpegImageFile
    if encoded.startswith(b"\x89PNG\r\n\x1a\n"):
        return PngImagePlugin.PngImageFile
    if encoded[:4] == b"RIFF" and encoded[8:WEBP_HEADER_BYTES] == b"WEBP":
        return WebPImagePlugin.WebPImageFile
    raise ProtocolError(
        "the picture is none of JPEG, PNG and WEBP; send one of these",
        code="unsupported_image_format",
        param=PARAM,
    )


def _check_size(width: int, height: int, limits: ServerConfig) -> None:
    if max(width, height) > limits.max_image_side:
        raise ProtocolError(
            f"the picture is {width}x{height} pixels; no side may exceed {limits.max_image_side}",
            code="image_too_large",
            param=PARAM,
        )
    if width * height > limits.max_image_pixels:
        raise ProtocolError(
            f"the picture has {width * height:,} pixels; send at most {limits.max_image_pixels:,}",
            code="image_too_large",
            param=PARAM,
        )


def _frame(picture: Image.Image) -> ImageFrame:
    picture.load()
    upright = ImageOps.exif_transpose(picture)
    if upright.mode.startswith("I;16") or upright.mode == "I":
        # 16-bit grey: Pillow's own conversion clips instead of scaling.
        upright = upright.convert("I").point(lambda value: value / 256).convert("L")
    if "transparency" in upright.info:
        # A palette with transparent entries has no direct way to RGB.
        upright = upright.convert("RGBA")
    rgb = upright.convert("RGB")
    return ImageFrame(rgb.width, rgb.height, rgb.tobytes())
