from __future__ import annotations

import numpy as np
import pytest

from server.media.audio_jitter_buffer import AudioPacket
from server.media.caller_voice import CallerVoice
from server.media.opus_decoder import OPUS_HZ, OpusDecoder
from tests.fakes.opus_voice import PACKET_SAMPLES, numbered, opus_packets, tone

pytestmark = pytest.mark.unit


def test_what_arrives_in_order_is_the_plain_decoding() -> None:
    packets = numbered(opus_packets(tone(300, 0.5)))
    voice, decoder = CallerVoice(), OpusDecoder()
    for packet in packets:
        assert (voice.push(packet) == decoder.decode(packet.payload)).all()


def test_the_stream_keeps_its_length_when_packets_are_lost() -> None:
    packets = numbered(opus_packets(tone(300, 2.0)))
    lost = {7, 30, 31, 60}
    voice = CallerVoice()
    heard = np.concatenate([voice.push(p) for i, p in enumerate(packets) if i not in lost])
    assert heard.size == len(packets) * PACKET_SAMPLES
    assert voice.n_lost == 4
    assert voice.concealed_samples == 4 * PACKET_SAMPLES
    steady = heard[10 * PACKET_SAMPLES :].astype(float).reshape(-1, PACKET_SAMPLES)
    assert np.sqrt((steady**2).mean(axis=1)).min() > 2000, "no hole is heard"


def test_silence_that_was_left_out_is_there_again() -> None:
    first, second = numbered(opus_packets(tone(300, 0.04)))
    voice = CallerVoice()
    voice.push(first)
    heard = voice.push(
        AudioPacket(second.sequence, second.timestamp + OPUS_HZ // 5, second.payload)
    )
    assert heard.size == OPUS_HZ // 5 + PACKET_SAMPLES
    assert not heard[: OPUS_HZ // 5].any()
    assert voice.n_lost == 0


def test_nothing_comes_of_a_packet_that_has_to_wait() -> None:
    packets = numbered(opus_packets(tone(300, 0.1)))
    voice = CallerVoice()
    voice.push(packets[0])
    assert voice.push(packets[2]).size == 0
    assert voice.push(packets[1]).size == 2 * PACKET_SAMPLES
