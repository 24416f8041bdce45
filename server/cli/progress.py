"""A live progress line on standard error; plain lines where that is no terminal."""

from __future__ import annotations

import sys
from typing import TextIO


class ProgressLine:
    """One line that is rewritten in place; messages that repeat are shown once."""

    def __init__(self, stream: TextIO | None = None, *, quiet: bool = False) -> None:
        """Write to ``stream`` (standard error by default), or nowhere when ``quiet``."""
        self._stream = stream if stream is not None else sys.stderr
        self._live = self._stream.isatty()
        self._quiet = quiet
        self._shown = ""

    def __call__(self, message: str) -> None:
        """Show a message."""
        if self._quiet or message == self._shown:
            return
        if self._live:
            padding = " " * max(0, len(self._shown) - len(message))
            self._stream.write(f"\r{message}{padding}")
        elif _stage(message) != _stage(self._shown):
            # In a log file a counter that runs is noise: one line per stage.
            self._stream.write(f"{message}\n")
        self._stream.flush()
        self._shown = message

    def close(self) -> None:
        """End the line, so that what follows starts on its own."""
        if self._live and self._shown and not self._quiet:
            self._stream.write("\n")
            self._stream.flush()
        self._shown = ""


def _stage(message: str) -> str:
    return message.partition(":")[0]
