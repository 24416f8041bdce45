from __future__ import annotations

import pytest

from server.engine.interface import ResponseStatus, ResponseTimings, Usage
from server.gateway.speaker import TrackSpeaker
from server.gateway.spoken_answers import SpokenAnswers
from server.protocol.server_events import ServerEvent
from server.protocol.session_object import ServerVad
from server.session.events import (
    HistoryReset,
    ResponseAudio,
    ResponseFinished,
    ResponseStarted,
    ResponseTrigger,
    SessionOutput,
    TurnStarted,
)
from tests.fakes.scripted_replies import speech_pcm

pytestmark = pytest.mark.unit

INTERRUPTING = ServerVad()
POLITE = ServerVad(interrupt_response=False)


class Scene:
    """Answers on a speaker, and what is told about them."""

    def __init__(self) -> None:
        self.told: list[ServerEvent] = []
        self.heard: list[tuple[str, float]] = []
        self.speaker = TrackSpeaker(self.told.append)
        self.answers = SpokenAnswers(self.speaker, lambda *heard: self.heard.append(heard))

    def follow(self, *outputs: SessionOutput, detection: ServerVad | None = INTERRUPTING) -> None:
        for output in outputs:
            self.answers.follow(output, detection)

    def names(self) -> list[str]:
        return [event.type.removeprefix("output_audio_buffer.") for event in self.told]


def started(response_id: str = "a") -> ResponseStarted:
    return ResponseStarted(response_id, ResponseTrigger.TURN_ENDED, wants_audio=True)


def audio(length_s: float, response_id: str = "a") -> ResponseAudio:
    return ResponseAudio(response_id, speech_pcm(length_s), 0.0)


def finished(
    status: ResponseStatus = ResponseStatus.COMPLETED, response_id: str = "a"
) -> ResponseFinished:
    return ResponseFinished(response_id, status, None, Usage(), ResponseTimings(), None, 0.0)


def test_an_answer_is_heard_to_its_end() -> None:
    scene = Scene()
    scene.follow(started(), audio(0.04), finished())
    assert scene.names() == ["started"]
    assert scene.speaker.pull() is not None
    assert scene.speaker.pull() is not None
    assert scene.names() == ["started", "stopped"]
    assert scene.heard == []


def test_an_interruption_is_silent_at_once_and_told_when_the_answer_is_over() -> None:
    scene = Scene()
    scene.follow(started(), audio(0.2))
    scene.speaker.pull()
    scene.follow(TurnStarted("turn", 1.0))
    assert scene.speaker.pull() is None
    assert scene.names() == ["started", "cleared"]
    assert scene.heard == [], "the answer's item is not complete yet"
    scene.follow(finished(ResponseStatus.CANCELLED))
    assert scene.heard == [("a", 0.02)]
    assert scene.names() == ["started", "cleared"]


def test_an_answer_that_was_generated_but_not_heard_is_cut_at_once() -> None:
    scene = Scene()
    scene.follow(started(), audio(0.2), finished())
    scene.speaker.pull()
    scene.follow(TurnStarted("turn", 1.0))
    assert scene.heard == [("a", 0.02)]


@pytest.mark.parametrize("detection", [POLITE, None])
def test_without_interruption_the_answer_goes_on(detection: ServerVad | None) -> None:
    scene = Scene()
    scene.follow(started(), audio(0.2), TurnStarted("turn", 1.0), detection=detection)
    assert scene.speaker.pull() is not None
    assert scene.names() == ["started"]


def test_a_cancelled_answer_is_silent() -> None:
    scene = Scene()
    scene.follow(started(), audio(0.2), finished(ResponseStatus.CANCELLED))
    assert scene.speaker.pull() is None
    assert scene.heard == [("a", 0.0)]


def test_silence_on_demand_names_what_it_cut_off() -> None:
    scene = Scene()
    assert scene.answers.silence() == []
    scene.follow(started(), audio(0.2))
    assert scene.answers.silence() == ["a"]
    assert scene.speaker.pull() is None


def test_a_reset_forgets_what_was_said() -> None:
    scene = Scene()
    scene.follow(started(), audio(0.2), HistoryReset(), finished(ResponseStatus.CANCELLED))
    assert scene.speaker.pull() is None
    assert scene.heard == []
