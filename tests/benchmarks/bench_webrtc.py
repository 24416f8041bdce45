"""Figures of WebRTC calls: delay, behaviour on a bad network, many calls, many hang-ups.

    python -m tests.benchmarks.bench_webrtc beep  [--seconds 30]
    python -m tests.benchmarks.bench_webrtc page  [--seconds 30]
    python -m tests.benchmarks.bench_webrtc lossy [--seconds 300] [--loss 0.02] [--blackout]
    python -m tests.benchmarks.bench_webrtc calls [--calls 50] [--silero]
    python -m tests.benchmarks.bench_webrtc cycles [--cycles 200]

Server and callers are processes of their own and share the machine's clock.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from server.gateway.static import WEB_CLIENT
from tests.benchmarks.page_beeps import RECORDER, RECORDER_FILE
from tests.fakes.lossy_link import FAR_ADDRESS, Weather, lossy_network

CALLS_PER_PROCESS = 10
"""More, and a process of callers is too slow to keep its own calls alive."""
LATEST_S = 2.0
"""An echo later than this belongs to no beep."""


@contextlib.contextmanager
def python(module: str, *arguments: object, prefix: Sequence[str] = ()) -> Iterator[Any]:
    """A process of ours; its input is closed, and its end waited for, with the block."""
    process = subprocess.Popen(
        [*prefix, sys.executable, "-m", f"tests.benchmarks.{module}", *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        with process:
            yield process
    finally:
        process.terminate()
        process.wait()


def told(process: Any, word: str) -> None:
    """Send a word."""
    process.stdin.write(word + "\n")
    process.stdin.flush()


def said(process: Any) -> Any:
    """The next line of JSON."""
    return json.loads(process.stdout.readline())


def expect(process: Any, word: str) -> None:
    """Wait for a word."""
    line = process.stdout.readline().strip()
    if line != word:
        raise RuntimeError(f"{word!r} was expected, not {line!r}")


def free_port() -> int:
    """A port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def delays_ms(beeps: list[float], heard: list[float]) -> list[float]:
    """For every beep that was heard, how much later, in the order of the beeps."""
    delays = []
    for beep in beeps:
        later = [moment - beep for moment in heard if 0 < moment - beep < LATEST_S]
        if later:
            delays.append(1000 * min(later))
    return delays


def percentile(values: list[float], percent: int) -> float:
    """By linear interpolation."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def show(name: str, delays: list[float], n_beeps: int) -> None:
    """One line of figures."""
    third = max(len(delays) // 3, 1)
    print(  # noqa: T201 - this is a command
        f"{name:<24} {len(delays)}/{n_beeps} beeps, median {statistics.median(delays):.0f} ms, "
        f"p95 {percentile(delays, 95):.0f} ms, max {max(delays):.0f} ms; "
        f"first third {statistics.median(delays[:third]):.0f} ms, "
        f"last third {statistics.median(delays[-third:]):.0f} ms"
    )


def hold_call(
    seconds: float, host: str, near: Sequence[str] = (), far: Sequence[str] = ()
) -> tuple[dict[str, Any], dict[str, Any]]:
    """One beeping call; what the server and the caller say about it."""
    port = free_port()
    with python("echo_server", host, port, 4, prefix=far) as server:
        expect(server, "ready")
        url = f"http://{host}:{port}"
        with python("beeping_caller", url, seconds, prefix=near) as caller:
            expect(caller, "connected")
            told(server, "begin")
            heard = said(caller)
        told(server, "report")
        return said(server), heard


def beep(options: argparse.Namespace) -> None:
    """Round trip on loopback."""
    server, caller = hold_call(options.seconds, "127.0.0.1")
    show_call(server, caller)


def page(options: argparse.Namespace) -> None:
    """Round trip on loopback through the page in a real browser, its receiver included."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        pages = Path(shutil.copytree(WEB_CLIENT, Path(folder) / "pages"))
        (pages / RECORDER_FILE).write_text(RECORDER, encoding="utf-8")
        with python("echo_server", "127.0.0.1", port, 4, "--pages", pages) as server:
            expect(server, "ready")
            url = f"http://127.0.0.1:{port}"
            with python("page_beeps", url, options.seconds) as browser:
                expect(browser, "connected")
                heard = said(browser)
    show("round trip in the page", delays_ms(heard["beeps"], heard["echoes"]), len(heard["beeps"]))


