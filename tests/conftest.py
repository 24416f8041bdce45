"""Settings of the whole test run."""

from __future__ import annotations

import os

# Before torch is imported: two OpenMP threads that spin at barriers starve the other processes.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

from typing import TYPE_CHECKING

import torch
from hypothesis import settings

if TYPE_CHECKING:
    import pytest

torch.set_num_threads(1)
# The same examples in every run: a test that fails on one machine fails on all.
settings.register_profile("deterministic", derandomize=True, database=None, deadline=None)
settings.load_profile("deterministic")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the golden parity table, where the golden tests ran."""
    from tests.model.parity_table import PARITY_ROWS

    if not PARITY_ROWS:
        return
    terminalreporter.section("golden parity: largest difference / tolerance")
    for row in sorted(PARITY_ROWS, key=lambda row: row.name):
        terminalreporter.write_line(str(row))
