from __future__ import annotations

import pytest

from server.gateway.webrtc.flood_guard import FloodGuard

pytestmark = pytest.mark.unit


def test_too_much_within_a_second_is_a_flood() -> None:
    guard = FloodGuard(3)
    assert [guard.is_flooded(10.0 + i / 10) for i in range(4)] == [False, False, False, True]
    assert not guard.is_flooded(11.5), "the next second counts anew"


def test_amounts_add_up() -> None:
    guard = FloodGuard(1000)
    assert not guard.is_flooded(5.0, 600)
    assert guard.is_flooded(5.1, 600)
