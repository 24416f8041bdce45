"""Parity with the reference: every recorded fixture, as a table of largest differences."""

from __future__ import annotations

import importlib
import pkgutil

import pytest
import torch

from tests.model import golden_checks
from tests.model.golden_checks.registry import (
    CHECKS,
    Check,
    Comparison,
    MissingFixtureError,
    golden_set,
)
from tests.model.parity_table import PARITY_ROWS, ParityRow

for _module in pkgutil.iter_modules(golden_checks.__path__):
    importlib.import_module(f"{golden_checks.__name__}.{_module.name}")

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("check", CHECKS, ids=[check.name for check in CHECKS])
def test_matches_the_reference(check: Check) -> None:
    """One line of the parity table."""
    golden = golden_set()
    missing = [name for name in check.files if not golden.has(name)]
    if missing:
        pytest.skip(f"{golden.folder.name} has no {', '.join(missing)}")
    compare = Comparison()
    try:
        with torch.inference_mode():
            check.run(golden, compare)
    except MissingFixtureError as missing_file:
        pytest.skip(f"{golden.folder.name} has no {missing_file}")
    finally:
        if compare.compared:
            PARITY_ROWS.append(ParityRow.of(check.name, compare))
    assert compare.compared, "the check compared nothing"
