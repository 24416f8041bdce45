"""What the checkpoint setting means."""

from __future__ import annotations

from pathlib import Path

import pytest

from model import pocket_checkpoint
from model.config import OmniConfig
from model.pocket_checkpoint import UnknownCheckpointError, cache_folder, resolve

pytestmark = pytest.mark.unit


def test_pocket_is_generated_once_into_the_cache_until_it_ships(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMNICALL_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(pocket_checkpoint, "POCKET_FOLDER", tmp_path / "not-shipped")
    folder = resolve("pocket")
    assert folder.parent == tmp_path
    assert OmniConfig.from_folder(folder).trained is False
    written = (folder / "model.safetensors").stat().st_mtime_ns
    assert resolve("pocket") == folder
    assert (folder / "model.safetensors").stat().st_mtime_ns == written


def test_a_shipped_pocket_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.json").write_text("{}")
    monkeypatch.setattr(pocket_checkpoint, "POCKET_FOLDER", tmp_path)
    assert resolve("pocket") == tmp_path


def test_a_folder_is_taken_as_it_is_and_anything_else_refused(tmp_path: Path) -> None:
    assert resolve(str(tmp_path)) == tmp_path
    with pytest.raises(UnknownCheckpointError, match="'nowhere' is not a folder"):
        resolve("nowhere")


def test_the_cache_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMNICALL_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "omnicall"
    monkeypatch.setenv("OMNICALL_CACHE_DIR", str(tmp_path / "x"))
    assert cache_folder() == tmp_path / "x"
