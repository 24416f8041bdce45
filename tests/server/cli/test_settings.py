"""The generated table of settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.cli.settings import TABLE_END, TABLE_START, replace_table, settings, settings_table
from server.config import Config
from server.errors import ConfigurationError

pytestmark = pytest.mark.unit


def test_every_setting_has_a_row_with_a_meaning() -> None:
    rows = settings_table().splitlines()[2:]
    count = sum(len(getattr(Config(), section).model_dump()) for section in Config.model_fields)
    assert len(rows) == count
    for row in rows:
        assert row.split("|")[3].strip(), f"no meaning: {row}"


def test_the_table_is_replaced_between_its_markers(tmp_path: Path) -> None:
    file = tmp_path / "README.md"
    file.write_text(f"before\n{TABLE_START}\nstale row\n{TABLE_END}\nafter\n", encoding="utf-8")
    settings(file)
    text = file.read_text(encoding="utf-8")
    assert "stale row" not in text and settings_table() in text
    assert text.startswith("before\n") and text.endswith("\nafter\n")


def test_a_file_without_markers_is_left_alone() -> None:
    with pytest.raises(ConfigurationError, match="lacks the markers"):
        replace_table("no table here")


def test_the_table_is_printed_without_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    settings(None)
    assert "`server.port`" in capsys.readouterr().out
