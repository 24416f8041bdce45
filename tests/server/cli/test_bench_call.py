"""The bench of a whole call: a real server process, and one that runs already."""

from __future__ import annotations

import io
from pathlib import Path

import psutil
import pytest

from server.cli import bench_call
from server.cli.bench_call import measure_call
from server.cli.bench_measure import Figure, FigureTable
from server.cli.call_media import WIRE_RATE_HZ
from server.cli.progress import ProgressLine
from server.errors import ConfigurationError
from tests.fakes.media_files import tone
from tests.fakes.scripted_server import Event, ScriptedCall, scripted_server_thread

pytestmark = pytest.mark.integration

ROWS = {"turn's end → first text", "turn's end → first audio", "real-time factor"}


@pytest.fixture(autouse=True)
def short_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_call, "QUESTION_S", 1)
    monkeypatch.setattr(bench_call, "ANSWER_TOKENS", 6)


def measured(url: str | None, repeats: int, checkpoint: str = "pocket") -> FigureTable:
    return measure_call(url, checkpoint, repeats, ProgressLine(io.StringIO()))


def by_name(table: FigureTable) -> dict[str, Figure]:
    return {figure.name: figure for figure in table.figures}


def children() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True)}


def test_a_server_is_started_called_and_ended() -> None:
    before = children()
    table = measured(None, 1)
    assert children() <= before
    assert "pocket" in table.title and "1 turns" in table.title
    assert "0 late, 0 errors" in table.title
    figures = by_name(table)
    assert set(figures) == ROWS
    for figure in figures.values():
        assert len(figure.values) == 1, "the first turn does not count"
        assert figure.values[0] > 0
    first_text, first_audio = (figures[name].values[0] for name in sorted(ROWS, reverse=True)[:2])
    assert first_text <= first_audio


def test_a_server_that_runs_already_is_called_instead() -> None:
    answer = tone(0.5, WIRE_RATE_HZ).tobytes()

    async def answer_when_asked(call: ScriptedCall, event: Event) -> None:
        if event["type"] == "response.create":
            await call.answer("hello", answer)

    before = children()
    with scripted_server_thread(answer_when_asked) as (url, calls):
        table = measured(url, 2)
        assert children() <= before, "no server of its own"
    assert "pocket-untrained" in table.title
    figures = by_name(table)
    assert figures["real-time factor"].values == (0.4, 0.4)
    (call,) = calls
    assert [event["type"] for event in call.received].count("response.create") == 3
    assert "input_image_buffer.append" in call.kinds()


def test_answers_without_sound_leave_a_gap_in_the_table() -> None:
    async def answer_in_writing(call: ScriptedCall, event: Event) -> None:
        if event["type"] == "response.create":
            await call.send("response.created", response={"id": "resp_1"})
            await call.send("response.output_audio_transcript.delta", delta="hello")
            await call.send("response.done", response={"id": "resp_1", "status": "completed"})

    with scripted_server_thread(answer_in_writing) as (url, _):
        table = measured(url, 1)
    assert len(by_name(table)["turn's end → first text"].values) == 1
    assert by_name(table)["turn's end → first audio"].values == ()
    assert "none" in "".join(table.rows())


def test_a_server_that_cannot_start_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="ended with exit code 3"):
        measured(None, 1, tmp_path / "absent")
