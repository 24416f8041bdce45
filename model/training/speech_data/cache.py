"""Keeps synthesized clips on disk, and makes many of them with several processes."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import asdict, dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path

from model.training.speech_data.clips import Clip
from model.training.speech_data.synthesis import SpeechRequest
from model.training.speech_data.synthesizers import SpeechSynthesizer
from model.training.speech_data.voices import voice_named

CONTENT_VERSION = 1
"""Raised when the same request would give another clip; old clips are then not found any more."""
REQUESTS_PER_TASK = 32
_TASKS_AHEAD_PER_WORKER = 4


@dataclass(frozen=True, slots=True)
class FillProgress:
    """How far a fill has come."""

    n_done: int
    """Clips made by this fill."""
    n_all: int
    """Clips it has to make."""
    speech_s: float
    """Length of the clips made."""
    elapsed_s: float
    """Wall time since it began."""


class ClipCache:
    """Clips in files named by the hash of what was asked for.

    Files are written beside their place and moved there, so that processes may share a folder and
    an interrupted fill goes on where it stopped.
    """

    def __init__(self, folder: Path, rate_hz: int) -> None:
        """Keep clips of one sampling rate in ``folder``, which is made when it is missing."""
        self.folder = folder
        self.rate_hz = rate_hz
        folder.mkdir(parents=True, exist_ok=True)

    def path_of(self, request: SpeechRequest) -> Path:
        """The file of a request, there or not."""
        content = {"version": CONTENT_VERSION, "rate_hz": self.rate_hz, **asdict(request)}
        key = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
        return self.folder / key[:2] / f"{key[2:34]}.npz"

    def get(self, request: SpeechRequest) -> Clip | None:
        """The clip of a request; None where it was not made yet."""
        path = self.path_of(request)
        return Clip.from_bytes(path.read_bytes()) if path.is_file() else None

    def read(self, request: SpeechRequest) -> Clip:
        """The clip of a request that was filled in before.

        Raises:
            FileNotFoundError: It was not.
        """
        clip = self.get(request)
        if clip is None:
            raise FileNotFoundError(f"{request} is not in {self.folder}; fill the cache first")
        return clip

    def put(self, request: SpeechRequest, clip: Clip) -> Clip:
        """Keep a clip, at the rate of the cache; returns what :meth:`get` will return."""
        path = self.path_of(request)
        path.parent.mkdir(exist_ok=True)
        data = clip.at_rate(self.rate_hz).to_bytes()
        part = path.with_suffix(f".{os.getpid()}.part")
        part.write_bytes(data)
        part.replace(path)
        return Clip.from_bytes(data)

    def speak(self, request: SpeechRequest, synthesizer: SpeechSynthesizer) -> Clip:
        """The clip of a request, made now where it is missing."""
        return self.get(request) or self.put(request, synthesizer.speak(request))

    def fill(
        self,
        requests: Iterable[SpeechRequest],
        n_workers: int = 1,
        report: Callable[[FillProgress], None] | None = None,
    ) -> FillProgress:
        """Make every clip that is missing.

        Args:
            requests: What to say; what comes twice is made once.
            n_workers: Processes; with one the work is done in this process.
            report: Called after every few clips.

        Raises:
            MissingProgramError: A voice's program is not installed.
            ValueError: A request cannot be spoken.
        """
        missing = [r for r in dict.fromkeys(requests) if not self.path_of(r).is_file()]
        # A task of one engine: festival starts once per task.
        missing.sort(key=lambda request: voice_named(request.voice).engine.value)
        tasks = [
            missing[start : start + REQUESTS_PER_TASK]
            for start in range(0, len(missing), REQUESTS_PER_TASK)
        ]
        began_s = time.monotonic()
        progress = FillProgress(0, len(missing), 0.0, 0.0)
        for n_clips, speech_s in self._results(tasks, n_workers):
            progress = FillProgress(
                progress.n_done + n_clips,
                len(missing),
                progress.speech_s + speech_s,
                time.monotonic() - began_s,
            )
            if report is not None:
                report(progress)
        return progress

    def _results(
        self, tasks: Sequence[Sequence[SpeechRequest]], n_workers: int
    ) -> Iterable[tuple[int, float]]:
        if n_workers <= 1:
            for task in tasks:
                yield _make_clips(self.folder, self.rate_hz, task)
            return
        with ProcessPoolExecutor(n_workers, mp_context=get_context("spawn")) as pool:
            running: set[Future[tuple[int, float]]] = set()
            try:
                for task in tasks:
                    running.add(pool.submit(_make_clips, self.folder, self.rate_hz, task))
                    if len(running) >= n_workers * _TASKS_AHEAD_PER_WORKER:
                        done, running = wait(running, return_when=FIRST_COMPLETED)
                        yield from (future.result() for future in done)
                while running:
                    done, running = wait(running, return_when=FIRST_COMPLETED)
                    yield from (future.result() for future in done)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise


def _make_clips(folder: Path, rate_hz: int, requests: Sequence[SpeechRequest]) -> tuple[int, float]:
    """Make and keep the clips of one task; how many, and their seconds."""
    clips = ClipCache(folder, rate_hz)
    made = [
        clips.put(request, clip)
        for request, clip in zip(requests, _synthesizer().speak_all(requests), strict=True)
    ]
    return len(made), sum(clip.duration_s for clip in made)


@cache
def _synthesizer() -> SpeechSynthesizer:
    """The one of this process: the engines behind it cannot be started twice."""
    return SpeechSynthesizer()


def write_progress_line(progress: FillProgress) -> None:
    """Show a fill's progress in one line of the terminal, for ``fill(report=…)``."""
    faster = progress.speech_s / max(progress.elapsed_s, 1e-3)
    left_s = progress.elapsed_s * (progress.n_all / max(progress.n_done, 1) - 1.0)
    end = "\n" if progress.n_done == progress.n_all else ""
    sys.stderr.write(
        f"\rspeech: {progress.n_done}/{progress.n_all} clips, {progress.speech_s / 60:.1f} min, "
        f"{faster:.0f} x real time, {left_s:.0f} s left   {end}"
    )
    sys.stderr.flush()
