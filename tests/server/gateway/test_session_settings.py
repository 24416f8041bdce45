"""Between the dialect's session object and the session's options."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from server.config import Config
from server.engine.interface import EngineInfo
from server.errors import ProtocolError
from server.gateway.session_settings import (
    default_settings,
    opening_settings,
    response_overrides,
    session_options,
)
from server.protocol.audio_formats import PcmuFormat
from server.protocol.client_events import ResponseWishes
from server.protocol.session_object import WireVoice
from server.session.options import SessionOptions, Voice

pytestmark = pytest.mark.unit

CONFIG = Config.model_validate(
    {
        "session": {"mode": "audio", "language": "zh", "hd": True},
        "turn": {"min_speech_s": 0.2, "min_silence_s": 0.7, "prefix_padding_s": 0.25},
        "response": {"temperature": 0.0, "seed": 3, "max_output_tokens": 99},
    }
)
DEFAULTS = default_settings(CONFIG, "pocket")
VOICES = {"alan": b"\x01\x00", "clara": b"\x02\x00"}
INFO = EngineInfo("pocket", True, "cpu", "float32", 4, 8192, 1_000_000, 0.1, VOICES)


def wishes(**fields: Any) -> ResponseWishes:
    return ResponseWishes.model_validate(fields)


@pytest.mark.parametrize("config", [Config(), CONFIG])
def test_untouched_settings_are_the_server_s_own(config: Config) -> None:
    options = session_options(default_settings(config, "pocket"), config)
    assert options == SessionOptions.from_config(config)


def test_a_call_begins_with_what_its_secret_was_made_for_and_the_model_that_is_loaded() -> None:
    assert opening_settings(CONFIG, "pocket", None) == DEFAULTS
    chosen = replace(default_settings(CONFIG, "before loading"), instructions="be brief")
    assert opening_settings(CONFIG, "pocket", chosen) == replace(DEFAULTS, instructions="be brief")


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


def test_a_voice_of_the_checkpoint_brings_its_recording() -> None:
    settings = replace(default_settings(CONFIG, "pocket", INFO), voice=WireVoice("alan"))
    assert session_options(settings, CONFIG).voice == Voice("alan", VOICES["alan"])
    assert session_options(default_settings(CONFIG, "pocket", INFO), CONFIG).voice is None


def test_sessions_that_name_no_voice_get_the_server_s_choice() -> None:
    config = Config.model_validate({"session": {"voice": "clara"}})
    settings = default_settings(config, "pocket", INFO)
    assert settings.voice == WireVoice("clara")
    assert session_options(settings, config).voice == Voice("clara", VOICES["clara"])


def test_before_the_checkpoint_is_loaded_its_voices_are_not_known() -> None:
    config = Config.model_validate({"session": {"voice": "clara"}})
    early = default_settings(config, "pocket")
    assert session_options(early, config).voice is None, "and no session is given out then"
    later = opening_settings(config, "pocket", early, INFO)
    assert session_options(later, config).voice == Voice("clara", VOICES["clara"])


def test_a_secret_whose_voice_is_gone_says_so() -> None:
    chosen = replace(DEFAULTS, voice=WireVoice("bea"))
    with pytest.raises(ProtocolError, match="no voice 'bea'; name one of 'default', 'alan'"):
        opening_settings(CONFIG, "pocket", chosen, INFO)
    recorded = replace(DEFAULTS, voice=WireVoice("bea", b"\x01\x00"))
    assert opening_settings(CONFIG, "pocket", recorded, INFO).voice == recorded.voice
    assert opening_settings(CONFIG, "pocket", DEFAULTS, INFO).voices == VOICES


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


def test_one_answer_cannot_have_another_of_the_checkpoint_s_voices() -> None:
    settings = replace(default_settings(CONFIG, "pocket", INFO), voice=WireVoice("alan"))
    assert response_overrides(wishes(audio={"output": {"voice": "alan"}}), settings) is not None
    with pytest.raises(ProtocolError, match="voice is the session's"):
        response_overrides(wishes(audio={"output": {"voice": "clara"}}), settings)
