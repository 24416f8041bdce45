"""Feedback on a real disk."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from server.config import FeedbackConfig
from server.errors import FeedbackError
from server.gateway import feedback_store
from server.gateway.feedback_store import S_PER_DAY, FeedbackEntry, FeedbackStore

pytestmark = pytest.mark.unit

NOW_S = 1_800_000_000.0


def store_in(folder: Path, **settings: Any) -> FeedbackStore:
    return FeedbackStore(FeedbackConfig(database=folder / "kept" / "feedback.sqlite3", **settings))


def said(call_id: str, age_s: float = 0.0, **fields: Any) -> FeedbackEntry:
    return FeedbackEntry(call_id, fields.pop("rating", "like"), NOW_S - age_s, **fields)


@contextmanager
def database(file: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        yield connection


def test_entries_come_back_oldest_first_as_they_were_given(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    assert not store.exists
    entries = [
        said("call_2", 1, rating="dislike", comment="it's “slow”; 太慢\n\x00", transcript="a: b"),
        said("call_1"),
    ]
    for entry in reversed(entries):
        store.add(entry)
    assert store.exists
    assert list(store_in(tmp_path).entries(NOW_S)) == entries


def test_a_later_word_on_a_call_replaces_the_earlier(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    store.add(said("call_1", 5, comment="good"))
    store.add(said("call_1", rating="dislike"))
    assert list(store.entries(NOW_S)) == [said("call_1", rating="dislike")]


def test_what_is_past_its_time_is_not_shown_and_is_deleted(tmp_path: Path) -> None:
    store = store_in(tmp_path, retention_days=2)
    store.add(said("old", 2 * S_PER_DAY))
    store.add(said("new", 2 * S_PER_DAY - 1))
    assert [entry.call_id for entry in store.entries(NOW_S)] == ["new"]
    assert [entry.call_id for entry in store.entries(NOW_S + 1)] == []
    store.sweep(NOW_S + 1)
    assert list(store_in(tmp_path, retention_days=0).entries(NOW_S)) == []


def test_deleted_words_are_not_left_in_the_file(tmp_path: Path) -> None:
    store = store_in(tmp_path, retention_days=1)
    store.add(said("old", comment="a secret of somebody"))
    store.sweep(NOW_S + S_PER_DAY)
    left = b"".join(file.read_bytes() for file in (tmp_path / "kept").iterdir())
    assert b"a secret" not in left


def test_without_a_retention_everything_is_kept(tmp_path: Path) -> None:
    store = store_in(tmp_path, retention_days=0)
    store.add(said("ancient", NOW_S - 1))
    store.sweep(NOW_S)
    assert len(list(store.entries(NOW_S))) == 1


def test_the_oldest_make_room(tmp_path: Path) -> None:
    store = store_in(tmp_path, max_entries=2)
    for age_s, call_id in enumerate(["newest", "new", "old"]):
        store.add(said(call_id, age_s))
    assert [entry.call_id for entry in store.entries(NOW_S)] == ["new", "newest"]


def test_the_file_is_the_operator_s_alone_and_readers_need_not_wait(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    store.add(said("call_1"))
    file = tmp_path / "kept" / "feedback.sqlite3"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with database(file) as writer:
        assert writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        writer.execute("BEGIN IMMEDIATE")
        assert len(list(store.entries(NOW_S))) == 1


# --- what goes wrong


def test_reading_where_there_is_nothing_says_so_and_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(FeedbackError, match=r"there is no feedback: .*feedback\.sqlite3"):
        list(store_in(tmp_path).entries(NOW_S))
    assert not (tmp_path / "kept").exists()


def test_a_file_that_is_no_database_is_named_damaged_and_left_alone(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    file = tmp_path / "kept" / "feedback.sqlite3"
    file.parent.mkdir()
    file.write_bytes(b"not a database, but something of worth" * 100)
    before = file.read_bytes()
    for use in (lambda: store.add(said("call_1")), lambda: list(store.entries(NOW_S))):
        with pytest.raises(FeedbackError, match=r"damaged: .*Move it away"):
            use()
    assert file.read_bytes() == before
    file.rename(tmp_path / "away")
    store.add(said("call_1"))


def test_a_damaged_page_is_told(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    for number in range(8):
        store.add(said(f"call_{number}", comment="x" * 4000))
    file = tmp_path / "kept" / "feedback.sqlite3"
    content = bytearray(file.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    file.write_bytes(content)
    with pytest.raises(FeedbackError, match=r"feedback\.sqlite3"):
        store.add(said("call_new"))


def test_a_place_that_cannot_be_written_is_told_with_the_setting(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("a file where the folder should be")
    with pytest.raises(FeedbackError, match=r"cannot use .*feedback\.database"):
        store_in(tmp_path).add(said("call_1"))
    folder = tmp_path / "folder.sqlite3"
    folder.mkdir()
    store = FeedbackStore(FeedbackConfig(database=folder))
    for use in (lambda: store.add(said("call_1")), lambda: list(store.entries(NOW_S))):
        with pytest.raises(FeedbackError, match=r"cannot use .*feedback\.database"):
            use()


def test_a_file_another_program_holds_is_told_and_nothing_is_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = store_in(tmp_path)
    store.add(said("call_1"))
    monkeypatch.setattr(feedback_store, "BUSY_TIMEOUT_S", 0.0)
    with database(tmp_path / "kept" / "feedback.sqlite3") as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(FeedbackError, match="locked"):
            store.add(said("call_2"))
    store.add(said("call_3", 1))
    assert [entry.call_id for entry in store.entries(NOW_S)] == ["call_3", "call_1"]


def test_a_failure_half_way_undoes_the_first_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = store_in(tmp_path)
    store.add(said("call_1"))

    def fail(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(store, "_delete_old", fail)
        with pytest.raises(FeedbackError, match=r"disk is full.*has room"):
            store.add(said("call_2"))
    assert [entry.call_id for entry in store.entries(NOW_S)] == ["call_1"]


def test_another_program_s_database_is_not_touched(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    file = tmp_path / "kept" / "feedback.sqlite3"
    file.parent.mkdir()
    with database(file) as other:
        other.execute("CREATE TABLE feedback (mine TEXT)")
    for use in (lambda: store.add(said("call_1")), lambda: list(store.entries(NOW_S))):
        with pytest.raises(FeedbackError, match="belongs to another program"):
            use()
    with database(file) as other:
        assert other.execute("SELECT count(*) FROM feedback").fetchone() == (0,)


def test_a_file_of_a_newer_version_is_not_touched(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    store.add(said("call_1"))
    with database(tmp_path / "kept" / "feedback.sqlite3") as newer:
        newer.execute("PRAGMA user_version = 2")
    for use in (lambda: store.add(said("call_2")), lambda: list(store.entries(NOW_S))):
        with pytest.raises(FeedbackError, match="has version 2"):
            use()
