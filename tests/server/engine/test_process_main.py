"""The engine process's own side of the pipe, without a process."""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections.abc import Iterator
from multiprocessing.connection import Connection
from typing import Any

import pytest

from server.config import CheckpointConfig, Config
from server.engine import process_main, worker
from server.engine.interface import (
    CommandRejected,
    EngineFailed,
    EngineReady,
    InputUnit,
    Open,
    Opened,
    Prefill,
    SessionSpec,
)
from server.engine.process_main import EnginePipe, StopEngine, engine_main
from server.errors import EngineBusyError
from tests.server.engine.conftest import tiny_config

pytestmark = pytest.mark.integration

UNIT = Prefill("a", InputUnit(3))


class FakeWorker:
    """Takes commands until it is full."""

    def __init__(self, capacity: int = 10) -> None:
        self.capacity = capacity
        self.commands: list[Any] = []
        self.stopped = threading.Event()

    def submit(self, command: Any) -> None:
        """Take one."""
        if len(self.commands) == self.capacity:
            raise EngineBusyError("full")
        self.commands.append(command)

    def stop(self) -> None:
        """Be told to stop."""
        self.stopped.set()


@pytest.fixture(autouse=True)
def _no_sudden_end(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An orphan must not take the tests with it; the signal handler is put back."""
    monkeypatch.setattr(process_main.os, "_exit", lambda _code: None)
    monkeypatch.setattr(process_main, "ORPHAN_GRACE_S", 0.0)
    handler = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, handler)


@pytest.fixture
def ends(_no_sudden_end: None) -> Iterator[tuple[Connection, Connection]]:
    """The parent's and the child's end of a pipe."""
    parent, child = multiprocessing.Pipe()
    yield parent, child
    parent.close()
    # A reader that outlived the patch of os._exit would end the whole test run.
    for thread in threading.enumerate():
        if thread.name == "engine-pipe-reader":
            thread.join()
    child.close()


def test_commands_reach_the_worker_and_a_full_one_refuses_them(
    ends: tuple[Connection, Connection],
) -> None:
    parent, child = ends
    pipe, worker = EnginePipe(child), FakeWorker(capacity=1)
    pipe.attach(worker)  # type: ignore[arg-type]
    parent.send(UNIT)
    parent.send(UNIT)
    parent.send(StopEngine())
    reader = threading.Thread(target=pipe.read)
    reader.start()
    assert worker.stopped.wait(10)
    parent.close()
    reader.join()
    assert worker.commands == [UNIT]


def test_a_refusal_is_an_event(ends: tuple[Connection, Connection]) -> None:
    parent, child = ends
    pipe = EnginePipe(child)
    reader = threading.Thread(target=pipe.read)
    reader.start()
    parent.send(UNIT)  # nobody is there yet
    rejected = parent.recv()
    assert isinstance(rejected, CommandRejected) and rejected.code == "engine_unavailable"
    pipe.attach(FakeWorker(capacity=0))  # type: ignore[arg-type]
    parent.send(UNIT)
    rejected = parent.recv()
    assert isinstance(rejected, CommandRejected) and rejected.code == "engine_overloaded"
    parent.close()
    reader.join()


def test_a_worker_that_comes_after_the_stop_is_stopped_too(
    ends: tuple[Connection, Connection],
) -> None:
    pipe, worker = EnginePipe(ends[1]), FakeWorker()
    pipe.stop()
    pipe.attach(worker)  # type: ignore[arg-type]
    assert worker.stopped.is_set()


def test_events_for_a_parent_that_is_gone_stop_the_worker(
    ends: tuple[Connection, Connection],
) -> None:
    parent, child = ends
    pipe, worker = EnginePipe(child), FakeWorker()
    pipe.attach(worker)  # type: ignore[arg-type]
    parent.close()
    pipe.send(EngineFailed("anything"))
    assert worker.stopped.is_set()


def test_the_process_serves_until_it_is_told_to_stop(ends: tuple[Connection, Connection]) -> None:
    parent, child = ends

    def play() -> None:
        assert isinstance(parent.recv(), EngineReady)
        parent.send(Open("a", SessionSpec(mode="audio")))
        heard.append(parent.recv())
        parent.send(StopEngine())

    heard: list[object] = []
    gateway = threading.Thread(target=play)
    gateway.start()
    engine_main(tiny_config(), child)
    gateway.join()
    assert isinstance(heard[0], Opened)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_a_checkpoint_that_cannot_be_loaded_is_told_without_a_traceback(
    ends: tuple[Connection, Connection], caplog: pytest.LogCaptureFixture
) -> None:
    parent, child = ends
    with pytest.raises(SystemExit) as ended:
        engine_main(Config(checkpoint=CheckpointConfig(path="/nonexistent")), child)
    assert ended.value.code == 1
    failed = parent.recv()
    assert isinstance(failed, EngineFailed) and "not a folder" in failed.reason
    assert "Traceback" not in caplog.text


def test_a_process_that_fails_says_why_and_exits_with_an_error(
    ends: tuple[Connection, Connection],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(*_: object) -> None:
        raise KeyError("a fault of ours")

    parent, child = ends
    monkeypatch.setattr(worker, "load_worker", broken)
    with pytest.raises(SystemExit) as ended:
        engine_main(tiny_config(), child)
    assert ended.value.code == 1
    failed = parent.recv()
    assert isinstance(failed, EngineFailed) and failed.reason == "KeyError: 'a fault of ours'"
    assert "Traceback" in caplog.text, "the log says where"
