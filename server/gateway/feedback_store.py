"""Feedback in a SQLite file. Everything here blocks; the event loop uses `FeedbackRecorder`."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Literal

from server.config import FeedbackConfig
from server.errors import FeedbackError

Rating = Literal["like", "dislike"]

APPLICATION_ID = 0x4F4D4E49
"""Tells our file from other SQLite files: `OMNI`."""
SCHEMA_VERSION = 1
SCHEMA = """
CREATE TABLE feedback (
    call_id TEXT NOT NULL PRIMARY KEY,
    rating TEXT NOT NULL CHECK (rating IN ('like', 'dislike')),
    comment TEXT,
    transcript TEXT,
    created_at_s REAL NOT NULL
);
CREATE INDEX feedback_by_age ON feedback (created_at_s);
"""
BUSY_TIMEOUT_S = 5.0
"""How long another program may hold the file."""
FILE_MODE = 0o600
"""What people said is for the operator alone."""
S_PER_DAY = 86_400


@dataclass(frozen=True, slots=True)
class FeedbackEntry:
    """What one caller said about one call."""

    call_id: str
    rating: Rating
    created_at_s: float
    """Since 1970."""
    comment: str | None = None
    transcript: str | None = None


class FeedbackStore:
    """The feedback of one server: at most one entry a call, the newest.

    The file is opened for each operation, so that a damaged, deleted or full one is an error of
    that operation and nothing has to be restarted once it is well again. Safe to use from any
    thread and from several processes.
    """

    def __init__(self, config: FeedbackConfig) -> None:
        """
        Args:
            config: Names the file and what is kept. The file is made when it is first written to.
        """
        self._file = config.database
        self._retention_s = config.retention_days * S_PER_DAY
        self._max_entries = config.max_entries

    @property
    def exists(self) -> bool:
        """Whether there is a file."""
        return self._file.exists()

    def add(self, entry: FeedbackEntry) -> None:
        """Store an entry in place of what was said about that call before.

        Entries past their time, and the oldest where there are too many, make room.

        Raises:
            FeedbackError: The file cannot be written, is damaged or not ours.
        """
        with self._writing() as database:
            database.execute(
                "INSERT INTO feedback (call_id, rating, comment, transcript, created_at_s) "
                "VALUES (?, ?, ?, ?, ?) ON CONFLICT (call_id) DO UPDATE SET "
                "rating = excluded.rating, comment = excluded.comment, "
                "transcript = excluded.transcript, created_at_s = excluded.created_at_s",
                (entry.call_id, entry.rating, entry.comment, entry.transcript, entry.created_at_s),
            )
            self._delete_old(database, entry.created_at_s)

    def sweep(self, now_s: float) -> None:
        """Delete what is past its time.

        Raises:
            FeedbackError: The file cannot be written, is damaged or not ours.
        """
        with self._writing() as database:
            self._delete_old(database, now_s)

    def entries(self, now_s: float) -> Iterator[FeedbackEntry]:
        """Every entry that is not past its time, oldest first; the file stays as it is.

        Raises:
            FeedbackError: There is no file, or it cannot be read.
        """
        if not self.exists:
            raise FeedbackError(
                f"there is no feedback: {self._file} does not exist. It is made with the first "
                "rating; if the server keeps it elsewhere, say so in feedback.database"
            )
        with self._opened("ro") as database:
            self._check_is_ours(database)
            for row in database.execute(
                "SELECT call_id, rating, created_at_s, comment, transcript FROM feedback "
                "WHERE created_at_s > ? ORDER BY created_at_s",
                (self._oldest_s(now_s),),
            ):
                yield FeedbackEntry(*row)

    def _delete_old(self, database: sqlite3.Connection, now_s: float) -> None:
        database.execute(
            "DELETE FROM feedback WHERE created_at_s <= ?",
            (self._oldest_s(now_s),),
        )
        database.execute(
            "DELETE FROM feedback WHERE rowid IN (SELECT rowid FROM feedback ORDER BY created_at_s "
            "LIMIT max(0, (SELECT count(*) FROM feedback) - ?))",
            (self._max_entries,),
        )

    def _oldest_s(self, now_s: float) -> float:
        """Age limit of what is kept."""
        return now_s - self._retention_s if self._retention_s else 0.0

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """The database in one transaction; made if it is not there."""
        with self._opened("rw") as database:
            # Readers do not wait for writers, and a crash leaves a whole file.
            database.execute("PRAGMA journal_mode = WAL")
            # What was deleted is overwritten, not left in free pages.
            database.execute("PRAGMA secure_delete = ON")
            database.execute("BEGIN IMMEDIATE")
            if _identity(database) == (0, 0) and not _has_tables(database):
                for statement in SCHEMA.split(";"):
                    database.execute(statement)
                database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            self._check_is_ours(database)
            yield database
            # What raised before this point is undone when the connection closes.
            database.execute("COMMIT")

    @contextmanager
    def _opened(self, mode: Literal["ro", "rw"]) -> Iterator[sqlite3.Connection]:
        """A connection; whatever goes wrong in the block is told with its remedy."""
        try:
            if mode == "rw" and not self.exists:
                self._file.parent.mkdir(parents=True, exist_ok=True)
                os.close(os.open(self._file, os.O_CREAT | os.O_RDWR, FILE_MODE))
            address = f"{self._file.absolute().as_uri()}?mode={mode}"
            with closing(
                sqlite3.connect(address, BUSY_TIMEOUT_S, uri=True, isolation_level=None)
            ) as database:
                yield database
        except (OSError, sqlite3.OperationalError) as error:
            raise FeedbackError(
                f"cannot use the feedback file {self._file}: {error}. Make sure that its folder "
                "can be written to and has room, or choose another file with feedback.database"
            ) from error
        except sqlite3.Error as error:
            raise FeedbackError(
                f"the feedback file {self._file} is damaged: {error}. Move it away with its -wal "
                "and -shm files, and a new one is made with the next rating"
            ) from error

    def _check_is_ours(self, database: sqlite3.Connection) -> None:
        application_id, version = _identity(database)
        if application_id != APPLICATION_ID:
            raise FeedbackError(
                f"{self._file} belongs to another program; choose another file with "
                "feedback.database"
            )
        if version != SCHEMA_VERSION:
            raise FeedbackError(
                f"the feedback file {self._file} has version {version}, this is a program for "
                f"version {SCHEMA_VERSION}; use the program that made it, or another file"
            )


def _identity(database: sqlite3.Connection) -> tuple[int, int]:
    """Whose file it is, and in which version; zeros for an empty one."""
    (application_id,) = database.execute("PRAGMA application_id").fetchone()
    (version,) = database.execute("PRAGMA user_version").fetchone()
    return application_id, version


def _has_tables(database: sqlite3.Connection) -> bool:
    return database.execute("SELECT 1 FROM sqlite_master").fetchone() is not None
