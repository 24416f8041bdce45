"""A gateway whose sessions repeat what they hear, or just listen, and that says what this cost.

    python -m tests.benchmarks.echo_server HOST PORT MAX_CALLS [--silero] [--no-echo]
        [--pages FOLDER]

Says "ready" when it is; at the word "report" it prints one line of JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import logging
import os
import socket
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import uvloop

from server.app import create_app
from server.clock import SystemClock
from server.config import Config
from server.gateway.http_server import build_http_server
from server.gateway.static import WEB_CLIENT
from server.media.pcm import SPEECH_HZ, bytes_from_samples, samples_from_bytes
from server.media.voice_activity import SileroVoiceActivity
from server.metrics import Metrics
from server.session import session_manager
from server.session.session import Session
from tests.fakes.fake_engine import FakeEngine
from tests.fakes.fake_voice_activity import LoudnessVoiceActivity

LOUD = 4000
QUIET_BEFORE_BEEP_S = 0.3
STALL_POLL_S = 0.005


class Quiet(LoudnessVoiceActivity):
    """Never hears speech: the echo is all there is."""

    def probability(self, window: np.ndarray) -> float:
        return 0.0


class EchoSession(Session):
    """Plays back what it hears through its own playout; notes when beeps arrive."""

    arrivals: list[float] = []  # noqa: RUF012 - of all sessions of this process

    def append_audio(self, pcm: bytes, rate_hz: int) -> None:
        super().append_audio(pcm, rate_hz)
        now_s = time.monotonic()
        state = self.__dict__.setdefault("_echo", {})
        # A beep needs no filter, which would hold it back for 15 ms.
        samples = samples_from_bytes(pcm)[:: rate_hz // SPEECH_HZ]
        if np.abs(samples.astype(np.int32)).max() > LOUD:
            if now_s - state.get("loud_at_s", 0.0) > QUIET_BEFORE_BEEP_S:
                self.arrivals.append(now_s)
            state["loud_at_s"] = now_s
        elif now_s - state.get("loud_at_s", 0.0) > QUIET_BEFORE_BEEP_S:
            return  # the silence between beeps is the track's own
        self._responder._playout.push("echo", bytes_from_samples(samples))
        self._responder.release_due()
        self._playout_changed.set()


async def watch_stalls(stalls_s: list[float]) -> None:
    """Note by how much later than asked the loop comes back."""
    while True:
        before_s = time.monotonic()
        await asyncio.sleep(STALL_POLL_S)
        stalls_s.append(time.monotonic() - before_s - STALL_POLL_S)


def placed(metrics: Metrics) -> int:
    """Calls that were placed so far."""
    return int(metrics.registry.get_sample_value("omnicall_sessions_total") or 0)


async def serve(
    host: str, port: int, max_calls: int, *, silero: bool, echo: bool, pages: Path
) -> None:
    config = Config.model_validate(
        {
            "server": {"insecure_http": True, "host": host, "port": port},
            "session": {"max_sessions": max_calls},
            "webrtc": {"include_loopback": True},
        }
    )
    if echo:
        session_manager.Session = EchoSession  # type: ignore[misc]
    engine = FakeEngine(n_rows=max_calls)
    activity = SileroVoiceActivity if silero else Quiet
    app = create_app(config, engine, SystemClock(), new_voice_activity=activity, web_client=pages)
    listener = socket.create_server((host, port))
    server = build_http_server(app, config.server, log_level="warning")
    stalls_s: list[float] = []
    process = psutil.Process()
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    with contextlib.closing(listener):
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(server.serve(sockets=[listener]))
            watch = tasks.create_task(watch_stalls(stalls_s))
            sys.stdout.write("ready\n")
            sys.stdout.flush()
            while line := await reader.readline():
                if line == b"begin\n":
                    stalls_s.clear()
                    started = (time.monotonic(), sum(process.cpu_times()[:2]))
                elif line == b"report\n":
                    gc.collect()
                    wall_s = time.monotonic() - started[0]
                    cpu_s = sum(process.cpu_times()[:2]) - started[1]
                    report = {
                        "arrivals": EchoSession.arrivals,
                        "sessions": len(app.state.manager.list()),
                        "placed": placed(app.state.metrics),
                        "cpu": cpu_s / wall_s,
                        "stall_p99_ms": 1000 * statistics.quantiles(stalls_s, n=100)[98],
                        "stall_max_ms": 1000 * max(stalls_s),
                        "rss_mib": process.memory_info().rss / 2**20,
                        "tasks": len(asyncio.all_tasks()),
                        "files": process.num_fds(),
                        "threads": process.num_threads(),
                    }
                    sys.stdout.write(json.dumps(report) + "\n")
                    sys.stdout.flush()
            watch.cancel()
            server.should_exit = True
            await serving


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("max_calls", type=int)
    parser.add_argument("--silero", action="store_true")
    parser.add_argument("--no-echo", action="store_true")
    parser.add_argument("--pages", type=Path, default=WEB_CLIENT)
    parser.add_argument("--log", default="WARNING")
    options = parser.parse_args()
    logging.basicConfig(level=options.log)
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    # As `omnicall serve` does: uvicorn takes it where it is installed.
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(
            serve(
                options.host,
                options.port,
                options.max_calls,
                silero=options.silero,
                echo=not options.no_echo,
                pages=options.pages,
            )
        )


if __name__ == "__main__":
    main()
