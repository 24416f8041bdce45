"""Pacing and the heard position."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.session.playout import Playout, ReleasedAudio
from tests.fakes.scripted_replies import speech_pcm

pytestmark = pytest.mark.unit


class HandClock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def monotonic(self) -> float:
        """What it was set to."""
        return self.now_s


def release_all(playout: Playout) -> list[ReleasedAudio]:
    """Everything that may leave now."""
    released = []
    while (piece := playout.release()) is not None:
        released.append(piece)
    return released


def test_the_first_piece_leaves_at_once() -> None:
    playout = Playout(HandClock(), 5.0)
    playout.push("r", speech_pcm(0.5))
    assert playout.wait_s() == 0.0
    (piece,) = release_all(playout)
    assert (piece.response_id, piece.start_s, piece.length_s) == ("r", 0.0, 0.5)
    assert piece.pcm == speech_pcm(0.5)
    assert playout.wait_s() is None


def test_no_more_than_the_lead_leaves_ahead_of_the_listener() -> None:
    clock = HandClock()
    playout = Playout(clock, 2.0)
    for _ in range(10):
        playout.push("r", speech_pcm(0.5))
    assert len(release_all(playout)) == 4
    assert playout.is_waiting("r")
    assert playout.wait_s() == pytest.approx(0.5)
    clock.now_s += 0.5
    assert len(release_all(playout)) == 1
    clock.now_s += 1.0
    assert len(release_all(playout)) == 2


def test_a_listener_that_ran_dry_stands_still() -> None:
    clock = HandClock()
    playout = Playout(clock, 5.0)
    playout.push("r", speech_pcm(1.0))
    release_all(playout)
    clock.now_s += 10.0
    assert playout.heard_s("r") == 1.0
    assert not playout.is_audible
    playout.push("r", speech_pcm(1.0))
    release_all(playout)
    assert playout.heard_s("r") == 1.0
    clock.now_s += 0.25
    assert playout.heard_s("r") == pytest.approx(1.25)
    assert playout.is_audible


def test_clearing_discards_what_waits_and_what_was_not_heard() -> None:
    clock = HandClock()
    playout = Playout(clock, 2.0)
    for _ in range(8):
        playout.push("r", speech_pcm(0.5))
    release_all(playout)
    clock.now_s += 0.7
    playout.clear()
    assert not playout.is_waiting("r")
    assert not playout.is_audible
    clock.now_s += 5.0
    assert playout.heard_s("r") == pytest.approx(0.7)


def test_the_next_response_starts_at_its_own_zero() -> None:
    clock = HandClock()
    playout = Playout(clock, 5.0)
    playout.push("a", speech_pcm(2.0))
    release_all(playout)
    clock.now_s += 0.5
    playout.push("b", speech_pcm(1.0))
    (piece,) = release_all(playout)
    assert piece.start_s == 0.0
    assert playout.heard_s("b") == 0.0
    clock.now_s += 2.0
    assert playout.heard_s("a") == pytest.approx(2.0)
    assert playout.heard_s("b") == pytest.approx(0.5)


def test_a_response_after_a_clear_is_heard_from_its_start() -> None:
    clock = HandClock()
    playout = Playout(clock, 5.0)
    playout.push("a", speech_pcm(4.0))
    release_all(playout)
    clock.now_s += 1.0
    playout.clear()
    playout.push("b", speech_pcm(1.0))
    release_all(playout)
    clock.now_s += 0.4
    assert playout.heard_s("a") == pytest.approx(1.0)
    assert playout.heard_s("b") == pytest.approx(0.4)


def test_an_unknown_or_long_gone_response_was_not_heard() -> None:
    clock = HandClock()
    playout = Playout(clock, 5.0)
    for number in range(6):
        playout.push(f"r{number}", speech_pcm(0.1))
        release_all(playout)
        clock.now_s += 1.0
    assert playout.heard_s("nobody") == 0.0
    assert playout.heard_s("r0") == 0.0
    assert playout.heard_s("r5") == pytest.approx(0.1)


@settings(deadline=None, max_examples=40)
@given(
    lead_s=st.floats(0.05, 6.0),
    steps=st.lists(st.tuples(st.floats(0.0, 1.5), st.floats(0.0, 2.0)), max_size=20),
)
def test_nothing_is_lost_or_early_for_any_rhythm(
    lead_s: float, steps: list[tuple[float, float]]
) -> None:
    clock = HandClock()
    playout = Playout(clock, lead_s)
    pushed, released = b"", b""
    for audio_s, pause_s in steps:
        pcm = speech_pcm(audio_s)
        pushed += pcm
        playout.push("r", pcm)
        for piece in release_all(playout):
            released += piece.pcm
            ahead_s = len(released) / 48_000 - playout.heard_s("r")
            assert ahead_s <= lead_s + 1e-4
        clock.now_s += pause_s
    for _ in range(10_000):
        wait_s = playout.wait_s()
        if wait_s is None:
            break
        clock.now_s += wait_s
        released += b"".join(piece.pcm for piece in release_all(playout))
    assert released == pushed
