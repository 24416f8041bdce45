"""Several processes train one run together: each on its own batches, all by the mean gradient."""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

LONGEST_WAIT = timedelta(minutes=5)
"""For a process that loads its data or judges; one that does not come by then will not come."""


class Peers:
    """One process among those of a run; alone by default."""

    def __init__(self, rank: int = 0, count: int = 1) -> None:
        """Take a place.

        Args:
            rank: Which of the processes this is; 0 leads: it keeps the log and saves.
            count: Processes in all. Those of more than one have been joined.
        """
        self.rank = rank
        self.count = count

    @property
    def leads(self) -> bool:
        """Whether this process keeps the run's folder."""
        return self.rank == 0

    def number_of(self, step: int) -> int:
        """Which batch of the source this process has in a step."""
        return step * self.count + self.rank

    def batches(self, source: Callable[[int], Iterable[Any]], step: int) -> Iterator[Any]:
        """This process's batches from a step on."""
        if self.count == 1:
            return iter(source(step))
        numbers = map(self.number_of, itertools.count(step))
        return (next(iter(source(number))) for number in numbers)

    @torch.no_grad()
    def share(self, parameters: Sequence[nn.Parameter]) -> None:
        """Begin with the leader's values."""
        if self.count > 1:
            for parameter in parameters:
                dist.broadcast(parameter, src=0)

    @torch.no_grad()
    def average(self, parameters: Sequence[nn.Parameter]) -> None:
        """Replace every gradient by the mean over the processes; where one of them has none, it
        counts as 0."""
        if self.count == 1:
            return
        parts = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        present = parts[0].new_tensor([parameter.grad is not None for parameter in parameters])
        flat = torch.cat([*(part.flatten() for part in parts), present])
        dist.all_reduce(flat)
        *means, present = (flat / self.count).split([*(p.numel() for p in parameters), len(parts)])
        for parameter, mean, share in zip(parameters, means, present.tolist(), strict=True):
            parameter.grad = mean.view_as(parameter) if share else None

    def as_leader(self, number: float) -> float:
        """The leader's number."""
        if self.count == 1:
            return number
        shared = torch.tensor([number], dtype=torch.float64)
        dist.broadcast(shared, src=0)
        return float(shared)


@contextmanager
def joined(count: int, follow: Callable[..., None], *arguments: Any) -> Iterator[Peers]:
    """Start the others and lead them; they end with the block.

    Args:
        count: Processes in all.
        follow: ``follow(peers, *arguments)`` is what the others do; importable, in a module that
            starts nothing when it is imported.
        arguments: What can be pickled.
    """
    if count == 1:
        yield Peers()
        return
    with tempfile.TemporaryDirectory(prefix="omnicall-peers-") as folder:
        meeting = Path(folder) / "meeting"
        context = get_context("spawn")
        others = [
            context.Process(target=_follow, args=(meeting, rank, count, follow, arguments))
            for rank in range(1, count)
        ]
        for other in others:
            other.start()
        try:
            with _meet(meeting, 0, count) as peers:
                yield peers
            for other in others:
                other.join()
        finally:
            for other in others:
                other.terminate()


def _follow(
    meeting: Path, rank: int, count: int, follow: Callable[..., None], arguments: Sequence[Any]
) -> None:
    with _meet(meeting, rank, count) as peers:
        follow(peers, *arguments)


@contextmanager
def _meet(meeting: Path, rank: int, count: int) -> Iterator[Peers]:
    # Of one machine: its own name need not lead to it.
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    store = dist.FileStore(str(meeting), count)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=count, timeout=LONGEST_WAIT)
    try:
        yield Peers(rank, count)
    finally:
        dist.destroy_process_group()
