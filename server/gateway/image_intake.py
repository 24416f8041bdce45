"""Pictures from one client: size and rate are checked, then a worker thread decodes them."""

from __future__ import annotations

import asyncio

from server.clock import Clock
from server.config import ServerConfig
from server.engine.interface import ImageFrame
from server.errors import ProtocolError
from server.media.image_decoding import decode_image
from server.protocol.payload import decode_base64, decoded_bytes, image_base64

FRAMES_PER_S = 1.0
"""Frames a live client may send: one per unit."""
BASE64_PADDING_BYTES = 2


class ImageIntake:
    """Decodes one client's pictures, one at a time.

    The rate of live frames is a bucket: ``burst_frames`` may come at once, as much as audio may
    be ahead of real time; then one a second.
    """

    def __init__(self, limits: ServerConfig, clock: Clock, burst_frames: float) -> None:
        self._limits = limits
        self._clock = clock
        self._burst_frames = burst_frames
        self._allowance_frames = burst_frames
        self._refilled_at_s = clock.monotonic()

    async def decode(self, text: str, param: str) -> ImageFrame:
        """The picture behind base64 text or a data URI. Cancelling loses only the picture.

        Raises:
            ProtocolError: The text is no picture that this server takes.
        """
        payload = image_base64(text, param)
        if decoded_bytes(payload) > self._limits.max_image_bytes + BASE64_PADDING_BYTES:
            raise ProtocolError(
                f"{param} is a file larger than {self._limits.max_image_bytes:,} bytes; "
                "send a smaller picture",
                code="image_too_large",
                param=param,
            )
        encoded = decode_base64(payload, param)
        try:
            return await asyncio.to_thread(decode_image, encoded, self._limits)
        except ProtocolError as error:
            error.param = param
            raise

    def admit_frame(self, param: str) -> None:
        """Count a live frame before it is decoded.

        Raises:
            ProtocolError: ``image_too_fast``.
        """
        now_s = self._clock.monotonic()
        refill_frames = (now_s - self._refilled_at_s) * FRAMES_PER_S
        self._refilled_at_s = now_s
        self._allowance_frames = min(self._burst_frames, self._allowance_frames + refill_frames)
        if self._allowance_frames < 1:
            raise ProtocolError(
                "more than one frame per second; send the newest one of each second",
                code="image_too_fast",
                param=param,
            )
        self._allowance_frames -= 1
