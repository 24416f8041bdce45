"""An engine that a test steps by hand: the real worker, a clock that only work moves.

The model computes for real (a tiny checkpoint); what a step *takes* is what the test says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from model.omni import OmniModel
from model.text_generation import TextGeneration
from model.tokenizer import TextTokenizer
from server.config import Config
from server.engine.engine_parts import EngineParts
from server.engine.interface import (
    AudioChunk,
    Command,
    EngineEvent,
    EngineReady,
    ImageFrame,
    InputUnit,
    Open,
    Prefill,
    Respond,
    ResponseSpec,
    SamplingSpec,
    SessionSpec,
    TextChunk,
)
from server.engine.prompt_feed import PrefillResult
from server.engine.scheduler import Batch, Stage, WorkItem
from server.engine.stages import Stages, TextWork
from server.engine.worker import EngineWorker

E = TypeVar("E", bound=EngineEvent)
MAX_TICKS = 100_000
LAST_CODE = 624
Say = Callable[[TextGeneration, int], int]

GREEDY = SamplingSpec(temperature=0.0, repetition_penalty=1.0, speech_greedy=True)


def sound(seed: int) -> bytes:
    """A second of something, 16-bit mono at 16 kHz."""
    return bytes((index * (seed + 3)) % 251 for index in range(32_000))


def unit(index: int, session_id: str = "a", image: ImageFrame | None = None) -> Prefill:
    """A second of sound, with or without a frame."""
    return Prefill(session_id, InputUnit(index, sound(index), image))


class ManualClock:
    """Time that moves when told."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def monotonic(self) -> float:
        """The time told last."""
        return self.now_s


@dataclass
class TimedStages:
    """Runs batches on the model and writes down which; time passes by ``cost_s`` of the stage."""

    stages: Stages
    clock: ManualClock
    cost_s: dict[Stage, float] = field(default_factory=dict)
    ran: list[tuple[Stage, tuple[str, ...]]] = field(default_factory=list)
    """Every batch: its stage and sessions."""
    spoil: Callable[[Batch], Sequence[Any] | None] = lambda _batch: None
    """Looks at a batch first; may raise, or give other results."""
    frames: int | None = None
    """Speech ends after exactly so many frames of a segment, whatever the model drew."""
    _made: Counter[str] = field(default_factory=Counter)
    say: Say | None = None
    """Replaces the token drawn for an answer: given the answer so far and what the model drew."""

    def run(self, batch: Batch) -> Sequence[Any]:
        """One batch."""
        self.clock.now_s += self.cost_s.get(batch.stage, 0.001)
        self.ran.append((batch.stage, tuple(item.job.session_id for item in batch.items)))
        spoiled = self.spoil(batch)
        if spoiled is not None:
            return spoiled
        results = self.stages.run(batch)
        return [self._scripted(*each) for each in zip(batch.items, results, strict=True)]

    def _scripted(self, item: WorkItem, result: Any) -> Any:
        if self.frames is not None and item.stage is Stage.DECODE_SPEECH:
            made = self._made[item.job.session_id]
            ends = made == self.frames
            self._made[item.job.session_id] = 0 if ends else made + 1
            return result[0].clamp(max=LAST_CODE), ends
        if self.say is None:
            return result
        if isinstance(item.payload, TextWork) and isinstance(result, int):
            return self.say(item.payload.generation, result)
        if isinstance(result, PrefillResult) and result.token_id is not None:
            generation = item.payload.generation
            return replace(result, token_id=self.say(generation, result.token_id))
        return result


def saying(tokenizer: TextTokenizer, text: str) -> Say:
    """An answer of exactly this text, that then comes to its end."""
    ids = [*tokenizer.encode_foreign(text), tokenizer.im_end]
    return lambda generation, _drawn: ids[len(generation.ids)]


def babbling(tokenizer: TextTokenizer) -> Say:
    """An answer without end."""
    ids = tokenizer.encode_foreign("the thing is this you can see it and ")
    return lambda generation, _drawn: ids[len(generation.ids) % len(ids)]


class SteppedEngine:
    """A worker, its clock and everything it said."""

    def __init__(self, model: OmniModel, config: Config) -> None:
        self.clock = ManualClock()
        self.events: list[EngineEvent] = []
        self.timed: TimedStages
        self.worker = EngineWorker(
            model, config, self.events.append, self.clock, stages=self._make_stages
        )

    def _make_stages(self, parts: EngineParts) -> Any:
        self.parts = parts
        self.timed = TimedStages(Stages(parts.model, parts.state), self.clock)
        return self.timed

    def let_say(self, text: str | None) -> None:
        """Answers are this text from now on; None: any text, without end."""
        tokenizer = self.parts.model.tokenizer
        self.timed.say = babbling(tokenizer) if text is None else saying(tokenizer, text)

    def send(self, *commands: Command) -> None:
        """Hand over commands; nothing runs."""
        for command in commands:
            self.worker.submit(command)

    def open(self, session_id: str, spec: SessionSpec | None = None) -> None:
        """Open a session and finish doing so."""
        self.send(Open(session_id, spec or SessionSpec(mode="audio")))
        self.settle()

    def ask(self, spec: ResponseSpec, names: str = "a") -> None:
        """Each session opens, hears a second of its own, and then they all begin to answer."""
        for name in names:
            self.open(name)
            self.send(unit(ord(name), name))
            self.settle()
        self.send(*(Respond(name, f"{name}-r", spec) for name in names))

    def settle(self) -> None:
        """Run until there is nothing to do."""
        for _ in range(MAX_TICKS):
            if not self.worker.tick():
                return
        raise AssertionError("the engine never comes to rest")

    def until(self, kind: type[E], count: int = 1) -> E:
        """Run until so many events of a kind were said; the last of them."""
        for _ in range(MAX_TICKS):
            found = self.said(kind)
            if len(found) >= count:
                return found[count - 1]
            assert self.worker.tick(), f"at rest without {count} {kind.__name__}: {self.events}"
        raise AssertionError(f"never {count} {kind.__name__}")

    def said(self, kind: type[E], session_id: str | None = None) -> list[E]:
        """Events of a kind, of one session or all."""
        return [
            event
            for event in self.events
            if isinstance(event, kind) and (session_id is None or _session_of(event) == session_id)
        ]

    def text(self, session_id: str) -> str:
        """All text a session said."""
        return "".join(event.text for event in self.said(TextChunk, session_id))

    def pcm(self, session_id: str) -> bytes:
        """All speech of a session."""
        return b"".join(event.pcm for event in self.said(AudioChunk, session_id))

    def batches(self, stage: Stage) -> list[tuple[str, ...]]:
        """Sessions of every batch of a stage."""
        return [sessions for ran, sessions in self.timed.ran if ran is stage]

    @property
    def length(self) -> int:
        """Positions of the first row."""
        return self.parts.state.language.lengths[0]

    def count(self) -> Counter[Stage]:
        """How many batches of each stage ran."""
        return Counter(stage for stage, _ in self.timed.ran)


def _session_of(event: EngineEvent) -> str:
    return "" if isinstance(event, EngineReady) else event.session_id
