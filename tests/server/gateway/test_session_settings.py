"""Between the dialect's session object and the session's options."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from server.config import Config
from server.errors import ProtocolError
from server.gateway.session_settings import default_settings, response_overrides, session_options
from server.protocol.audio_formats import PcmuFormat
from server.protocol.client_events import ResponseWishes
from server.protocol.session_object import WireVoice
from server.session.options import SessionOptions

pytestmark = pytest.mark.unit

CONFIG = Config.model_validate(
    {
        "session": {"mode": "audio", "language": "zh", "hd": True},
        "turn": {"min_speech_s": 0.2, "min_silence_s": 0.7, "prefix_padding_s": 0.25},
        "response": {"temperature": 0.0, "seed": 3, "max_output_tokens": 99},
    }
)
DEFAULTS = default_settings(CONFIG, "pocket")


def wishes(**fields: Any) -> ResponseWishes:
    return ResponseWishes.model_validate(fields)


@pytest.mark.parametrize("config", [Config(), CONFIG])
def test_untouched_settings_are_the_server_s_own(config: Config) -> None:
    options = session_options(default_settings(config, "pocket"), config)
    assert options == SessionOptions.from_config(config)


def test_what_a_client_chose_reaches_the_session() -> None:
    settings = replace(
        DEFAULTS,
        instructions="be brief",
        output_modality="text",
        max_output_tokens="inf",
        turn_detection=None,
        mode="omni",
    )
    options = session_options(settings, CONFIG)
    assert options.instructions == "be brief"
    assert not options.output_audio
    assert options.max_output_tokens == 4096
    assert options.turn_detection is None
    assert options.mode == "omni"


def test_a_recorded_voice_is_brought_to_the_model_s_rate() -> None:
    settings = replace(DEFAULTS, voice=WireVoice("me", b"\x01\x00" * 24_000))
    voice = session_options(settings, CONFIG).voice
    assert voice is not None
    assert voice.name == "me"
    assert len(voice.pcm) == 2 * 16_000
    assert session_options(settings, CONFIG).voice == voice


def test_no_wishes_are_no_overrides() -> None:
    assert response_overrides(None, DEFAULTS) is None


def test_wishes_become_overrides() -> None:
    overrides = response_overrides(
        wishes(
            output_modalities=["text"],
            max_output_tokens="inf",
            instructions="say hello",
            conversation="auto",
            tools=[],
            tool_choice="none",
            audio={"output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "default"}},
        ),
        DEFAULTS,
    )
    assert overrides is not None
    assert overrides.output_audio is False
    assert overrides.max_output_tokens == 4096
    assert overrides.instructions == "say hello"


def test_what_is_not_wished_stays_the_session_s() -> None:
    overrides = response_overrides(wishes(max_output_tokens=7), DEFAULTS)
    assert overrides is not None
    assert overrides.output_audio is None
    assert overrides.max_output_tokens == 7
    assert overrides.instructions is None


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"conversation": "none"}, "response.conversation"),
        ({"input": []}, "response.input"),
        ({"tools": [{"type": "function"}]}, "response.tools"),
        ({"tool_choice": "required"}, "response.tool_choice"),
        ({"prompt": {"id": "p"}}, "response.prompt"),
        (
            {"audio": {"output": {"format": {"type": "audio/pcma"}}}},
            "response.audio.output.format",
        ),
        ({"audio": {"output": {"voice": "darth"}}}, "response.audio.output.voice"),
    ],
)
def test_a_wish_that_would_be_neglected_is_refused(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        response_overrides(wishes(**fields), DEFAULTS)
    assert caught.value.param == param


def test_the_voice_of_one_answer_is_the_session_s() -> None:
    recorded = replace(DEFAULTS, voice=WireVoice("me", b"\x01\x00"), output_format=PcmuFormat())
    with pytest.raises(ProtocolError, match="voice is the session's"):
        response_overrides(wishes(audio={"output": {"voice": "alloy"}}), recorded)
    assert response_overrides(wishes(audio={"output": {"voice": "me"}}), recorded) is not None
