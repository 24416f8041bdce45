"""Which stage runs next, and for whom: earliest deadline first, one batch per tick.

Pure: work items in, one batch out. Deadlines are fixed when work arrives and move later only for a
response whose listener has audio (or text) left to consume, so whatever waits becomes the most
urgent in the end: nothing starves.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Protocol


class Stage(IntEnum):
    """What the device can do for several sessions at once.

    Among equal deadlines the higher value runs first: it is nearer to the listener.
    """

    PREPARE = 0
    """Prompt, image slicing and checks of a unit or message; no network."""
    ENCODE_IMAGES = 1
    ENCODE_AUDIO = 2
    PREFILL = 3
    DECODE_TEXT = 4
    SPEECH_PREFILL = 5
    DECODE_SPEECH = 6
    VOCODE = 7


class Job(Protocol):
    """Whoever offered an item and takes its result."""

    @property
    def session_id(self) -> str:
        """The session the work is for."""
        ...

    def deliver(self, item: WorkItem, result: Any, compute_s: float) -> None:
        """Take the result of an item that was run, and how long its batch took."""
        ...


@dataclass(frozen=True, slots=True)
class WorkItem:
    """One session's next step of one stage."""

    stage: Stage
    job: Job
    payload: Any
    """What the stage needs; its type belongs to the stage."""
    deadline_s: float
    """On the engine's clock: when somebody begins to wait for it."""
    cost: int = 1
    """In the stage's own unit (slices, clips, tokens, rows), see :class:`BatchLimits`."""


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """How much of a stage one tick may take, so that an urgent step never waits long for a bulk.

    The first item of a batch always runs, whatever it costs.
    """

    max_rows: int = 64
    """Sessions in one batched step."""
    preparations: int = 8
    """Each costs milliseconds of this thread; too few, and sessions would not meet in a batch."""
    image_slices: int = 16
    audio_clips: int = 64
    prefill_tokens: int = 4096

    @classmethod
    def for_cpu(cls, max_rows: int) -> BatchLimits:
        """On CPU a batch costs nearly as much as its items one by one: keep ticks short."""
        return cls(
            max_rows=max_rows, preparations=4, image_slices=1, audio_clips=4, prefill_tokens=512
        )

    @classmethod
    def for_accelerator(cls, max_rows: int) -> BatchLimits:
        """On an accelerator a step costs its launch: take everything."""
        return cls(max_rows=max_rows, audio_clips=max_rows)

    def of(self, stage: Stage) -> int:
        """Largest total cost of one batch of ``stage``."""
        match stage:
            case Stage.PREPARE:
                return self.preparations
            case Stage.ENCODE_IMAGES:
                return self.image_slices
            case Stage.ENCODE_AUDIO:
                return self.audio_clips
            case Stage.PREFILL:
                return self.prefill_tokens
            case _:
                return self.max_rows


@dataclass(frozen=True, slots=True)
class Batch:
    """What one tick runs."""

    stage: Stage
    items: Sequence[WorkItem]
    """Most urgent first."""


class Scheduler:
    """Chooses one batch out of all work that is ready."""

    def __init__(self, limits: BatchLimits) -> None:
        self._limits = limits

    def choose(self, items: Iterable[WorkItem]) -> Batch | None:
        """The batch to run now, or None when nothing is ready.

        The stage is that of the most urgent item; it takes along every other ready item of that
        stage in order of urgency, as far as the limits allow.
        """
        ready = list(items)
        if not ready:
            return None
        stage = min(ready, key=lambda item: (item.deadline_s, -item.stage)).stage
        same = sorted(
            (item for item in ready if item.stage is stage), key=lambda item: item.deadline_s
        )
        budget = self._limits.of(stage)
        taken = [same[0]]
        spent = same[0].cost
        for item in same[1:]:
            if len(taken) == self._limits.max_rows or spent + item.cost > budget:
                break
            taken.append(item)
            spent += item.cost
        return Batch(stage, taken)


NEVER_S = math.inf
"""Wake-up time of a worker that has nothing to wait for but commands."""
