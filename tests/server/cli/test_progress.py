"""The progress line on a terminal and in a log."""

from __future__ import annotations

import io

import pytest

from server.cli.progress import ProgressLine

pytestmark = pytest.mark.unit


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_line_is_rewritten_in_place_and_ended_once() -> None:
    stream = Terminal()
    progress = ProgressLine(stream)
    progress("answering: 1.0 s")
    progress("done")
    progress.close()
    progress.close()
    assert stream.getvalue() == "\ranswering: 1.0 s\rdone            \n"


def test_a_log_gets_one_line_per_stage() -> None:
    stream = io.StringIO()
    progress = ProgressLine(stream)
    for message in ("answering: 0.5 s", "answering: 1.0 s", "end of turn heard"):
        progress(message)
    progress.close()
    assert stream.getvalue() == "answering: 0.5 s\nend of turn heard\n"


def test_quiet_says_nothing() -> None:
    stream = io.StringIO()
    progress = ProgressLine(stream, quiet=True)
    progress("sending")
    progress.close()
    assert stream.getvalue() == ""
