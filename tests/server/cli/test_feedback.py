"""``omnicall feedback export`` on a real file."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from server.cli.feedback import feedback
from server.config import FeedbackConfig
from server.errors import FeedbackError
from server.gateway.feedback_store import FeedbackEntry, FeedbackStore

pytestmark = pytest.mark.integration

NOW_S = time.time()
WORDS = 'it\'s "slow", 太慢\nsecond line'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A feedback file with three entries, the last of them past its time."""
    file = tmp_path / "feedback.sqlite3"
    store = FeedbackStore(FeedbackConfig(database=file, retention_days=0))
    store.add(FeedbackEntry("call_2", "dislike", NOW_S - 60, WORDS, "=1+1"))
    store.add(FeedbackEntry("call_1", "like", NOW_S - 120))
    store.add(FeedbackEntry("call_0", "like", 1_000_000_000.0))
    return file


def export(*arguments: str | Path) -> Result:
    command = ["export", *map(str, arguments)]
    return CliRunner().invoke(feedback, command, catch_exceptions=False)


def test_one_json_object_per_line_oldest_first(file: Path) -> None:
    done = export("--database", file)
    assert done.exit_code == 0
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["call_id"] for row in rows] == ["call_1", "call_2"]
    assert rows[0] | {"created_at": ""} == {
        "call_id": "call_1",
        "rating": "like",
        "created_at": "",
        "comment": None,
        "transcript": None,
    }
    assert rows[1]["comment"] == WORDS and "太慢" in done.stdout
    assert rows[1]["created_at"].endswith("+00:00")


def test_a_table_that_no_spreadsheet_computes(file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    done = export("--database", file, "--format", "csv", "--out", out)
    assert done.exit_code == 0
    assert done.stdout == ""
    assert "wrote 2 entries" in done.stderr
    with out.open(encoding="utf-8", newline="") as table:
        rows = list(csv.DictReader(table))
    assert [row["rating"] for row in rows] == ["like", "dislike"]
    assert rows[1]["comment"] == WORDS
    assert rows[1]["transcript"] == "'=1+1"


def test_the_configured_file_is_read_and_its_retention_holds(file: Path, tmp_path: Path) -> None:
    config = tmp_path / "server.toml"
    config.write_text(f'[feedback]\ndatabase = "{file}"\nretention_days = 0\n')
    assert len(export("--config", config).stdout.splitlines()) == 3


def test_without_feedback_an_earlier_export_is_left_alone(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    out.write_text("earlier\n")
    absent = tmp_path / "absent.sqlite3"
    with pytest.raises(FeedbackError, match="there is no feedback"):
        export("--database", absent, "--out", out)
    assert out.read_text() == "earlier\n"


def test_a_place_that_cannot_be_written_is_told(file: Path, tmp_path: Path) -> None:
    with pytest.raises(FeedbackError, match=r"cannot write .*--out"):
        export("--database", file, "--out", tmp_path / "absent" / "out.jsonl")


def test_an_unknown_format_is_refused(file: Path) -> None:
    assert export("--database", file, "--format", "xml").exit_code == 2


def test_on_the_command_line_an_error_is_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "server", "feedback", "export"]
    command += ["--database", str(tmp_path / "absent.sqlite3")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("omnicall: there is no feedback")
