"""Training keeps its files where it is told to."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.training.recipe.folders import TRAINING_DIR_VARIABLE, training_folder

pytestmark = pytest.mark.unit


def test_the_folder_is_the_one_that_was_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(TRAINING_DIR_VARIABLE, str(tmp_path))
    assert training_folder() == tmp_path
    monkeypatch.delenv(TRAINING_DIR_VARIABLE)
    assert training_folder() == Path("runs")
