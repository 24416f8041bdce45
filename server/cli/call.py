"""``omnicall call``: place a call with files and print what it amounted to."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import numpy as np
import typer

from server.cli.call_client import CallClient, CallError, CallOptions
from server.cli.call_media import (
    WIRE_RATE_HZ,
    MediaError,
    Recording,
    has_audio,
    read_audio,
    read_pictures,
    read_video,
    write_wav,
)
from server.cli.call_report import CallReport
from server.cli.progress import ProgressLine
from server.clock import SystemClock
from server.errors import OmnicallError

DEFAULT_URL = "wss://localhost:8443/v1/realtime"
LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


def call(
    audio: Annotated[
        str | None,
        typer.Option(help="Question to speak: any file libav reads, or - for raw PCM on stdin."),
    ] = None,
    video: Annotated[
        str | None, typer.Option(help="What the camera shows: any video file libav reads.")
    ] = None,
    frames: Annotated[
        str | None,
        typer.Option(help="Pictures instead of a video: a file or folder, one per second."),
    ] = None,
    text: Annotated[str | None, typer.Option(help="A typed question.")] = None,
    out: Annotated[Path | None, typer.Option(help="Save what the model says as WAV.")] = None,
    url: Annotated[str, typer.Option(help="Server to call.")] = DEFAULT_URL,
    mode: Annotated[
        str | None, typer.Option(help="omni (with frames) or audio; default by the inputs.")
    ] = None,
    voice: Annotated[
        str | None,
        typer.Option(help="Voice: a name the server offers, or a recording to take it from."),
    ] = None,
    language: Annotated[str | None, typer.Option(help="en or zh.")] = None,
    instructions: Annotated[str | None, typer.Option(help="Task for the model.")] = None,
    repeat: Annotated[int, typer.Option(min=1, max=1000, help="Ask this many times.")] = 1,
    manual_turn: Annotated[
        bool, typer.Option(help="End the turn with the file instead of when speech ends.")
    ] = False,
    greedy: Annotated[bool, typer.Option(help="No random draws: reproducible answers.")] = False,
    max_output_tokens: Annotated[int | None, typer.Option(min=1, max=4096)] = None,
    api_key: Annotated[str, typer.Option(envvar="OMNICALL_SERVER__API_KEY")] = "",
    insecure: Annotated[
        bool | None,
        typer.Option(help="Accept any certificate; the default for this machine only."),
    ] = None,
    pcm_rate: Annotated[
        int, typer.Option(min=8_000, max=192_000, help="Sample rate of --audio -, in Hz.")
    ] = WIRE_RATE_HZ,
    quiet: Annotated[bool, typer.Option(help="No progress line.")] = False,
) -> None:
    """Place a call over WebSocket at real-time pace; prints one JSON object."""
    recording = read_recording(audio, video, frames, text, pcm_rate)
    options = CallOptions(
        url=url,
        mode=choose_mode(mode, recording),
        language=language,
        voice=read_voice(voice),
        instructions=instructions,
        text=text,
        manual_turn=manual_turn,
        repeat=repeat,
        api_key=api_key,
        verify_certificate=not accept_any_certificate(url, insecure),
        sampling={"temperature": 0.0, "speech_greedy": True} if greedy else None,
        max_output_tokens=max_output_tokens,
    )
    report, failure = run_call(options, recording, quiet=quiet)
    typer.echo(json.dumps(report.as_json(), ensure_ascii=False))
    if out is not None:
        write_wav(out, report.pcm())
    if failure is not None:
        raise failure
    if report.errors:
        raise typer.Exit(1)


def run_call(
    options: CallOptions, recording: Recording, *, quiet: bool
) -> tuple[CallReport, OmnicallError | None]:
    """Hold one call to its end.

    Returns:
        The report, which holds what was received even when the call broke off, and why it did.
    """
    progress = ProgressLine(quiet=quiet)

    async def hold() -> tuple[CallReport, OmnicallError | None]:
        client = CallClient(options, SystemClock(), progress)
        try:
            await client.place(recording)
        except OmnicallError as error:
            client.report.errors.append({"code": error.code, "message": error.message})
            return client.report, error
        return client.report, None

    try:
        return asyncio.run(hold())
    finally:
        progress.close()


def read_recording(
    audio: str | None,
    video: str | None,
    frames: str | None,
    text: str | None,
    pcm_rate_hz: int = WIRE_RATE_HZ,
) -> Recording:
    """Everything the caller says and shows.

    Raises:
        MediaError: A file cannot be used, or there is nothing to ask.
    """
    if video is not None and frames is not None:
        raise MediaError("give either --video or --frames, not both")
    if audio is None and video is not None and not text:
        if not has_audio(video):
            raise MediaError(f"{video} has no audio track: add --audio or --text to ask something")
        audio = video
    if audio is None and not text:
        raise MediaError("nothing to ask: give --audio, --text, or a --video with sound")
    pictures: tuple[bytes, ...] = ()
    if video is not None:
        pictures = read_video(video)
    elif frames is not None:
        pictures = read_pictures(frames)
    if audio is None:
        # A picture is seen with the second of sound it came with; without any it never is.
        return Recording(np.zeros(len(pictures) * WIRE_RATE_HZ, np.int16), pictures)
    return Recording(read_audio(audio, pcm_rate_hz), pictures)


def choose_mode(mode: str | None, recording: Recording) -> str:
    """``omni`` where there is something to see, else ``audio``, unless the caller chose.

    Raises:
        CallError: The mode is unknown.
    """
    if mode is None:
        return "omni" if recording.frames else "audio"
    if mode not in ("omni", "audio"):
        raise CallError(f"unknown mode {mode!r}: use omni or audio")
    return mode


def read_voice(voice: str | None) -> Any:
    """A voice's name, or the reference audio of a file as the wire carries it."""
    if voice is None or not Path(voice).is_file():
        return voice
    pcm = read_audio(voice)
    return {"reference_audio": base64.b64encode(pcm.astype("<i2").tobytes()).decode()}


def accept_any_certificate(url: str, insecure: bool | None) -> bool:
    """Whether a self-signed certificate is taken: on this machine, or when asked to."""
    if insecure is not None:
        return insecure
    try:
        return urlsplit(url).hostname in LOCAL_HOSTS
    except ValueError:
        # No address at all; the call itself says so.
        return False
