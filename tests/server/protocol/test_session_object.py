"""What a session.update makes of the configuration in effect."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.errors import ProtocolError
from server.protocol.audio_formats import PcmFormat, PcmuFormat
from server.protocol.session_object import (
    MAX_VOICE_BYTES,
    ServerVad,
    SessionObject,
    WireVoice,
    apply_patch,
)
from server.protocol.session_patch import SessionPatch

pytestmark = pytest.mark.unit

DEFAULTS = SessionObject(model="pocket", turn_detection=ServerVad(silence_duration_ms=450))
NAMES = ("pocket", "omnicall")


def updated(current: SessionObject = DEFAULTS, **fields: Any) -> SessionObject:
    patch = SessionPatch.model_validate({"type": "realtime", **fields})
    return apply_patch(current, patch, DEFAULTS, NAMES)


def refusal(**fields: Any) -> ProtocolError:
    with pytest.raises(ProtocolError) as caught:
        updated(**fields)
    return caught.value


def test_an_empty_update_changes_nothing() -> None:
    assert updated() == DEFAULTS


def test_only_present_fields_change() -> None:
    first = updated(instructions="be brief", hd=True, audio={"input": {"turn_detection": None}})
    second = updated(first, language="zh", audio={"output": {"format": {"type": "audio/pcmu"}}})
    assert second.instructions == "be brief"
    assert second.hd
    assert second.turn_detection is None
    assert second.language == "zh"
    assert second.output_format == PcmuFormat()
    assert second.input_format == PcmFormat()


def test_an_empty_string_clears_the_instructions_and_null_leaves_them() -> None:
    brief = updated(instructions="be brief")
    assert updated(brief, instructions=None).instructions == "be brief"
    assert updated(brief, instructions="").instructions == ""


def test_turn_detection_that_comes_back_starts_from_the_defaults() -> None:
    manual = updated(audio={"input": {"turn_detection": None}})
    back = updated(manual, audio={"input": {"turn_detection": {"type": "server_vad"}}})
    assert back.turn_detection == DEFAULTS.turn_detection


def test_fields_of_turn_detection_change_one_by_one() -> None:
    first = updated(audio={"input": {"turn_detection": {"type": "server_vad", "threshold": 0.7}}})
    second = updated(
        first,
        audio={"input": {"turn_detection": {"type": "server_vad", "create_response": False}}},
    )
    assert second.turn_detection == ServerVad(
        threshold=0.7, silence_duration_ms=450, create_response=False
    )


@pytest.mark.parametrize(("eagerness", "silence_ms"), [("low", 1000), ("high", 300), ("auto", 450)])
def test_semantic_vad_is_answered_with_the_server_vad_it_is_run_as(
    eagerness: str, silence_ms: int
) -> None:
    semantic = {"type": "semantic_vad", "eagerness": eagerness, "interrupt_response": False}
    session = updated(audio={"input": {"turn_detection": semantic}})
    wire = session.to_wire("s")["audio"]["input"]["turn_detection"]
    assert wire["type"] == "server_vad"
    assert wire["silence_duration_ms"] == silence_ms
    assert wire["interrupt_response"] is False


def test_the_full_configuration_is_answered() -> None:
    session = updated(
        max_output_tokens="inf",
        output_modalities=["text"],
        sampling={"temperature": 0, "seed": 7},
        extensions=["response.timings", "unit.prefilled"],
        mode="audio",
    )
    wire = session.to_wire("sess_1")
    assert wire["id"] == "sess_1"
    assert wire["model"] == "pocket"
    assert wire["max_output_tokens"] == "inf"
    assert wire["output_modalities"] == ["text"]
    assert wire["sampling"]["temperature"] == 0
    assert wire["sampling"]["seed"] == 7
    assert wire["sampling"]["top_p"] == 0.8
    assert wire["extensions"] == ["response.timings", "unit.prefilled"]
    assert wire["mode"] == "audio"
    assert wire["tools"] == []


def test_null_takes_the_seed_away_again() -> None:
    seeded = updated(sampling={"seed": 7})
    assert updated(seeded, sampling={"temperature": 0.1}).sampling.seed == 7
    assert updated(seeded, sampling={"seed": None}).sampling.seed is None


def test_wishes_for_more_quality_are_answered_with_what_is_done() -> None:
    session = updated(
        tracing="auto",
        include=["item.input_audio_transcription.logprobs"],
        tools=[],
        tool_choice="auto",
        audio={
            "input": {
                "noise_reduction": {"type": "near_field"},
                "transcription": {"model": "whisper-1"},
            }
        },
    )
    wire = session.to_wire("s")
    assert wire["tracing"] is None
    assert wire["audio"]["input"]["noise_reduction"] is None
    assert wire["audio"]["input"]["transcription"] is None


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": "gpt-realtime"}, "session.model"),
        ({"tools": [{"type": "function"}]}, "session.tools"),
        ({"tool_choice": "required"}, "session.tool_choice"),
        ({"prompt": {"id": "p"}}, "session.prompt"),
        ({"truncation": "disabled"}, "session.truncation"),
        ({"audio": {"output": {"speed": 1.5}}}, "session.audio.output.speed"),
        ({"audio": {"output": {"voice": "darth"}}}, "session.audio.output.voice"),
        ({"audio": {"output": {"voice": {"id": "voice_1"}}}}, "session.audio.output.voice"),
        ({"audio": {"output": {"voice": {}}}}, "session.audio.output.voice"),
    ],
)
def test_a_wish_whose_neglect_would_be_noticed_is_refused(
    fields: dict[str, Any], param: str
) -> None:
    error = refusal(**fields)
    assert error.param == param
    assert error.message


def test_the_model_may_be_named_as_long_as_it_is_this_one() -> None:
    assert updated(model="omnicall") == DEFAULTS


def test_stock_voices_get_the_checkpoint_s_own_voice_and_are_told_so() -> None:
    session = updated(audio={"output": {"voice": "marin"}})
    assert session.to_wire("s")["audio"]["output"]["voice"] == "default"
    assert updated(audio={"output": {"voice": {"id": "default"}}}).voice == WireVoice()


def test_a_recording_becomes_the_voice() -> None:
    recording = base64.b64encode(b"\x01\x02" * 100).decode()
    session = updated(audio={"output": {"voice": {"id": "me", "reference_audio": recording}}})
    assert session.voice == WireVoice("me", b"\x01\x02" * 100)
    assert session.to_wire("s")["audio"]["output"]["voice"] == "me"
    assert updated(session, audio={"output": {"voice": "me"}}).voice == session.voice
    nameless = updated(audio={"output": {"voice": {"reference_audio": recording}}})
    assert nameless.voice.name == "reference"


VOICED = replace(DEFAULTS, voices={"alan": b"\x01\x00", "echo": b"\x02\x00"})


def test_a_voice_of_the_checkpoint_is_chosen_by_name() -> None:
    session = updated(VOICED, audio={"output": {"voice": "alan"}})
    assert session.voice == WireVoice("alan")
    assert session.to_wire("s")["audio"]["output"]["voice"] == "alan"
    assert updated(VOICED, audio={"output": {"voice": {"id": "alan"}}}).voice == session.voice
    assert updated(session, audio={"output": {"voice": "default"}}).voice == WireVoice()
    assert updated(session, audio={"output": {"voice": "sage"}}).voice == WireVoice()


def test_a_voice_of_the_checkpoint_comes_before_the_stock_name_it_bears() -> None:
    assert updated(VOICED, audio={"output": {"voice": "echo"}}).voice == WireVoice("echo")


def test_a_recording_keeps_the_name_its_client_gave_it() -> None:
    own = {"id": "alan", "reference_audio": base64.b64encode(b"\x05\x06").decode()}
    session = updated(VOICED, audio={"output": {"voice": own}})
    assert session.voice.pcm == b"\x05\x06"
    assert updated(session, audio={"output": {"voice": "alan"}}).voice == session.voice


def test_an_unknown_voice_is_answered_with_those_there_are() -> None:
    with pytest.raises(ProtocolError, match=r"no voice 'x{80}'; name one of 'default', 'alan'"):
        updated(VOICED, audio={"output": {"voice": "x" * 5000}})
    with pytest.raises(ProtocolError, match="id or reference_audio"):
        updated(VOICED, audio={"output": {"voice": {}}})


def test_voices_are_an_offer_and_no_part_of_what_is_in_effect() -> None:
    assert VOICED == DEFAULTS
    assert "voices" not in VOICED.to_wire("s")
    assert "voices" not in repr(VOICED)


@pytest.mark.parametrize(
    ("recording", "code"),
    [
        ("?", "invalid_base64"),
        ("", "invalid_audio"),
        (base64.b64encode(b"odd").decode(), "invalid_audio"),
        ("A" * (MAX_VOICE_BYTES * 4 // 3 + 8), "invalid_audio"),
    ],
)
def test_an_unusable_recording_is_refused(recording: str, code: str) -> None:
    error = refusal(audio={"output": {"voice": {"id": "me", "reference_audio": recording}}})
    assert error.code == code
    assert error.param == "session.audio.output.voice.reference_audio"


def test_a_refused_update_leaves_what_is_in_effect() -> None:
    with pytest.raises(ProtocolError):
        updated(instructions="be brief", tools=[{}])
    assert DEFAULTS.instructions == ""


@settings(deadline=None, max_examples=40)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "instructions": st.text(max_size=20),
            "hd": st.booleans(),
            "mode": st.sampled_from(["omni", "audio"]),
            "language": st.sampled_from(["en", "zh"]),
            "max_output_tokens": st.integers(1, 4096) | st.just("inf"),
            "output_modalities": st.sampled_from([["audio"], ["text"]]),
        },
    )
)
def test_applying_an_update_twice_is_applying_it_once(fields: dict[str, Any]) -> None:
    once = updated(**fields)
    assert updated(once, **fields) == once
