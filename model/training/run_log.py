"""The log of a run: one JSON object per line, readable while the run goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class RunLog:
    """Appends records to a file; a record that has a ``step`` belongs to that step."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, record: dict[str, Any]) -> None:
        """Write one record, whole or not at all as far as readers are concerned."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record, sort_keys=True) + "\n")

    def read(self) -> Iterator[dict[str, Any]]:
        """All records; a last line that was cut by a crash is left out."""
        if not self.path.exists():
            return
        for line in self.path.read_text(encoding="utf-8").splitlines():
            try:
                yield json.loads(line)
            except ValueError:
                continue

    def forget_after(self, step: int) -> None:
        """Drop records of steps past ``step``: a resumed run writes them again."""
        kept = [record for record in self.read() if record.get("step", 0) <= step]
        scratch = self.path.with_suffix(".part")
        text = "".join(json.dumps(record, sort_keys=True) + "\n" for record in kept)
        scratch.write_text(text, encoding="utf-8")
        scratch.replace(self.path)
