"""Places many planned calls with one running engine, several at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from server.config import Config, load_config
from server.engine.client import EngineClient
from server.engine.interface import EngineInfo, ResponseSpec, SamplingSpec, SessionSpec
from server.engine.placement import create_engine_client
from server.evaluation.call_material import CallMaterial, Speak, no_clip
from server.evaluation.conditions import PlannedCall
from server.evaluation.engine_call import EngineCall
from server.evaluation.scoring import PlacedCall, ScoredTurn

ANSWER_TOKENS = 64
"""Several times the longest right answer: what goes on beyond it is wrong anyway."""
SPEECH_LEAD_S = 1000.0
"""Nobody listens: speech is made as fast as it can be."""
GREEDY = SamplingSpec(temperature=0.0)
"""The likeliest text; speech is drawn, as in a call, with the seed of the call."""


@dataclass(frozen=True, slots=True)
class VoiceReference:
    """A voice the model is to take on."""

    name: str
    """As users call it."""
    pcm: bytes = field(repr=False)
    """Reference audio, 16-bit mono at 16 kHz."""


OWN_VOICE = VoiceReference("", b"")
"""No reference: the checkpoint speaks as it likes."""


@dataclass(frozen=True, slots=True)
class CallStyle:
    """How calls are held, whatever they are about."""

    references: tuple[VoiceReference, ...] = (OWN_VOICE,)
    """Voices of the model, by turns."""
    sampling: SamplingSpec = GREEDY
    """How answers are drawn; the seed is the call's."""
    spoken_replies: bool = False
    """Whether scored answers are spoken, too."""

    def reference_of(self, number: int) -> VoiceReference:
        """The voice of the call of that number."""
        return self.references[number % len(self.references)]


def evaluation_config(checkpoint: Path, n_sessions: int, threads: int = 0) -> Config:
    """Settings of an engine that answers ``n_sessions`` calls at once, and as fast as it can.

    The environment does not count: an evaluation is the same wherever it runs.
    """
    return load_config(
        overrides={
            "checkpoint": {"path": str(checkpoint), "threads": threads},
            "engine": {"placement": "thread", "speech_lead_s": SPEECH_LEAD_S},
            "session": {"max_sessions": n_sessions},
        },
        environment={},
    )


@asynccontextmanager
async def running_engine(config: Config) -> AsyncIterator[tuple[EngineClient, EngineInfo]]:
    """An engine that is ready, and what it runs; stopped at the end.

    Raises:
        EngineUnavailableError: It cannot start.
    """
    engine = create_engine_client(config)
    try:
        await engine.start()
        assert engine.info is not None, "a ready engine says what it runs"
        yield engine, engine.info
    finally:
        await engine.stop()


class CallRunner:
    """Holds calls with one engine."""

    def __init__(
        self,
        engine: EngineClient,
        n_sessions: int,
        speak: Speak = no_clip,
        style: CallStyle | None = None,
    ) -> None:
        """
        Args:
            engine: Ready, with a row for every session.
            n_sessions: Calls at a time.
            speak: Gives the clips of what is said in them.
            style: How the model is to answer.
        """
        self._engine = engine
        self._n_sessions = n_sessions
        self._speak = speak
        self._style = style or CallStyle()

    async def hold_all(
        self, plan: Sequence[PlannedCall], report: Callable[[int], None] = lambda n_done: None
    ) -> list[PlacedCall]:
        """Hold calls; the results are in the order of the plan.

        Cancelling ends the calls under way.

        Args:
            plan: The calls.
            report: Told after every call how many are done.

        Raises:
            EngineError: A call could not be held.
        """
        placed: dict[int, PlacedCall] = {}
        waiting = iter(enumerate(plan))

        async def work() -> None:
            for number, planned in waiting:
                placed[number] = await self.hold(number, planned)
                report(len(placed))

        try:
            async with asyncio.TaskGroup() as tasks:
                for index in range(min(self._n_sessions, len(plan))):
                    tasks.create_task(work(), name=f"caller-{index}")
        except BaseExceptionGroup as group:
            # One failure ends all calls; the first of the group is its reason.
            raise group.exceptions[0] from group
        return [placed[number] for number in range(len(plan))]

    async def hold(self, number: int, planned: PlannedCall) -> PlacedCall:
        """Hold one call, from its first turn to the answer that is scored.

        Raises:
            EngineError: The engine refused something, or is gone.
        """
        material = CallMaterial(planned, self._speak)
        reference = self._style.reference_of(number)
        sampling = replace(self._style.sampling, seed=planned.seed)
        call = EngineCall(self._engine, f"{planned.condition.name}-{number}")
        turns: list[ScoredTurn] = []
        script = planned.call.script
        try:
            await call.open(SessionSpec(mode=material.mode, voice_pcm=reference.pcm))
            for index, turn in enumerate(script.turns):
                # In a thread: drawing a picture takes long enough to keep other calls waiting.
                for content in await asyncio.to_thread(material.turn, index):
                    await call.prefill(content)
                spoken = self._style.spoken_replies and turn is script.turns[-1]
                reply = await call.respond(ResponseSpec(spoken, ANSWER_TOKENS, sampling))
                turns.append(ScoredTurn(turn, reply.text))
        finally:
            call.close()
        return PlacedCall(planned, tuple(turns), reply.pcm, reference.name)
