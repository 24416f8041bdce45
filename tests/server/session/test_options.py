"""Options of sessions, turns and responses."""

from __future__ import annotations

from dataclasses import replace

import pytest

from server.config import Config, TurnConfig
from server.engine.interface import ResponseSpec, SamplingSpec, SessionSpec
from server.errors import ProtocolError
from server.session.options import (
    ResponseOverrides,
    SessionOptions,
    TurnOptions,
    Voice,
    check_fixed,
)

pytestmark = pytest.mark.unit


def test_the_defaults_are_those_of_the_settings() -> None:
    assert TurnOptions.from_config(TurnConfig()) == TurnOptions()
    assert SessionOptions.from_config(Config()) == SessionOptions()


def test_the_settings_reach_the_options() -> None:
    config = Config.model_validate(
        {
            "session": {"mode": "audio", "language": "zh", "hd": True},
            "turn": {"min_silence_s": 0.9},
            "response": {"temperature": 0, "max_output_tokens": 5, "seed": 3},
        }
    )
    options = SessionOptions.from_config(config)
    assert options.session_spec() == SessionSpec("audio", "zh", None, b"", True)
    assert options.turn_detection == TurnOptions(min_silence_s=0.9)
    assert options.sampling == SamplingSpec(temperature=0, seed=3)
    assert options.max_output_tokens == 5


def test_a_response_takes_the_sessions_choice_where_it_has_none() -> None:
    options = SessionOptions(output_audio=False, max_output_tokens=9)
    assert options.response_spec(None) == ResponseSpec(False, 9, options.sampling)
    wanted = ResponseOverrides(True, 3, SamplingSpec(temperature=0))
    assert options.response_spec(wanted) == ResponseSpec(True, 3, SamplingSpec(temperature=0))
    silent = ResponseOverrides(output_audio=False)
    assert SessionOptions().response_spec(silent).audio is False


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"mode": "audio"}, "mode"),
        ({"language": "zh"}, "language"),
        ({"hd": True}, "hd"),
        ({"voice": Voice("anna", b"\1\0")}, "voice"),
    ],
)
def test_what_is_part_of_the_system_prompt_is_fixed(change: dict[str, object], name: str) -> None:
    old = SessionOptions()
    with pytest.raises(ProtocolError, match=f"{name} cannot change"):
        check_fixed(old, replace(old, **change))  # type: ignore[arg-type]


def test_everything_else_may_change_and_a_voice_may_be_named_anew() -> None:
    old = SessionOptions()
    check_fixed(
        old,
        SessionOptions(
            instructions="Be kind.",
            voice=Voice("default"),
            output_audio=False,
            turn_detection=None,
            max_output_tokens=1,
        ),
    )


def test_recordings_stay_out_of_logs() -> None:
    assert "x01" not in repr(SessionOptions(voice=Voice("anna", b"\x01\x02")))
