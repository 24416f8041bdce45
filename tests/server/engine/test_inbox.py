"""The bounded queue into the owner thread."""

from __future__ import annotations

import threading

import pytest

from server.clock import SystemClock
from server.engine.inbox import CommandInbox, refusal
from server.engine.interface import (
    Cancel,
    CommandRejected,
    InputUnit,
    Open,
    Prefill,
    Respond,
    ResponseDone,
    ResponseStatus,
    Rewind,
    SessionLost,
    SessionSpec,
)
from server.errors import EngineBusyError

pytestmark = pytest.mark.unit

UNIT = Prefill("a", InputUnit(7))


def test_commands_come_out_in_order_with_the_time_they_came() -> None:
    inbox = CommandInbox(16, SystemClock())
    inbox.put(UNIT)
    inbox.put(Cancel("a", "r"))
    taken = inbox.take_all()
    assert [arrived.command for arrived in taken] == [UNIT, Cancel("a", "r")]
    assert taken[0].at_s <= taken[1].at_s
    assert inbox.take_all() == []


def test_a_full_inbox_refuses_work_but_still_takes_cancellations() -> None:
    inbox = CommandInbox(2, SystemClock())
    inbox.put(UNIT)
    inbox.put(UNIT)
    with pytest.raises(EngineBusyError):
        inbox.put(UNIT)
    inbox.put(Cancel("a", "r"))
    inbox.put(Cancel("a", "r"))
    with pytest.raises(EngineBusyError):
        inbox.put(Cancel("a", "r"))
    assert len(inbox.take_all()) == 4


def test_waiting_ends_with_a_command_or_a_stop_from_another_thread() -> None:
    inbox = CommandInbox(16, SystemClock())
    for wake in (lambda: inbox.put(UNIT), inbox.stop):
        thread = threading.Thread(target=wake)
        thread.start()
        inbox.wait(None)
        thread.join()
        inbox.take_all()
    assert inbox.stopped


def test_waiting_ends_when_time_is_up() -> None:
    CommandInbox(16, SystemClock()).wait(0.0)


def test_every_kind_of_command_has_one_kind_of_refusal() -> None:
    lost = refusal(Open("a", SessionSpec()), "full", "no row")
    assert lost == SessionLost("a", "full: no row")
    done = refusal(Respond("a", "r"), "busy", "later")
    assert isinstance(done, ResponseDone) and done.status is ResponseStatus.FAILED
    assert refusal(UNIT, "busy", "later") == CommandRejected(
        "a", "Prefill", "busy", "later", unit_index=7
    )
    rejected = refusal(Rewind("a", 3), "expired", "gone")
    assert isinstance(rejected, CommandRejected) and rejected.command == "Rewind"
