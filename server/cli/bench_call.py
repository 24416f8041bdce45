"""A whole call through the gateway: a server of its own, a caller, real-time pace."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import numpy as np
from PIL import Image

from server.cli.bench_measure import FRAME_SHAPE, MS_PER_S, NOISE_AMPLITUDE, FigureTable
from server.cli.call_client import CallClient, CallOptions
from server.cli.call_media import WIRE_RATE_HZ, Recording, encode_jpeg
from server.cli.progress import ProgressLine
from server.clock import SystemClock
from server.errors import ConfigurationError

QUESTION_S = 3
ANSWER_TOKENS = 16
REPRODUCIBLE = {"seed": 1}
"""The same answer in every run."""
START_TIMEOUT_S = 120.0
POLL_S = 0.1


def measure_call(
    url: str | None, checkpoint: str, repeats: int, progress: ProgressLine
) -> FigureTable:
    """Hold a call of ``repeats`` turns and report what the caller saw.

    Args:
        url: A running server, or None to start one on a free port of this machine.
        checkpoint: What a started server loads.
        repeats: Turns.
        progress: Shows what is going on.
    """
    if url is not None:
        return asyncio.run(_hold(url, repeats, progress))
    with running_server(checkpoint) as started:
        return asyncio.run(_hold(started, repeats, progress))


@contextmanager
def running_server(checkpoint: str) -> Iterator[str]:
    """A server process on a free loopback port; ended by its process id.

    Yields:
        Its WebSocket address.

    Raises:
        ConfigurationError: It did not become ready.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "server", "serve", "--insecure-http", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--checkpoint", checkpoint, "--set", "log.level=warning"]
    process = subprocess.Popen(command, env=os.environ.copy())
    try:
        _wait_until_ready(f"http://127.0.0.1:{port}/ready", process)
        yield f"ws://127.0.0.1:{port}/v1/realtime"
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline_s:
        if process.poll() is not None:
            raise ConfigurationError(f"the server ended with exit code {process.returncode}")
        try:
            if httpx.get(url, timeout=POLL_S * 10).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        time.sleep(POLL_S)
    raise ConfigurationError(f"the server was not ready within {START_TIMEOUT_S:.0f} s")


async def _hold(url: str, repeats: int, progress: ProgressLine) -> FigureTable:
    generator = np.random.default_rng(0)
    sound = generator.normal(0, NOISE_AMPLITUDE, QUESTION_S * WIRE_RATE_HZ).astype(np.int16)
    pictures = generator.integers(0, 256, (QUESTION_S, *FRAME_SHAPE), dtype=np.uint8)
    frames = tuple(encode_jpeg(Image.fromarray(picture)) for picture in pictures)
    # Noise is no speech: the turn is ended by hand, so that a turn takes exactly its length.
    options = CallOptions(
        url=url,
        manual_turn=True,
        repeat=repeats + 1,
        max_output_tokens=ANSWER_TOKENS,
        sampling=REPRODUCIBLE,
    )
    client = CallClient(options, SystemClock(), progress)
    report = await client.place(Recording(sound, frames))
    turns = report.turns[1:]
    table = FigureTable(
        f"call to {report.checkpoint}, {QUESTION_S} s of video a turn, {len(turns)} turns: "
        f"{report.units_sent} units, {report.units_late} late, {len(report.errors)} errors"
    )
    for name, values in {
        "turn's end → first text": [turn.ttft_s for turn in turns],
        "turn's end → first audio": [turn.ttfa_s for turn in turns],
    }.items():
        table.add(name, "ms", [value * MS_PER_S for value in values if value is not None])
    table.add("real-time factor", "×", [t.rtf for t in turns if t.rtf is not None], unit="×")
    return table
