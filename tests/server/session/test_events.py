"""What a session can say."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from typing import get_args

import pytest

from server.session.events import ResponseAudio, SessionOutput

pytestmark = pytest.mark.unit


def test_outputs_cannot_be_changed_on_their_way() -> None:
    piece = ResponseAudio("resp_1", b"\0\0", 0.0)
    with pytest.raises(FrozenInstanceError):
        piece.start_s = 1.0  # type: ignore[misc]


def test_speech_stays_out_of_logs() -> None:
    assert "pcm" not in repr(ResponseAudio("resp_1", b"\0\0", 0.0))


def test_every_output_is_documented() -> None:
    assert all(kind.__doc__ and "(" not in kind.__doc__ for kind in get_args(SessionOutput))
