"""`omnicall call`: what it reads, what it prints, and how it ends."""

from __future__ import annotations

import base64
import json
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from PIL import Image
from typer.testing import CliRunner, Result

from server.cli.call import accept_any_certificate, choose_mode, read_recording, read_voice
from server.cli.call_client import CallError
from server.cli.call_media import WIRE_RATE_HZ, MediaError, Recording
from server.cli.main import app
from tests.fakes.media_files import tone, write_clip
from tests.fakes.scripted_server import Event, Script, ScriptedCall, scripted_server_thread

pytestmark = pytest.mark.integration

ANSWER = tone(0.5, WIRE_RATE_HZ).tobytes()
NOBODY = "ws://127.0.0.1:9/v1/realtime"
SILENT = Recording(np.empty(0, np.int16))


async def answer_when_asked(call: ScriptedCall, event: Event) -> None:
    if event["type"] == "response.create":
        await call.answer("你好 there", ANSWER)


def answering(
    script: Script = answer_when_asked,
) -> AbstractContextManager[tuple[str, list[ScriptedCall]]]:
    """A server to call, and the calls it gets."""
    return scripted_server_thread(script)


def run(*arguments: str, **options: Any) -> Result:
    return CliRunner().invoke(app, ["call", *arguments], **options)


def write_sound(path: Path, seconds: float = 0.2) -> Path:
    soundfile.write(path, tone(seconds, WIRE_RATE_HZ), WIRE_RATE_HZ)
    return path


def write_picture(path: Path) -> Path:
    Image.new("RGB", (64, 48), "teal").save(path)
    return path


# --- what is read


def test_sound_and_pictures_come_from_where_they_are_named(tmp_path: Path) -> None:
    sound = str(write_sound(tmp_path / "sound.wav", 0.5))
    clip = str(write_clip(tmp_path / "clip.mp4", 2, sound_rate_hz=48_000))
    picture = str(write_picture(tmp_path / "picture.png"))

    def shape(audio: str | None, video: str | None, frames: str | None) -> tuple[float, int]:
        recording = read_recording(audio, video, frames, None)
        return round(recording.audio_s, 1), len(recording.frames)

    assert shape(sound, None, None) == (0.5, 0)
    assert shape(sound, clip, None) == (0.5, 2), "named sound replaces the video's own"
    assert shape(None, clip, None) == (2.0, 2), "a video brings its own question"
    assert shape(sound, None, picture) == (0.5, 1)


