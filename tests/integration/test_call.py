"""Whole calls with real audio and video files, processes and sockets, at real-time pace."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from PIL import Image

from server.cli.call_client import CallClient, CallOptions
from server.cli.call_media import WIRE_RATE_HZ, Recording, read_audio, read_video
from server.cli.call_report import CallReport
from server.clock import SystemClock
from tests.fakes.media_files import QUESTION, tone, write_clip
from tests.integration.conftest import ServerProcess

pytestmark = pytest.mark.integration

SAMPLES_PER_FRAME = 512
"""Samples at 24 kHz that one frame of speech codes stands for."""
GREEDY = {"temperature": 0.0, "speech_greedy": True}


def place(server: ServerProcess, recording: Recording, **options: Any) -> CallReport:
    return asyncio.run(hold(server, recording, **options))


async def hold(server: ServerProcess, recording: Recording, **options: Any) -> CallReport:
    chosen = CallOptions(url=server.realtime, verify_certificate=False, **options)
    async with asyncio.timeout(120):
        return await CallClient(chosen, SystemClock()).place(recording)


def test_a_spoken_question_and_a_clip_get_a_spoken_answer(
    server: ServerProcess, tmp_path: Path
) -> None:
    """The README's command: 6 s of speech, 6 s of video, ended by the turn detector."""
    clip = write_clip(tmp_path / "clip.mp4", 6)
    reply = tmp_path / "reply.wav"
    command = [sys.executable, "-m", "server", "call", "--url", server.realtime]
    command += ["--audio", str(QUESTION), "--video", str(clip), "--out", str(reply)]
    command += ["--max-output-tokens", "40", "--greedy"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.strip().splitlines()
    assert len(lines) == 1, "standard output is one JSON object; progress goes to standard error"
    report = json.loads(lines[0])
    assert set(report) == {
        "checkpoint",
        "transport",
        "units_sent",
        "units_late",
        "turns",
        "errors",
    }
    assert report["errors"] == []
    assert report["transport"] == "websocket"
    # The speech is 6 s long and its end is heard half a second later: 6 or 7 units.
    assert report["units_sent"] in (6, 7)
    assert report["units_late"] == 0
    (turn,) = report["turns"]
    assert set(turn) == {"transcript", "audio_s", "eou_delay_s", "ttft_s", "ttfa_s", "rtf"}
    assert turn["transcript"]
    assert 0 < turn["ttft_s"] <= turn["ttfa_s"]
    assert 0.4 < turn["eou_delay_s"] < 1.5
    saved, rate_hz = soundfile.read(reply, dtype="int16")
    assert rate_hz == WIRE_RATE_HZ
    assert len(saved) == round(turn["audio_s"] * rate_hz)
    assert len(saved) % SAMPLES_PER_FRAME == 0, "total audio is what the codes say"
    assert np.abs(saved).max() > 0


def test_a_typed_question_about_pictures_shows_each_for_a_second(
    server: ServerProcess, tmp_path: Path
) -> None:
    for name in ("first.png", "second.png"):
        Image.new("RGB", (64, 48), (200, 30, 30)).save(tmp_path / name)
    command = [sys.executable, "-m", "server", "call", "--url", server.realtime, "--quiet"]
    command += ["--frames", str(tmp_path), "--text", "What do you see?"]
    command += ["--max-output-tokens", "20", "--greedy"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["units_sent"] == 2 and report["errors"] == []
    assert report["turns"][0]["transcript"]


def test_two_calls_at_once_get_exactly_what_each_gets_alone(
    server: ServerProcess, tmp_path: Path
) -> None:
    frames = read_video(str(write_clip(tmp_path / "clip.mp4", 2)))
    question = read_audio(str(QUESTION))
    first = Recording(question[: 2 * WIRE_RATE_HZ], frames)
    second = Recording(tone(1.6, WIRE_RATE_HZ))
    options: dict[str, Any] = {"manual_turn": True, "sampling": GREEDY, "max_output_tokens": 30}

    def spoken(report: CallReport) -> tuple[str, bytes]:
        assert report.errors == []
        return report.turns[0].transcript, report.pcm()

    alone = [
        spoken(place(server, first, mode="omni", **options)),
        spoken(place(server, second, mode="audio", **options)),
    ]

    async def both() -> list[CallReport]:
        return await asyncio.gather(
            hold(server, first, mode="omni", **options),
            hold(server, second, mode="audio", **options),
        )

    together = [spoken(report) for report in asyncio.run(both())]
    assert alone[0] != alone[1]
    assert together == alone


def test_a_typed_question_gets_an_answer(server: ServerProcess) -> None:
    silent = Recording(np.empty(0, np.int16))
    options: dict[str, Any] = {"sampling": GREEDY, "max_output_tokens": 20}
    report = place(server, silent, mode="audio", text="What do you see?", **options)
    assert report.errors == []
    assert report.turns[0].transcript and report.turns[0].audio_s > 0


def test_a_recording_lends_its_voice(server: ServerProcess) -> None:
    from server.cli.call import read_voice

    silent = Recording(np.empty(0, np.int16))
    options: dict[str, Any] = {
        "mode": "audio",
        "text": "hello",
        "sampling": GREEDY,
        "max_output_tokens": 20,
    }
    plain = place(server, silent, **options)
    voiced = place(server, silent, voice=read_voice(str(QUESTION)), **options)
    assert plain.errors == voiced.errors == []
    assert plain.pcm() != voiced.pcm(), "the reference audio is in the system prompt"


def test_a_call_that_cannot_be_placed_says_why_and_fails(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "server", "call", "--audio", str(QUESTION)]
    command += ["--url", "wss://127.0.0.1:9/v1/realtime", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "omnicall serve" in done.stderr
    assert json.loads(done.stdout)["errors"][0]["code"] == "call_failed"
