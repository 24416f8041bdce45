"""What a scripted call gives the engine, turn by turn: units of sound and pictures, typed words."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import numpy as np

from model.training.domain.call_script import CallScript
from model.training.domain.written_calls import PICTURE_SIZE
from model.training.scenes.renderers import render
from model.training.scenes.scene import Scene
from model.training.speech_data.call_audio import Caller, turn_units
from model.training.speech_data.clips import Clip, to_pcm
from model.training.speech_data.synthesis import SpeechRequest
from server.engine.interface import ImageFrame, InputUnit, Mode, TextMessage
from server.evaluation.conditions import PlannedCall

Content = InputUnit | TextMessage
Speak = Callable[[SpeechRequest], Clip]


def no_clip(request: SpeechRequest) -> Clip:
    """For calls in which nobody speaks.

    Raises:
        LookupError: Somebody does.
    """
    raise LookupError(f"there is no clip of {request.text!r}: a typed call has none")


class CallMaterial:
    """Makes the content of one call, in order; the same for the same plan."""

    def __init__(self, planned: PlannedCall, speak: Speak = no_clip) -> None:
        """
        Args:
            planned: The call.
            speak: Gives a clip, such as ``ClipCache.read``.
        """
        self._script: CallScript = planned.call.script
        self._caller: Caller = planned.caller
        self._seed = planned.seed
        self._speak = speak
        self._unit_numbers = count()
        self._frame_numbers = count()

    @property
    def mode(self) -> Mode:
        """How its session is opened."""
        return "audio" if self._script.look is None else "omni"

    def turn(self, index: int) -> list[Content]:
        """What the user does in a turn, up to the moment it is to be answered.

        Turns are made in their order: units and pictures are counted through the call.
        """
        turn = self._script.turns[index]
        rng = np.random.default_rng([self._seed, index])
        content: list[Content] = []
        for unit in turn_units(turn, self._caller, self._speak, rng):
            pcm = to_pcm(unit.samples).astype("<i2").tobytes() if unit.samples.size else b""
            image = None if unit.image is None else self._picture(unit.image)
            content.append(InputUnit(next(self._unit_numbers), pcm, image))
        if turn.written:
            content.append(TextMessage("user", turn.written))
        return content

    def _picture(self, scene: Scene) -> ImageFrame:
        assert self._script.look is not None, "a call with pictures has a look"
        pixels = render(
            scene,
            self._script.look,
            self._script.style_seed,
            colours=self._script.colours,
            frame_index=next(self._frame_numbers),
            size=PICTURE_SIZE,
        )
        height, width, _ = pixels.shape
        return ImageFrame(width, height, pixels.tobytes())
