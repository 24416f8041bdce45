"""``omnicall feedback``: what callers said about their calls."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum
from itertools import chain, islice
from pathlib import Path
from typing import Annotated, TextIO

import typer

from server.clock import epoch_s
from server.config import load_config
from server.errors import FeedbackError
from server.gateway.feedback_store import FeedbackEntry, FeedbackStore

feedback = typer.Typer(help="What callers said about their calls.", no_args_is_help=True)

COLUMNS = ("call_id", "rating", "created_at", "comment", "transcript")
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""First characters that make a spreadsheet take a stranger's words for a formula."""


class ExportFormat(StrEnum):
    """How entries are written."""

    JSONL = "jsonl"
    CSV = "csv"


@feedback.callback()
def group() -> None:
    """What callers said about their calls."""


@feedback.command()
def export(
    export_format: Annotated[
        ExportFormat, typer.Option("--format", help="One JSON object per line, or a table.")
    ] = ExportFormat.JSONL,
    out: Annotated[
        Path | None, typer.Option(dir_okay=False, help="File to write; standard output if none.")
    ] = None,
    config_file: Annotated[
        Path | None, typer.Option("--config", help="TOML file with the server's settings.")
    ] = None,
    database: Annotated[
        Path | None, typer.Option(help="Feedback file, where it is not the configured one.")
    ] = None,
) -> None:
    """Write all feedback, oldest first. The server may be running."""
    overrides = {"feedback": {"database": database}} if database is not None else None
    store = FeedbackStore(load_config(config_file, overrides).feedback)
    entries = store.entries(epoch_s())
    # Read before anything is written: where it cannot be, an earlier export is left alone.
    rows = chain(list(islice(entries, 1)), entries)
    if out is None:
        write_entries(rows, export_format, sys.stdout)
        return
    try:
        with out.open("w", encoding="utf-8", newline="") as file:
            count = write_entries(rows, export_format, file)
    except OSError as error:
        raise FeedbackError(
            f"cannot write {out}: {error.strerror or error}; choose another file with --out"
        ) from error
    typer.echo(f"wrote {count} entries to {out}", err=True)


def write_entries(entries: Iterable[FeedbackEntry], form: ExportFormat, file: TextIO) -> int:
    """Write entries; says how many."""
    count = 0
    table = csv.writer(file, lineterminator="\n")
    if form is ExportFormat.CSV:
        table.writerow(COLUMNS)
    for entry in entries:
        count += 1
        row = _row(entry)
        if form is ExportFormat.CSV:
            table.writerow([_as_text(row[column]) for column in COLUMNS])
        else:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    return count


def _row(entry: FeedbackEntry) -> dict[str, str | None]:
    created_at = datetime.fromtimestamp(entry.created_at_s, UTC)
    return {
        "call_id": entry.call_id,
        "rating": entry.rating,
        "created_at": created_at.isoformat(timespec="seconds"),
        "comment": entry.comment,
        "transcript": entry.transcript,
    }


def _as_text(value: str | None) -> str:
    """A cell that a spreadsheet shows and does not compute."""
    text = value or ""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text
