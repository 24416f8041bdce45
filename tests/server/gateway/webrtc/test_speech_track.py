from __future__ import annotations

import asyncio

import numpy as np
import pytest
from aiortc.mediastreams import MediaStreamError

from server.gateway.webrtc.speech_track import MAX_BEHIND_S, SpeechTrack
from server.media.opus_decoder import OPUS_HZ, OpusDecoder
from server.media.opus_encoder import FRAME_S
from server.media.pcm import Samples
from tests.fakes.opus_voice import tone
from tests.virtual_time import LoopClock, virtual_time

pytestmark = pytest.mark.unit


def silent() -> Samples | None:
    return None


@virtual_time
async def test_ten_minutes_of_packets_take_exactly_ten_minutes() -> None:
    track = SpeechTrack(silent, LoopClock())
    loop = asyncio.get_running_loop()
    started_at_s = loop.time()
    n_packets = round(600 / FRAME_S)
    for _ in range(n_packets):
        packet = await track.recv()
    assert packet.pts == (n_packets - 1) * OPUS_HZ * FRAME_S
    assert loop.time() - started_at_s == pytest.approx(600 - FRAME_S, abs=1e-3)


@virtual_time
async def test_a_small_delay_is_made_up_for_and_a_long_one_is_skipped() -> None:
    track = SpeechTrack(silent, LoopClock())
    loop = asyncio.get_running_loop()
    await track.recv()
    await asyncio.sleep(MAX_BEHIND_S)
    small = [await track.recv() for _ in range(5)]
    assert loop.time() == pytest.approx(MAX_BEHIND_S)
    assert [packet.pts for packet in small] == [960, 1920, 2880, 3840, 4800]
    await asyncio.sleep(7.0)
    packet = await track.recv()
    assert packet.pts is not None
    assert packet.pts / OPUS_HZ == pytest.approx(loop.time(), abs=2 * FRAME_S)


@virtual_time
async def test_speech_is_heard_and_silence_between() -> None:
    frames: list[Samples | None] = [None] * 10
    frames += list(tone(440, 0.2).reshape(-1, 480))
    frames += [None] * 10
    track = SpeechTrack(lambda: frames.pop(0), LoopClock())
    decoder = OpusDecoder()
    levels = []
    for _ in range(30):
        packet = await track.recv()
        levels.append(int(np.abs(decoder.decode(bytes(packet))).max()))
    assert max(levels[:10]) < 5, "rounding of the codec"
    assert min(levels[11:20]) > 6000
    assert max(levels[25:]) < 5


@virtual_time
async def test_a_stopped_track_says_so() -> None:
    track = SpeechTrack(silent, LoopClock())
    track.stop()
    with pytest.raises(MediaStreamError):
        await track.recv()
