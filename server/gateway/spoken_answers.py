"""Answers on a speaker: what is played, what an interruption cuts off, and what was heard of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from server.engine.interface import ResponseStatus
from server.gateway.speaker import Speaker
from server.media.speech_line import CutSpeech
from server.protocol.session_object import ServerVad
from server.session.events import (
    HistoryReset,
    ResponseAudio,
    ResponseFinished,
    ResponseStarted,
    SessionOutput,
    TurnStarted,
)


class SpokenAnswers:
    """Makes one connection's speaker follow its session. Never awaits."""

    def __init__(self, speaker: Speaker, tell_heard: Callable[[str, float], None]) -> None:
        """
        Args:
            speaker: Plays the answers.
            tell_heard: Called with a response that was cut off and the seconds heard of it, once
                the response is over.
        """
        self._speaker = speaker
        self._tell_heard = tell_heard
        self._active_id: str | None = None
        self._cut_short: dict[str, float] = {}

    def follow(self, output: SessionOutput, detection: ServerVad | None) -> None:
        """Do what follows from an output that the client was told.

        Args:
            output: What the session said.
            detection: How turns are detected, if they are.
        """
        match output:
            case ResponseStarted(response_id):
                self._active_id = response_id
            case ResponseAudio(response_id, pcm):
                self._speaker.play(response_id, pcm)
            case TurnStarted() if detection is not None and detection.interrupt_response:
                # The session cancels the answer at this moment; that it is over comes later.
                self._cut(self._speaker.clear())
            case HistoryReset():
                self._speaker.clear()
                self._cut_short.clear()
            case ResponseFinished(response_id, status):
                self._finish(response_id, status)
            case _:
                pass

    def silence(self) -> Sequence[str]:
        """Be silent at once; the responses this cut off."""
        cut = self._speaker.clear()
        self._cut(cut)
        return [speech.response_id for speech in cut]

    def _finish(self, response_id: str, status: ResponseStatus) -> None:
        if status is ResponseStatus.CANCELLED:
            self._cut(self._speaker.clear())
        self._speaker.finish(response_id)
        self._active_id = None
        self._tell()

    def _cut(self, cut: Sequence[CutSpeech]) -> None:
        self._cut_short |= {speech.response_id: speech.played_s for speech in cut}
        self._tell()

    def _tell(self) -> None:
        for response_id in [known for known in self._cut_short if known != self._active_id]:
            self._tell_heard(response_id, self._cut_short.pop(response_id))
