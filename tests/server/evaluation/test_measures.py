"""The table of what must hold."""

from __future__ import annotations

import pytest

from server.evaluation.conditions import CONDITIONS
from server.evaluation.measures import MEASURES, Figure

pytestmark = pytest.mark.unit

MUST_HOLD = {
    "typed": (98, 99.5),
    "seen": (95, 99),
    "unheard": (85, 95),
    "pictures": (97, 99),
    "memory": (95, 99),
    "outside": (90, 97),
    "intelligibility": (8, 2),
    "pesq": (3.2, 3.8),
    "stoi": (0.95, 0.98),
    "right_voice": (95, 100),
    "server_memory": (1.5, None),
    "ready": (10, None),
    "first_audio": (350, 150),
}


def test_every_bar_is_the_one_that_was_set() -> None:
    bars = {name: (m.bar, m.stretch) for name, m in MEASURES.items() if m.bar is not None}
    assert bars == MUST_HOLD


def test_every_condition_has_its_figure() -> None:
    assert set(CONDITIONS) <= set(MEASURES)


@pytest.mark.parametrize(
    ("name", "value", "met"),
    [("typed", 98.0, True), ("typed", 97.9, False), ("ready", 10.0, True), ("ready", 10.1, False)],
)
def test_a_bar_is_reached_from_its_own_side(name: str, value: float, met: bool) -> None:
    assert MEASURES[name].as_json(Figure(value, 500))["bar_reached"] is met


def test_what_was_not_measured_or_has_no_bar_is_neither() -> None:
    assert MEASURES["typed"].as_json(None)["bar_reached"] is None
    row = MEASURES["noise"].as_json(Figure(90.0, 10, 60.0, 98.0))
    assert row["bar_reached"] is None and row["low_95"] == 60.0
