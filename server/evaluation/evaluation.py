"""One evaluation from options to a report: synthesise, place calls, score them, judge speech."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from model.training.domain.domain import INTENTS
from model.training.domain.evaluation_set import PER_INTENT
from model.training.speech_data.cache import FillProgress
from server.engine.interface import EngineInfo, SamplingSpec
from server.evaluation.call_runner import (
    GREEDY,
    OWN_VOICE,
    CallRunner,
    CallStyle,
    VoiceReference,
    evaluation_config,
    running_engine,
)
from server.evaluation.conditions import (
    CONDITIONS,
    Condition,
    PlannedCall,
    plan_calls,
)
from server.evaluation.judge_packages import JudgeMissingError, missing_judges
from server.evaluation.report import (
    Report,
    build_report,
    checkpoint_json,
    settings_json,
)
from server.evaluation.scoring import PlacedCall
from server.evaluation.speech_material import (
    SpeechMaterial,
    SynthesizerMissingError,
    clip_folder,
    missing_voices,
    reply_engines,
)

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class EvaluationOptions:
    """What to evaluate, and how thoroughly."""

    checkpoint: Path
    """Its folder."""
    conditions: tuple[Condition, ...] = tuple(CONDITIONS.values())
    """How to ask."""
    skips_what_is_missing: bool = False
    """Leave out what needs a program that is not installed, and say so, instead of failing."""
    per_intent: int = PER_INTENT
    """Questions of each intent."""
    seed: int = 0
    """Of noise, sounds and random draws."""
    n_spoken: int = 0
    """Replies that are spoken and judged."""
    sampling: SamplingSpec = GREEDY
    """How answers are drawn."""
    n_sessions: int = 4
    """Calls at a time."""
    threads: int = 0
    """CPU threads of the model; 0 leaves one core free."""


@dataclass(slots=True)
class Answers:
    """What the engine said to everything."""

    info: EngineInfo
    """What answered."""
    calls: dict[Condition, list[PlacedCall]]
    """All calls of every condition."""
    spoken: list[PlacedCall] = field(default_factory=list)
    """Calls whose last answer was spoken."""


class Evaluation:
    """Runs once; keeps what it left out, and why."""

    def __init__(
        self, options: EvaluationOptions, progress: Progress = lambda message: None
    ) -> None:
        """
        Args:
            options: What to evaluate.
            progress: Told what is going on.
        """
        self._options = options
        self._progress = progress
        self._not_measured: dict[str, str] = {}

    def run(self) -> Report:
        """Evaluate.

        Raises:
            SynthesizerMissingError: A chosen condition needs a speech program that is not there.
            JudgeMissingError: Replies are to be judged and a judge is not installed.
            EngineError: The engine cannot load the checkpoint, or failed.
        """
        conditions = [c for c in self._options.conditions if self._is_possible(c)]
        n_spoken = self._options.n_spoken if self._can_judge() else 0
        plans = {c: plan_calls(c, self._options.per_intent, self._options.seed) for c in conditions}
        spoken_plan = plan_spoken_calls(n_spoken, self._options.seed)
        with clip_folder() as folder:
            speech = SpeechMaterial(folder)
            references = self._references(speech)
            everything = [planned for plan in (*plans.values(), spoken_plan) for planned in plan]
            self._progress("speech: synthesising the questions")
            speech.fill(everything, self._report_clips)
            self._progress("engine: loading the checkpoint")
            answers = asyncio.run(self._ask(plans, spoken_plan, speech, references))
            report = self._report(answers, conditions, references)
            if answers.spoken:
                # Imported here: the judges are an extra that may not be installed.
                from server.evaluation.speech_judging import judge_speech

                judge_speech(
                    report, answers.spoken, speech, self._options.checkpoint, self._progress
                )
        report["not_measured"] = self._not_measured
        return report

    # --- what can be done here

    def _is_possible(self, condition: Condition) -> bool:
        reason = missing_voices(condition.engines) if condition.engines else None
        if reason is not None and not self._options.skips_what_is_missing:
            raise SynthesizerMissingError(f"condition {condition.name!r}: {reason}")
        if reason is not None:
            self._not_measured[condition.name] = reason
        return reason is None

    def _can_judge(self) -> bool:
        if not self._options.n_spoken:
            self._not_measured["speech"] = "not asked for (--speech 0)"
            return False
        reason = missing_voices(reply_engines() | CONDITIONS["seen"].engines) or missing_judges()
        if reason is not None and not self._options.skips_what_is_missing:
            raise JudgeMissingError(f"{reason}; --speech 0 judges no speech")
        if reason is not None:
            self._not_measured["speech"] = reason
        return reason is None

    def _references(self, speech: SpeechMaterial) -> tuple[VoiceReference, ...]:
        reason = missing_voices(reply_engines())
        if reason is not None:
            self._not_measured["reference voices"] = reason
            return (OWN_VOICE,)
        return tuple(speech.references())

    # --- asking

    async def _ask(
        self,
        plans: dict[Condition, list[PlannedCall]],
        spoken_plan: list[PlannedCall],
        speech: SpeechMaterial,
        references: tuple[VoiceReference, ...],
    ) -> Answers:
        options = self._options
        config = evaluation_config(options.checkpoint, options.n_sessions, options.threads)
        # Calls by default play no reference, so every other one of these does not either.
        in_text = tuple(voice for one in references for voice in (OWN_VOICE, one))
        style = CallStyle(in_text, options.sampling)
        spoken_style = CallStyle(references, options.sampling, spoken_replies=True)
        async with running_engine(config) as (engine, info):
            runner = CallRunner(engine, options.n_sessions, speech.question, style)
            calls = {
                condition: await runner.hold_all(plan, self._counter(condition.name, plan))
                for condition, plan in plans.items()
            }
            runner = CallRunner(engine, options.n_sessions, speech.question, spoken_style)
            spoken = await runner.hold_all(spoken_plan, self._counter("spoken", spoken_plan))
        return Answers(info, calls, spoken)

    def _report(
        self,
        answers: Answers,
        conditions: list[Condition],
        references: tuple[VoiceReference, ...],
    ) -> Report:
        options = self._options
        return build_report(
            checkpoint=checkpoint_json(answers.info, options.checkpoint),
            settings=settings_json(
                conditions,
                options.per_intent,
                options.seed,
                options.sampling,
                [reference.name for reference in references],
                len(answers.spoken),
            ),
            calls=answers.calls,
        )

    # --- progress

    def _counter(self, name: str, plan: list[PlannedCall]) -> Callable[[int], None]:
        return lambda n_done: self._progress(f"{name}: {n_done}/{len(plan)} calls")

    def _report_clips(self, fill: FillProgress) -> None:
        self._progress(f"speech: {fill.n_done}/{fill.n_all} clips")


def plan_spoken_calls(n_calls: int, seed: int) -> list[PlannedCall]:
    """Calls of seen voices whose answers are to be judged by ear, over all intents by turns."""
    if not n_calls:
        return []
    rounds = -(-n_calls // len(INTENTS))
    by_intent: dict[str, list[PlannedCall]] = {}
    for planned in plan_calls(CONDITIONS["seen"], rounds, seed):
        by_intent.setdefault(planned.call.scored.intent, []).append(planned)
    in_turns = [
        planned
        for number in range(rounds)
        for planned in (calls[number] for calls in by_intent.values() if number < len(calls))
    ]
    return in_turns[:n_calls]
