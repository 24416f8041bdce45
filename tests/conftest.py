"""Settings of the whole test run."""

from __future__ import annotations

import os

# Before torch is imported: two OpenMP threads that spin at barriers starve the other processes.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    import pytest

torch.set_num_threads(1)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the golden parity table, where the golden tests ran."""
    from tests.model.parity_table import PARITY_ROWS

    if not PARITY_ROWS:
        return
    terminalreporter.section("golden parity: largest difference / tolerance")
    for row in sorted(PARITY_ROWS, key=lambda row: row.name):
        terminalreporter.write_line(str(row))
