"""Feedback between the event loop and the disk."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from server.config import FeedbackConfig
from server.errors import FeedbackError
from server.gateway import feedback_recorder
from server.gateway.feedback_recorder import MAX_PENDING, FeedbackRecorder
from server.gateway.feedback_store import S_PER_DAY, FeedbackEntry, FeedbackStore
from tests.virtual_time import run_virtual

pytestmark = pytest.mark.integration

NOW_S = 1_800_000_000.0


def config_in(folder: Path) -> FeedbackConfig:
    return FeedbackConfig(database=folder / "feedback.sqlite3", retention_days=1)


def said(call_id: str, age_s: float = 0.0) -> FeedbackEntry:
    return FeedbackEntry(call_id, "like", NOW_S - age_s)


async def eventually(is_so: Callable[[], bool]) -> None:
    """Wait for something that comes without an event."""
    async with asyncio.timeout(10):
        while not is_so():  # noqa: ASYNC110 - nothing announces it
            await asyncio.sleep(0.01)


@pytest.mark.asyncio
async def test_what_is_recorded_is_in_the_file(tmp_path: Path) -> None:
    recorder = FeedbackRecorder(config_in(tmp_path), lambda: NOW_S)
    await recorder.record(said("call_1"))
    await recorder.record(said("call_2"))
    recorder.close()
    entries = FeedbackStore(config_in(tmp_path)).entries(NOW_S)
    assert {entry.call_id for entry in entries} == {"call_1", "call_2"}


@pytest.mark.asyncio
async def test_the_event_loop_goes_on_while_the_disk_is_slow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_write = threading.Event()
    monkeypatch.setattr(FeedbackStore, "add", lambda *_: may_write.wait(20))
    recorder = FeedbackRecorder(config_in(tmp_path), lambda: NOW_S)
    async with asyncio.TaskGroup() as tasks:
        waiting = [
            tasks.create_task(recorder.record(said(f"call_{n}"))) for n in range(MAX_PENDING)
        ]
        await asyncio.sleep(0)
        with pytest.raises(FeedbackError, match="in a moment"):
            await recorder.record(said("call_more"))
        assert not any(task.done() for task in waiting)
        may_write.set()
    await recorder.record(said("call_later"))
    recorder.close()


@pytest.mark.asyncio
async def test_a_broken_file_is_told_to_the_log_once_and_not_to_strangers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = config_in(tmp_path)
    config.database.write_bytes(b"broken" * 1000)
    recorder = FeedbackRecorder(config, lambda: NOW_S)

    async def refused() -> None:
        with pytest.raises(FeedbackError) as caught:
            await recorder.record(said("call_1"))
        assert "log says why" in caught.value.message
        assert str(tmp_path) not in caught.value.message

    await refused()
    await refused()
    assert [record.message for record in caplog.records if "damaged" in record.message] == [
        caplog.records[0].message
    ]
    assert str(config.database) in caplog.records[0].message
    config.database.unlink()
    await recorder.record(said("call_1"))
    config.database.write_bytes(b"broken" * 1000)
    await refused()
    assert len(caplog.records) == 2, "a problem that comes again is told again"
    recorder.close()


@pytest.mark.asyncio
async def test_what_is_past_its_time_goes_without_new_feedback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FeedbackStore(config_in(tmp_path))
    store.add(said("call_1"))
    now_s = NOW_S + S_PER_DAY - 1
    recorder = FeedbackRecorder(config_in(tmp_path), lambda: now_s)
    sweeps = 0

    def count_sweep(_: FeedbackStore, at_s: float) -> None:
        nonlocal sweeps
        sweep(store, at_s)
        sweeps += 1

    sweep = FeedbackStore.sweep
    monkeypatch.setattr(FeedbackStore, "sweep", count_sweep)
    monkeypatch.setattr(feedback_recorder, "SWEEP_INTERVAL_S", 0.01)
    async with asyncio.TaskGroup() as tasks:
        sweeping = tasks.create_task(recorder.keep_swept())
        await eventually(lambda: sweeps > 0)
        assert len(list(store.entries(NOW_S))) == 1
        now_s += 1
        await eventually(lambda: not list(store.entries(NOW_S)))
        sweeping.cancel()
    recorder.close()


@pytest.mark.asyncio
async def test_sweeping_survives_a_broken_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    config = config_in(tmp_path)
    config.database.write_bytes(b"broken" * 1000)
    monkeypatch.setattr(feedback_recorder, "SWEEP_INTERVAL_S", 0.01)
    recorder = FeedbackRecorder(config, lambda: NOW_S)
    async with asyncio.TaskGroup() as tasks:
        sweeping = tasks.create_task(recorder.keep_swept())
        await eventually(lambda: bool(caplog.records))
        config.database.unlink()
        old = FeedbackStore(config)
        old.add(said("call_1", S_PER_DAY / 2))
        assert not sweeping.done()
        sweeping.cancel()
    recorder.close()


def test_where_there_is_no_file_sweeping_makes_none(tmp_path: Path) -> None:
    async def scenario() -> None:
        recorder = FeedbackRecorder(config_in(tmp_path), lambda: NOW_S)
        async with asyncio.TaskGroup() as tasks:
            sweeping = tasks.create_task(recorder.keep_swept())
            await asyncio.sleep(feedback_recorder.SWEEP_INTERVAL_S * 3)
            sweeping.cancel()
        recorder.close()

    run_virtual(scenario())
    assert list(tmp_path.iterdir()) == []
