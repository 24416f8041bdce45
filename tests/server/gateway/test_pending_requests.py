"""Late refusals and the events they are about."""

from __future__ import annotations

import pytest

from server.gateway.pending_requests import MAX_PENDING, PendingRequests

pytestmark = pytest.mark.unit


def test_the_oldest_undecided_request_is_the_one_refused() -> None:
    pending = PendingRequests()
    for number in range(3):
        pending.expect("full", f"key_{number}", f"event_{number}")
    pending.confirm("full", "key_0")
    refused = pending.refused("full")
    assert refused is not None
    assert (refused.key, refused.event_id) == ("key_1", "event_1")


def test_a_success_decides_everything_older() -> None:
    pending = PendingRequests()
    pending.expect("full", "a", "1")
    pending.expect("full", "b", "2")
    pending.confirm("full", "b")
    assert pending.refused("full") is None


def test_kinds_do_not_mix_and_strangers_change_nothing() -> None:
    pending = PendingRequests()
    pending.expect("full", "a", "1")
    pending.confirm("full", "x")
    pending.confirm("empty", "a")
    assert pending.refused("empty") is None
    refused = pending.refused("full")
    assert refused is not None
    assert refused.event_id == "1"


def test_what_is_remembered_is_bounded() -> None:
    pending = PendingRequests()
    for number in range(MAX_PENDING + 1):
        pending.expect("full", str(number), None)
    refused = pending.refused("full")
    assert refused is not None
    assert refused.key == "1"
