from __future__ import annotations

import numpy as np
import pytest

from server.engine.interface import ImageFrame
from server.media.video_chain import is_h264_key, is_vp8_key
from server.media.video_decoder import (
    LONGEST_SIDE,
    VideoCodec,
    VideoDecoder,
    VideoDecodingError,
)
from tests.fakes.video_pictures import encoded_pictures

pytestmark = pytest.mark.unit

IS_KEY = {"vp8": is_vp8_key, "h264": is_h264_key}


def grey(frame: ImageFrame | None) -> float:
    assert frame is not None
    return float(np.frombuffer(frame.rgb, dtype=np.uint8).mean())


@pytest.mark.parametrize("codec", ["vp8", "h264"])
def test_the_last_picture_is_returned(codec: VideoCodec) -> None:
    pictures = encoded_pictures(codec, [40, 90, 140, 200])
    assert [IS_KEY[codec](picture) for picture in pictures] == [True, False, False, False]
    decoder = VideoDecoder(codec)
    frame = decoder.newest(pictures[:3])
    assert frame is not None
    assert (frame.width, frame.height) == (64, 48)
    assert grey(frame) == pytest.approx(140, abs=4)
    assert grey(decoder.newest(pictures[3:])) == pytest.approx(200, abs=4)
    assert decoder.newest([]) is None


def test_large_pictures_are_scaled_to_what_the_model_can_see() -> None:
    frame = VideoDecoder("vp8").newest(encoded_pictures("vp8", [100], 2688, 96))
    assert frame is not None
    assert (frame.width, frame.height) == (LONGEST_SIDE, 48)
    assert len(frame.rgb) == LONGEST_SIDE * 48 * 3


def test_damaged_pictures_are_told() -> None:
    with pytest.raises(VideoDecodingError, match="cannot be decoded"):
        VideoDecoder("vp8").newest([b"\x10\x00\x00broken", b"\x11rubbish"])
