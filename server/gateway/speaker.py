"""Where speech goes that does not travel in events: a track of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from server.media.pcm import Samples
from server.media.speech_line import CutSpeech, SpeechLine
from server.protocol.server_events import (
    OutputAudioBufferCleared,
    OutputAudioBufferStarted,
    OutputAudioBufferStopped,
    ServerEvent,
)


class Speaker(Protocol):
    """Plays a session's speech and tells the client about it."""

    def play(self, response_id: str, pcm: bytes) -> None:
        """More speech of a response: 16-bit mono at 24 kHz."""
        ...

    def finish(self, response_id: str) -> None:
        """Nothing more comes for this response."""
        ...

    def clear(self) -> list[CutSpeech]:
        """Be silent at once; what was cut off."""
        ...


class TrackSpeaker:
    """Speech that a track pulls, 20 ms at a time, with the dialect's events about it."""

    def __init__(self, send: Callable[[ServerEvent], None]) -> None:
        self._line = SpeechLine()
        self._send = send

    def play(self, response_id: str, pcm: bytes) -> None:
        """See :meth:`Speaker.play`."""
        if self._line.push(response_id, pcm):
            self._send(OutputAudioBufferStarted(response_id=response_id))

    def finish(self, response_id: str) -> None:
        """See :meth:`Speaker.finish`."""
        self._line.finish(response_id)
        self._tell_ended()

    def clear(self) -> list[CutSpeech]:
        """See :meth:`Speaker.clear`."""
        cut = self._line.clear()
        for speech in cut:
            self._send(OutputAudioBufferCleared(response_id=speech.response_id))
        return cut

    def pull(self) -> Samples | None:
        """The next 20 ms ``[480]`` at 24 kHz; None is silence."""
        frame = self._line.pull()
        if frame is not None:
            self._tell_ended()
        return frame

    def _tell_ended(self) -> None:
        for response_id in self._line.take_ended():
            self._send(OutputAudioBufferStopped(response_id=response_id))
