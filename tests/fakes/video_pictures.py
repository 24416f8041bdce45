"""Pictures as a camera sends them: encoded, the first standing alone."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np

ENCODERS = {
    "vp8": ("libvpx", {"deadline": "realtime", "lag-in-frames": "0"}),
    "h264": ("libx264", {"preset": "ultrafast", "tune": "zerolatency"}),
}


def encoded_pictures(
    codec: str, levels: list[int], width: int = 64, height: int = 48
) -> list[bytes]:
    """One encoded picture for each grey level 0..255."""
    name, options = ENCODERS[codec]
    encoder = av.CodecContext.create(name, "w")
    encoder.width, encoder.height = width, height
    encoder.pix_fmt = "yuv420p"
    encoder.time_base = Fraction(1, 30)
    encoder.options = options
    pictures = []
    for index, level in enumerate(levels):
        grey = np.full((height, width, 3), level, dtype=np.uint8)
        frame = av.VideoFrame.from_ndarray(grey, format="rgb24").reformat(format="yuv420p")
        frame.pts = index
        pictures += [bytes(packet) for packet in encoder.encode(frame)]
    return pictures
