"""What a server process takes: memory, time to be ready, time to first audio."""

from __future__ import annotations

import time
from typing import Any

import psutil

from server.cli.bench_call import measure_call, running_server
from server.cli.bench_measure import FigureTable
from server.cli.progress import ProgressLine
from server.evaluation.measures import Figure
from server.evaluation.report import add_figures

TURNS = 10
"""Turns of the call that is measured; the figure is the median."""
BYTES_PER_GB = 1e9
FIRST_AUDIO = "turn's end → first audio"


def measure_system(
    report: dict[str, Any], checkpoint: str, progress: ProgressLine, turns: int = TURNS
) -> None:
    """Start ``omnicall serve``, hold one call with it, and put the figures into ``report``.

    Args:
        report: Of the same checkpoint.
        checkpoint: As the server's ``--checkpoint``.
        progress: Shows what is going on.
        turns: Turns of the call.

    Raises:
        ConfigurationError: The server does not start.
        CallError: The call breaks off.
    """
    before = set(psutil.Process().children())
    progress("system: starting a server")
    started_s = time.monotonic()
    with running_server(checkpoint) as url:
        ready_s = time.monotonic() - started_s
        table = measure_call(url, checkpoint, turns, progress)
        (server,) = set(psutil.Process().children()) - before
        memory_bytes = resident_bytes(server)
    first_audio_ms = median_of(table, FIRST_AUDIO)
    report["system"] = {
        "memory_bytes": memory_bytes,
        "ready_s": round(ready_s, 2),
        "first_audio_ms": None if first_audio_ms is None else round(first_audio_ms, 1),
        "turns": turns,
    }
    figures = {
        "server_memory": Figure(round(memory_bytes / BYTES_PER_GB, 3), 1),
        "ready": Figure(round(ready_s, 2), 1),
    }
    if first_audio_ms is None:
        report["not_measured"]["first_audio"] = "the model answered noise without speaking"
    else:
        figures["first_audio"] = Figure(round(first_audio_ms, 1), turns)
    add_figures(report, figures)


def resident_bytes(process: psutil.Process) -> int:
    """Resident memory of a process and all it started; what they share counts for each."""
    return sum(int(one.memory_info().rss) for one in (process, *process.children(recursive=True)))


def median_of(table: FigureTable, name: str) -> float | None:
    """The figure of that name, where there is one."""
    return next((figure.median for figure in table.figures if figure.name == name), None)