def show_call(server: dict[str, Any], caller: dict[str, Any]) -> None:
    """Both delays of a call."""
    beeps = caller["beeps"]
    show("microphone to session", delays_ms(beeps, server["arrivals"]), len(beeps))
    show("round trip", delays_ms(beeps, caller["echoes"]), len(beeps))
    print(f"data channel open at the end: {bool(caller['open'])}")  # noqa: T201


def lossy(options: argparse.Namespace) -> None:
    """The same call on a bad network."""
    weather = Weather(
        delay_ms=options.rtt_ms / 2,
        jitter_ms=options.jitter_ms,
        loss=options.loss,
        blackout_at_s=options.seconds / 2 if options.blackout else 0.0,
        blackout_s=3.0,
    )
    print(weather)  # noqa: T201
    with lossy_network(weather) as network:
        show_call(*hold_call(options.seconds, FAR_ADDRESS, network.near, network.far))


def calls(options: argparse.Namespace) -> None:
    """Many silent calls on one gateway."""
    port = free_port()
    arguments = ["127.0.0.1", port, options.calls, "--no-echo"]
    arguments += ["--silero"] if options.silero else []
    with python("echo_server", *arguments) as server:
        expect(server, "ready")
        told(server, "begin")
        time.sleep(1.0)
        told(server, "report")
        before = said(server)
        url = f"http://127.0.0.1:{port}"
        with contextlib.ExitStack() as stack:
            groups = []
            for n_placed in range(0, options.calls, CALLS_PER_PROCESS):
                n_calls = min(CALLS_PER_PROCESS, options.calls - n_placed)
                # The first ones wait for the last ones to be placed.
                seconds = options.seconds + options.calls
                arguments = [url, seconds, "--calls", n_calls, "--silent"]
                caller = stack.enter_context(python("beeping_caller", *arguments))
                expect(caller, "connected")
                groups.append(caller)
            told(server, "begin")
            time.sleep(options.seconds)
            told(server, "report")
            during = said(server)
            n_open = sum(said(caller)["open"] for caller in groups)
    print(  # noqa: T201
        f"{n_open} of {options.calls} calls open, each with a microphone: loop stall p99 "
        f"{during['stall_p99_ms']:.1f} ms, max {during['stall_max_ms']:.0f} ms; "
        f"CPU {100 * during['cpu']:.0f} % of a core, "
        f"{100 * during['cpu'] / options.calls:.2f} % a call; memory "
        f"{(during['rss_mib'] - before['rss_mib']) / options.calls:.2f} MiB a call"
    )


def cycles(options: argparse.Namespace) -> None:
    """Connecting and hanging up again and again."""
    port = free_port()
    with python("echo_server", "127.0.0.1", port, 4) as server:
        expect(server, "ready")
        url = f"http://127.0.0.1:{port}"
        for n_done in range(0, options.cycles + 1, options.every):
            told(server, "begin")
            n_calls = options.every if n_done else 5
            with python("beeping_caller", url, 0.1, "--repeat", n_calls) as caller:
                for _ in range(n_calls):
                    expect(caller, "connected")
                    said(caller)
            time.sleep(1.0)
            told(server, "report")
            report = said(server)
            print(  # noqa: T201
                f"after {n_done} calls: {report['rss_mib']:.1f} MiB, {report['tasks']} tasks, "
                f"{report['files']} files, {report['threads']} threads, "
                f"{report['sessions']} sessions"
            )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    kinds = parser.add_subparsers(required=True)
    kind = kinds.add_parser("beep")
    kind.add_argument("--seconds", type=float, default=30)
    kind.set_defaults(run=beep)
    kind = kinds.add_parser("page")
    kind.add_argument("--seconds", type=float, default=30)
    kind.set_defaults(run=page)
    kind = kinds.add_parser("lossy")
    kind.add_argument("--seconds", type=float, default=300)
    kind.add_argument("--rtt-ms", type=float, default=100)
    kind.add_argument("--jitter-ms", type=float, default=20)
    kind.add_argument("--loss", type=float, default=0.02)
    kind.add_argument("--blackout", action="store_true", help="3 s in the middle")
    kind.set_defaults(run=lossy)
    kind = kinds.add_parser("calls")
    kind.add_argument("--calls", type=int, default=50)
    kind.add_argument("--seconds", type=float, default=30)
    kind.add_argument("--silero", action="store_true", help="with the real speech detector")
    kind.set_defaults(run=calls)
    kind = kinds.add_parser("cycles")
    kind.add_argument("--cycles", type=int, default=200)
    kind.add_argument("--every", type=int, default=50)
    kind.set_defaults(run=cycles)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
