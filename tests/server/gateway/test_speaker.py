from __future__ import annotations

import pytest

from server.gateway.speaker import TrackSpeaker
from server.media.speech_line import CutSpeech
from server.protocol.server_events import (
    OutputAudioBufferCleared,
    OutputAudioBufferStarted,
    OutputAudioBufferStopped,
    ServerEvent,
)
from tests.fakes.scripted_replies import speech_pcm

pytestmark = pytest.mark.unit


def test_a_response_is_told_to_start_and_to_stop_once_each() -> None:
    told: list[ServerEvent] = []
    speaker = TrackSpeaker(told.append)
    speaker.play("a", speech_pcm(0.02))
    speaker.play("a", speech_pcm(0.02))
    assert told == [OutputAudioBufferStarted(response_id="a")]
    assert speaker.pull() is not None
    speaker.finish("a")
    assert len(told) == 1, "its last 20 ms were not pulled yet"
    assert speaker.pull() is not None
    assert told[1:] == [OutputAudioBufferStopped(response_id="a")]
    assert speaker.pull() is None
    assert len(told) == 2


def test_a_response_that_was_played_before_it_is_finished_stops_then() -> None:
    told: list[ServerEvent] = []
    speaker = TrackSpeaker(told.append)
    speaker.play("a", speech_pcm(0.02))
    speaker.pull()
    speaker.finish("a")
    assert told[1:] == [OutputAudioBufferStopped(response_id="a")]


def test_clearing_is_told_for_what_was_not_over() -> None:
    told: list[ServerEvent] = []
    speaker = TrackSpeaker(told.append)
    assert speaker.clear() == []
    assert told == []
    speaker.play("a", speech_pcm(0.06))
    speaker.pull()
    assert speaker.clear() == [CutSpeech("a", 0.02)]
    assert told[1:] == [OutputAudioBufferCleared(response_id="a")]
    assert speaker.pull() is None
    speaker.finish("a")
    assert len(told) == 2
