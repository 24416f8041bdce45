"""The owner thread's loop: rows, isolation of failures, batching over sessions."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from model.omni import OmniModel
from server.clock import SystemClock
from server.config import CheckpointConfig, EngineConfig, SessionConfig
from server.engine.interface import (
    Cancel,
    Close,
    CommandRejected,
    InputUnit,
    Open,
    Opened,
    Prefill,
    Respond,
    ResponseDone,
    ResponseSpec,
    ResponseStatus,
    SessionLost,
    SessionSpec,
    UnitPrefilled,
)
from server.engine.scheduler import Batch, Stage
from server.engine.worker import (
    LOAD_ERRORS,
    MAX_FAILED_STEPS,
    EngineBrokenError,
    EngineWorker,
    load_worker,
)
from server.errors import ConfigurationError
from tests.fakes.stepped_engine import SteppedEngine
from tests.fakes.voiced_checkpoint import ALAN_S, CLARA_S, voiced_checkpoint
from tests.server.engine.conftest import TINY_CHECKPOINT, tiny_config

pytestmark = pytest.mark.unit

SPEC = SessionSpec(mode="audio")
TONE = bytes(range(256)) * 125  # 1 s


def unit(session_id: str, index: int = 0) -> Prefill:
    """One second of audio."""
    return Prefill(session_id, InputUnit(index, TONE))


def test_opening_takes_a_row_and_prefills_the_system_prompt(engine: SteppedEngine) -> None:
    engine.open("a")
    (opened,) = engine.said(Opened)
    assert opened.n_tokens == engine.parts.state.language.lengths[0] > 0


def test_a_row_is_free_again_after_closing(engine: SteppedEngine) -> None:
    for name in ("a", "b"):
        engine.open(name)
    engine.open("c")
    (lost,) = engine.said(SessionLost)
    assert lost.session_id == "c" and lost.reason.startswith("engine_full")
    engine.send(Close("a"))
    engine.open("c")
    assert len(engine.said(Opened, "c")) == 1


def test_a_session_opened_twice_is_lost(engine: SteppedEngine) -> None:
    engine.open("a")
    engine.open("a")
    assert len(engine.said(SessionLost, "a")) == 1
    engine.open("a")
    assert len(engine.said(Opened, "a")) == 2


def test_a_system_prompt_that_cannot_be_used_loses_the_session(engine: SteppedEngine) -> None:
    engine.open("a", SessionSpec(voice_pcm=b"\x00"))
    (lost,) = engine.said(SessionLost)
    assert lost.reason.startswith("bad_content")
    for name in ("b", "c"):
        engine.open(name)
    assert len(engine.said(Opened)) == 2


def test_commands_for_an_unknown_session_are_answered(engine: SteppedEngine) -> None:
    engine.send(unit("ghost"), Respond("ghost", "r"), Cancel("ghost", "r"), Close("ghost"))
    engine.settle()
    rejected, done = engine.events
    assert isinstance(rejected, CommandRejected) and rejected.code == "unknown_session"
    assert isinstance(done, ResponseDone) and done.status is ResponseStatus.FAILED


def test_units_of_several_sessions_share_one_prefill(engine: SteppedEngine) -> None:
    for name in ("a", "b"):
        engine.open(name)
    engine.timed.ran.clear()
    engine.send(unit("a"), unit("b"))
    engine.settle()
    assert engine.batches(Stage.PREFILL) == [("a", "b")]
    assert engine.batches(Stage.ENCODE_AUDIO) == [("a", "b")]
    assert len(engine.said(UnitPrefilled)) == 2


def test_an_unforeseen_failure_costs_only_the_sessions_of_its_batch(
    engine: SteppedEngine,
) -> None:
    for name in ("a", "b"):
        engine.open(name)

    def spoil(batch: Batch) -> None:
        if batch.stage is Stage.PREFILL and batch.items[0].job.session_id == "a":
            raise RuntimeError("a kernel failed")

    engine.timed.spoil = spoil
    engine.send(unit("a"))
    engine.settle()
    engine.send(unit("b"), unit("a"))
    engine.settle()
    (lost,) = engine.said(SessionLost)
    assert (lost.session_id, lost.reason) == ("a", "prefill failed: RuntimeError")
    assert [event.session_id for event in engine.said(UnitPrefilled)] == ["b"]
    engine.timed.spoil = lambda _: None
    engine.open("a")
    assert len(engine.said(Opened, "a")) == 2


def test_steps_that_keep_failing_end_the_engine(engine: SteppedEngine) -> None:
    def spoil(_batch: Batch) -> None:
        raise RuntimeError("the device is gone")

    engine.timed.spoil = spoil
    for _ in range(MAX_FAILED_STEPS - 1):
        engine.open("a")
    with pytest.raises(EngineBrokenError):
        engine.open("a")


def test_rare_failures_do_not_end_the_engine(engine: SteppedEngine) -> None:
    def spoil(_batch: Batch) -> None:
        raise RuntimeError("cosmic ray")

    engine.timed.spoil = spoil
    for _ in range(2 * MAX_FAILED_STEPS):
        engine.clock.now_s += 3600
        engine.open("a")
    assert len(engine.said(SessionLost)) == 2 * MAX_FAILED_STEPS


def test_the_engine_says_what_it_runs(engine: SteppedEngine, tiny_model: OmniModel) -> None:
    info = engine.worker.info
    assert (info.n_rows, info.context_tokens, info.device) == (2, 2048, "cpu")
    assert info.dtype == "float32"
    assert info.parameters == sum(each.numel() for each in tiny_model.parameters())


def test_a_unit_that_waited_too_long_is_late_but_not_lost(tiny_model: OmniModel) -> None:
    engine = SteppedEngine(tiny_model, tiny_config(session=SessionConfig(max_sessions=2)))
    engine.open("a")
    engine.timed.cost_s[Stage.PREFILL] = 0.4
    engine.send(unit("a", 0), unit("a", 1), unit("a", 2))
    engine.settle()
    done = engine.said(UnitPrefilled)
    assert [event.unit_index for event in done] == [0, 1, 2]
    assert [event.late for event in done] == [False, False, True]
    assert done[0].compute_s == pytest.approx(0.402)
    assert done[1].queue_s == pytest.approx(0.402)


def test_a_unit_that_a_response_waits_for_goes_before_older_units_of_others(
    tiny_model: OmniModel,
) -> None:
    one_by_one = tiny_config(engine=EngineConfig(max_batch_rows=1))
    engine = SteppedEngine(tiny_model, one_by_one)
    for name in ("a", "b"):
        engine.open(name)
    engine.send(*(unit("b", index) for index in range(4)))
    engine.clock.now_s += 0.2
    engine.send(unit("a"), Respond("a", "r", ResponseSpec(audio=False, max_output_tokens=2)))
    engine.until(ResponseDone)
    assert engine.said(UnitPrefilled, "b") == []


def test_opening_and_closing_in_one_go_leaves_nothing(engine: SteppedEngine) -> None:
    engine.send(Open("a", SPEC), unit("a"), Close("a"))
    engine.settle()
    assert engine.events == []


def load(folder: Path, voice: str = "default") -> EngineWorker:
    config = tiny_config(
        checkpoint=CheckpointConfig(path=str(folder), device="cpu", threads=1),
        session=SessionConfig(max_sessions=1, voice=voice),
    )
    return load_worker(config, lambda _: None, SystemClock())


def test_the_engine_tells_the_voices_its_checkpoint_brings(tmp_path: Path) -> None:
    info = load(voiced_checkpoint(tmp_path / "voiced"), "clara").info
    assert list(info.voices) == ["alan", "clara"]
    seconds = {name: len(pcm) / 32_000 for name, pcm in info.voices.items()}
    assert seconds == {"alan": ALAN_S, "clara": CLARA_S}, "16-bit at 16 kHz"
    assert pickle.loads(pickle.dumps(info)) == info
    assert "voices" not in repr(info)


def test_a_default_voice_the_checkpoint_lacks_is_refused_with_those_it_has(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"'bea'; this checkpoint has default$"):
        load(TINY_CHECKPOINT, "bea")
    with pytest.raises(ConfigurationError, match="'bea'; this checkpoint has default, alan, clara"):
        load(voiced_checkpoint(tmp_path / "voiced"), "bea")
    assert issubclass(ConfigurationError, LOAD_ERRORS), "told without a traceback"
