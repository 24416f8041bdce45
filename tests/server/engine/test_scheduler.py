"""Earliest deadline first, batched by stage."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.engine.scheduler import BatchLimits, Scheduler, Stage, WorkItem

pytestmark = pytest.mark.unit


class FakeJob:
    """Somebody who wants work done."""

    def __init__(self, session_id: str) -> None:
        self.session_id = session_id

    def deliver(self, item: WorkItem, result: Any, compute_s: float) -> None:
        """Not called by the scheduler."""
        raise AssertionError


def item(stage: Stage, name: str, deadline_s: float, cost: int = 1) -> WorkItem:
    """Work of a session called ``name``."""
    return WorkItem(stage, FakeJob(name), None, deadline_s, cost)


def chosen(items: list[WorkItem], limits: BatchLimits | None = None) -> tuple[Stage, list[str]]:
    """Stage and sessions of the next batch."""
    batch = Scheduler(limits or BatchLimits()).choose(items)
    assert batch is not None
    return batch.stage, [each.job.session_id for each in batch.items]


def test_nothing_to_do_gives_no_batch() -> None:
    assert Scheduler(BatchLimits()).choose([]) is None


def test_the_stage_of_the_earliest_deadline_runs_first() -> None:
    items = [
        item(Stage.DECODE_SPEECH, "listener", 5.0),
        item(Stage.PREFILL, "unit", 4.0),
        item(Stage.VOCODE, "other", 6.0),
    ]
    assert chosen(items) == (Stage.PREFILL, ["unit"])


def test_a_batch_takes_every_ready_item_of_its_stage_most_urgent_first() -> None:
    items = [
        item(Stage.DECODE_TEXT, "late", 9.0),
        item(Stage.DECODE_TEXT, "urgent", 1.0),
        item(Stage.DECODE_SPEECH, "other", 2.0),
        item(Stage.DECODE_TEXT, "middle", 5.0),
    ]
    assert chosen(items) == (Stage.DECODE_TEXT, ["urgent", "middle", "late"])


def test_among_equal_deadlines_what_is_nearer_to_the_listener_goes_first() -> None:
    items = [item(stage, stage.name, 1.0) for stage in Stage]
    assert chosen(items)[0] is Stage.VOCODE


def test_a_batch_holds_at_most_max_rows_sessions() -> None:
    items = [item(Stage.DECODE_SPEECH, str(n), n) for n in range(5)]
    assert chosen(items, BatchLimits(max_rows=2)) == (Stage.DECODE_SPEECH, ["0", "1"])


def test_prefills_are_packed_up_to_the_token_limit() -> None:
    items = [item(Stage.PREFILL, str(n), n, cost=100) for n in range(5)]
    assert chosen(items, BatchLimits(prefill_tokens=250))[1] == ["0", "1"]


def test_the_most_urgent_item_runs_whatever_it_costs() -> None:
    items = [item(Stage.PREFILL, "long", 0.0, cost=10_000), item(Stage.PREFILL, "short", 1.0)]
    assert chosen(items, BatchLimits(prefill_tokens=250))[1] == ["long"]


def test_on_cpu_image_slices_run_one_by_one_so_that_urgent_steps_come_between() -> None:
    items = [item(Stage.ENCODE_IMAGES, "camera", 1.0) for _ in range(10)]
    assert len(chosen(items, BatchLimits.for_cpu(8))[1]) == 1
    assert len(chosen(items, BatchLimits.for_accelerator(64))[1]) == 10


@settings(deadline=None, max_examples=30)
@given(
    st.lists(
        st.tuples(st.sampled_from(list(Stage)), st.floats(0, 10), st.integers(1, 700)),
        min_size=1,
        max_size=40,
    )
)
def test_everything_runs_in_the_end_and_the_most_urgent_is_always_in_the_batch(
    work: list[tuple[Stage, float, int]],
) -> None:
    scheduler = Scheduler(BatchLimits.for_cpu(4))
    waiting = [item(stage, str(n), due, cost) for n, (stage, due, cost) in enumerate(work)]
    ticks = 0
    while waiting:
        batch = scheduler.choose(waiting)
        assert batch is not None
        assert min(each.deadline_s for each in waiting) == batch.items[0].deadline_s
        for done in batch.items:
            waiting.remove(done)
        ticks += 1
    assert ticks <= len(work)


def test_a_stream_of_urgent_work_does_not_starve_work_with_a_fixed_deadline() -> None:
    """A talker whose deadline moves with its audio, against a unit that is due at 1 s."""
    scheduler = Scheduler(BatchLimits.for_cpu(4))
    now_s, speech_due_s, unit_done_at_s = 0.0, 0.5, None
    while unit_done_at_s is None and now_s < 10:
        speech = item(Stage.DECODE_SPEECH, "talker", speech_due_s)
        batch = scheduler.choose([speech, item(Stage.PREFILL, "unit", 1.0)])
        assert batch is not None
        now_s += 0.02
        if batch.stage is Stage.PREFILL:
            unit_done_at_s = now_s
        else:
            speech_due_s += 0.021  # a frame of audio is ahead now
    assert unit_done_at_s is not None and unit_done_at_s <= 1.0