def test_a_typed_question_leaves_the_sound_of_a_video_out(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", 1, sound_rate_hz=48_000)
    recording = read_recording(None, str(clip), None, "what is this?")
    assert len(recording.frames) == 1 and not recording.pcm.any()
    assert recording.audio_s == 1.0, "a picture is seen with the second it is shown in"
    alone = read_recording(None, None, None, "hello")
    assert not len(alone.pcm) and alone.frames == ()


def test_raw_pcm_comes_from_standard_input() -> None:
    pcm = tone(0.1, WIRE_RATE_HZ).tobytes()
    with answering() as (url, calls):
        result = run("--audio", "-", "--manual-turn", "--quiet", "--url", url, input=pcm)
    assert result.exit_code == 0, result.output
    assert calls[0].audio() == pcm


@pytest.mark.parametrize(
    ("audio", "video", "frames", "text", "said"),
    [
        (None, "a.mp4", "b.png", "hello", "not both"),
        (None, None, None, None, "nothing to ask"),
        (None, None, None, "", "nothing to ask"),
        (None, None, "b.png", None, "nothing to ask"),
        (None, "absent.mp4", None, None, "does not exist"),
        ("absent.wav", None, None, None, "does not exist"),
        (None, None, "absent.png", "hello", "cannot read the picture"),
    ],
)
def test_a_question_that_cannot_be_read_is_refused(
    audio: str | None, video: str | None, frames: str | None, text: str | None, said: str
) -> None:
    with pytest.raises(MediaError, match=said):
        read_recording(audio, video, frames, text)


def test_a_silent_video_alone_asks_nothing(tmp_path: Path) -> None:
    clip = str(write_clip(tmp_path / "clip.mp4", 1))
    with pytest.raises(MediaError, match="no audio track: add --audio or --text"):
        read_recording(None, clip, None, None)


def test_the_mode_follows_what_there_is_to_see() -> None:
    assert choose_mode(None, SILENT) == "audio"
    assert choose_mode(None, Recording(SILENT.pcm, (b"jpeg",))) == "omni"
    assert choose_mode("omni", SILENT) == "omni"
    with pytest.raises(CallError, match="unknown mode 'video': use omni or audio"):
        choose_mode("video", SILENT)


def test_a_voice_is_a_name_or_a_recording(tmp_path: Path) -> None:
    assert read_voice(None) is None
    assert read_voice("assistant") == "assistant"
    sound = tone(0.1, WIRE_RATE_HZ)
    path = tmp_path / "voice.wav"
    soundfile.write(path, sound, WIRE_RATE_HZ)
    carried = read_voice(str(path))
    assert base64.b64decode(carried["reference_audio"]) == sound.tobytes()


@pytest.mark.parametrize(
    ("url", "accepted"),
    [
        ("wss://localhost:8443/v1/realtime", True),
        ("wss://127.0.0.1/v1/realtime", True),
        ("wss://[::1]:8443/v1/realtime", True),
        ("wss://example.org/v1/realtime", False),
        ("wss://localhost.example.org/v1/realtime", False),
        ("wss://127.0.0.1.example.org/v1/realtime", False),
        ("wss://localhost@example.org/v1/realtime", False),
        ("wss://[::1/v1/realtime", False),
    ],
)
def test_any_certificate_is_accepted_of_this_machine_only(url: str, accepted: bool) -> None:
    assert accept_any_certificate(url, None) is accepted
    assert accept_any_certificate(url, True) is True
    assert accept_any_certificate(url, False) is False


# --- what is printed and saved, and how it ends


def test_one_json_object_is_printed_and_the_answer_saved(tmp_path: Path) -> None:
    sound = write_sound(tmp_path / "sound.wav")
    reply = tmp_path / "reply"
    with answering() as (url, _):
        result = run("--audio", str(sound), "--manual-turn", "--url", url, "--out", str(reply))
    assert result.exit_code == 0, result.output
    (line,) = result.stdout.splitlines()
    assert "你好" in line, "text stays readable"
    report = json.loads(line)
    assert report["errors"] == []
    assert report["checkpoint"] == "pocket-untrained"
    assert report["turns"][0]["transcript"] == "你好 there"
    assert report["turns"][0]["audio_s"] == 0.5
    assert "sending" in result.stderr, "progress is on standard error"
    assert soundfile.info(reply).format == "WAV", "whatever it is called"
    saved, rate_hz = soundfile.read(reply, dtype="int16")
    assert rate_hz == WIRE_RATE_HZ
    assert saved.astype("<i2").tobytes() == ANSWER


def test_options_reach_the_server() -> None:
    with answering() as (url, calls):
        result = run(
            *("--text", "hello", "--quiet", "--url", url),
            *("--mode", "omni", "--voice", "assistant", "--language", "zh"),
            *("--instructions", "be brief", "--greedy", "--max-output-tokens", "7"),
            *("--repeat", "2", "--api-key", "sesame"),
        )
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    (call,) = calls
    session = call.received[0]["session"]
    assert session["mode"] == "omni"
    assert session["language"] == "zh"
    assert session["instructions"] == "be brief"
    assert session["audio"]["output"]["voice"] == "assistant"
    assert session["sampling"] == {"temperature": 0.0, "speech_greedy": True}
    assert session["max_output_tokens"] == 7
    assert len(json.loads(result.stdout)["turns"]) == 2
    assert call.connection.request is not None
    assert call.connection.request.headers["Authorization"] == "Bearer sesame"


def test_an_error_event_is_in_the_report_and_the_exit_code() -> None:
    error = {"code": "engine_overloaded", "message": "try again later"}

    async def refuse(call: ScriptedCall, event: Event) -> None:
        if event["type"] == "response.create":
            await call.send("error", error=error)

    with answering(refuse) as (url, _):
        result = run("--text", "hello", "--url", url)
    assert result.exit_code == 1
    assert "try again later" in result.stderr
    assert json.loads(result.stdout)["errors"] == [error]


def test_a_call_whose_settings_are_refused_is_not_held() -> None:
    async def refuse(call: ScriptedCall, event: Event) -> None:
        if event["type"] == "session.update":
            error = {"code": "invalid_value", "message": "no such language"}
            await call.send("error", error=error | {"event_id": event["event_id"]})

    with answering(refuse) as (url, _):
        result = run("--text", "hello", "--language", "xx", "--quiet", "--url", url)
    assert isinstance(result.exception, CallError)
    (error,) = json.loads(result.stdout)["errors"]
    assert error["code"] == "invalid_value", "the server's own code"
    assert "refused the call's settings: no such language" in error["message"]


def test_a_call_that_breaks_off_still_reports_what_was_received(tmp_path: Path) -> None:
    async def hang_up(call: ScriptedCall, event: Event) -> None:
        if event["type"] == "response.create":
            await call.send("response.created", response={"id": "resp_1"})
            delta = base64.b64encode(ANSWER).decode()
            await call.send("response.output_audio.delta", delta=delta)
            await call.connection.close(1011)

    reply = tmp_path / "reply.wav"
    with answering(hang_up) as (url, _):
        result = run("--text", "hello", "--quiet", "--url", url, "--out", str(reply))
    assert isinstance(result.exception, CallError)
    report = json.loads(result.stdout)
    assert report["errors"][0]["code"] == "call_failed"
    assert report["turns"][0]["audio_s"] == 0.5
    assert soundfile.info(reply).duration == 0.5


def test_an_answer_that_cannot_be_saved_is_still_reported(tmp_path: Path) -> None:
    nowhere = tmp_path / "absent" / "reply.wav"
    with answering() as (url, _):
        result = run("--text", "hello", "--quiet", "--url", url, "--out", str(nowhere))
    assert isinstance(result.exception, MediaError)
    assert json.loads(result.stdout)["turns"][0]["transcript"] == "你好 there"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (NOBODY, "omnicall serve"),
        ("localhost:8443", "wss://host:port/v1/realtime"),
        ("http://localhost:8443", "wss://host:port/v1/realtime"),
    ],
)
def test_a_server_that_cannot_be_called_is_named_with_a_remedy(url: str, said: str) -> None:
    result = run("--text", "hello", "--quiet", "--url", url)
    assert isinstance(result.exception, CallError)
    assert url in result.exception.message and said in result.exception.message
    (error,) = json.loads(result.stdout)["errors"]
    assert error == {"code": "call_failed", "message": result.exception.message}


def test_a_server_of_another_kind_is_an_error_not_a_traceback() -> None:
    async def babble(call: ScriptedCall, event: Event) -> None:
        await call.connection.send("hello, I am a chat room")

    with answering(babble) as (url, _):
        result = run("--text", "hello", "--quiet", "--url", url)
    assert isinstance(result.exception, CallError)
    assert "no event of the Realtime API" in result.exception.message
