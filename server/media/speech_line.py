"""Speech on its way into a track: taken in pieces of any length, handed out 20 ms at a time."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from server.media.opus_encoder import FRAME_SAMPLES
from server.media.pcm import SPEECH_HZ, Samples, samples_from_bytes


@dataclass(slots=True)
class _Speech:
    """What one response says."""

    response_id: str
    pieces: deque[Samples]
    is_finished: bool = False
    """Nothing more comes for it."""
    n_played: int = 0


@dataclass(frozen=True, slots=True)
class CutSpeech:
    """Speech that was discarded before its end."""

    response_id: str
    played_s: float
    """How much of it was handed out."""


class SpeechLine:
    """The speech of one call, response after response. Never awaits.

    Queue: bounded by the session's playout, which releases at most `webrtc.speech_lead_s` ahead of
    real time; nothing is dropped but by :meth:`clear`.
    """

    def __init__(self) -> None:
        self._speeches: deque[_Speech] = deque()

    def push(self, response_id: str, pcm: bytes) -> bool:
        """Add speech, 16-bit mono at 24 kHz; whether it is the first of its response."""
        speech = self._find(response_id)
        is_first = speech is None
        if speech is None:
            speech = _Speech(response_id, deque())
            self._speeches.append(speech)
        speech.pieces.append(samples_from_bytes(pcm))
        return is_first

    def finish(self, response_id: str) -> None:
        """Nothing more comes for this response; it is over once it was handed out."""
        speech = self._find(response_id)
        if speech is not None:
            speech.is_finished = True

    def pull(self) -> Samples | None:
        """The next 20 ms ``[480]``, filled up with silence; None when there is nothing to say."""
        wanted = FRAME_SAMPLES
        taken: list[Samples] = []
        for speech in self._speeches:
            while wanted and speech.pieces:
                piece = speech.pieces.popleft()
                if piece.size > wanted:
                    speech.pieces.appendleft(piece[wanted:])
                    piece = piece[:wanted]
                taken.append(piece)
                wanted -= piece.size
                speech.n_played += piece.size
        if not taken:
            return None
        if wanted:
            taken.append(np.zeros(wanted, dtype=np.int16))
        return np.concatenate(taken)

    def take_ended(self) -> list[str]:
        """Responses that were handed out to their end; each is told once."""
        ended = []
        while self._speeches and self._speeches[0].is_finished and not self._speeches[0].pieces:
            ended.append(self._speeches.popleft().response_id)
        return ended

    def clear(self) -> list[CutSpeech]:
        """Discard everything; what that was of."""
        cut = [
            CutSpeech(speech.response_id, speech.n_played / SPEECH_HZ) for speech in self._speeches
        ]
        self._speeches.clear()
        return cut

    def _find(self, response_id: str) -> _Speech | None:
        return next((s for s in self._speeches if s.response_id == response_id), None)
