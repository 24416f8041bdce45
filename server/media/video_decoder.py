"""Encoded pictures of a call to the one the model sees. Takes milliseconds: run it in a thread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import av
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from server.engine.interface import ImageFrame
from server.errors import OmnicallError

VideoCodec = Literal["vp8", "h264"]
LONGEST_SIDE = 1344
"""Three slices of 448 pixels: the model looks at nothing finer, so nothing finer is kept."""


class VideoDecodingError(OmnicallError):
    """The pictures are damaged; later ones cannot be decoded without one that stands alone."""

    code = "invalid_video"


class VideoDecoder:
    """Decodes one stream; remembers the pictures that later ones build on."""

    def __init__(self, codec: VideoCodec) -> None:
        context = av.CodecContext.create(codec, "r")
        assert isinstance(context, VideoCodecContext)
        context.thread_count = 1
        self._context = context

    def newest(self, pictures: Sequence[bytes]) -> ImageFrame | None:
        """Decode all of ``pictures`` and return the last as RGB; None where there is none.

        Raises:
            VideoDecodingError: One of them is damaged.
        """
        newest: VideoFrame | None = None
        try:
            for picture in pictures:
                for frame in self._context.decode(av.Packet(picture)):
                    newest = frame
        except av.FFmpegError as error:
            raise VideoDecodingError(f"the video cannot be decoded: {error}") from error
        return None if newest is None else _frame(newest)


def _frame(picture: VideoFrame) -> ImageFrame:
    scale = min(1.0, LONGEST_SIDE / max(picture.width, picture.height))
    width = max(round(picture.width * scale), 1)
    height = max(round(picture.height * scale), 1)
    rgb = picture.reformat(width=width, height=height, format="rgb24").to_ndarray()
    return ImageFrame(width, height, rgb.tobytes())
