"""Ctrl-C in the terminal of `omnicall serve`, or SIGTERM of a service manager: an orderly end,
without a word too many."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.integration.conftest import (
    STOP_TIMEOUT_S,
    ServerProcess,
    start_server,
    stop_server,
    wait_until_ready,
)

pytestmark = pytest.mark.integration

ENDED_BY = {signal.SIGINT: (130,), signal.SIGTERM: (0, -signal.SIGTERM)}
"""Exit codes of a server that was signalled."""
HELPERS = 2
"""Processes under the server: the engine, and the resource tracker of multiprocessing."""


@pytest.fixture(autouse=True)
def interruptible() -> Iterator[None]:
    """Tests that run in the background of a script inherit that Ctrl-C is ignored, and so would
    the server."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def signal_all(server: ServerProcess, number: signal.Signals) -> list[psutil.Process]:
    """Signal the server and all under it, as a terminal does; returns those under it."""
    helpers = psutil.Process(server.process.pid).children(recursive=True)
    # Those under it first: that is the order in which it must not matter.
    for process in [*helpers, psutil.Process(server.process.pid)]:
        process.send_signal(number)
    return helpers


def assert_ends_cleanly(
    server: ServerProcess, helpers: list[psutil.Process], number: signal.Signals = signal.SIGINT
) -> None:
    assert server.process.wait(STOP_TIMEOUT_S) in ENDED_BY[number]
    server.reader.join(STOP_TIMEOUT_S)
    log = "".join(server.log)
    for word in ("Traceback", "Aborted", "KeyboardInterrupt", "Exception", "Warning", "ERROR"):
        assert word not in log, log
    _, alive = psutil.wait_procs(helpers, timeout=10)
    # One whose parent is gone may wait for somebody to ask for its exit code; it does not run.
    assert [process for process in alive if process.status() != psutil.STATUS_ZOMBIE] == []


@pytest.mark.parametrize("number", ENDED_BY, ids=lambda number: number.name)
def test_a_server_that_serves_ends_in_order(number: signal.Signals, tmp_path: Path) -> None:
    server = start_server(tmp_path)
    try:
        wait_until_ready(server)
        assert_ends_cleanly(server, signal_all(server, number), number)
    finally:
        stop_server(server)


def test_an_impatient_hand_gets_the_same_orderly_end(tmp_path: Path) -> None:
    server = start_server(tmp_path)
    try:
        wait_until_ready(server)
        helpers = signal_all(server, signal.SIGINT)
        server.process.send_signal(signal.SIGINT)
        assert_ends_cleanly(server, helpers)
    finally:
        stop_server(server)


def test_a_server_that_still_loads_ends_as_quietly(tmp_path: Path) -> None:
    server = start_server(tmp_path)
    pause = threading.Event()
    try:
        while len(psutil.Process(server.process.pid).children(recursive=True)) < HELPERS:
            pause.wait(0.01)
        assert_ends_cleanly(server, signal_all(server, signal.SIGINT))
    finally:
        stop_server(server)
