"""The evaluation as JSON: one object, documented here, from which tables and the card are made.

==================  =============================================================================
``schema``          ``omnicall.evaluation``
``version``         1; raised when a field changes its meaning, not by new fields
``checkpoint``      ``name``, ``trained``, ``parameters``, ``size_bytes`` of the folder
``settings``        ``conditions``, ``per_intent``, ``seed``, ``sampling``, ``voices`` (of the
                    model, by turns; empty: no reference audio), ``spoken_replies``
``machine``         ``processor``, ``cores``, ``python``, ``torch``
``measures``        the table: per measure ``name``, ``title``, ``unit``, ``value`` (null: not
                    measured), ``bar``, ``stretch``, ``lower_is_better``, ``bar_reached``, ``n``,
                    ``low_95``, ``high_95``
``not_measured``    what was left out, by name, and why
``conditions``      per condition ``title``, ``score``, ``groups``, ``intents``, ``callers``
                    (scores by name) and ``wrong`` (``intent``, ``question``, ``expected``,
                    ``got``); a score is ``n``, ``right``, ``percent``, ``low_95``, ``high_95``
``speech``          the judges' figures of replies and of the vocoder; null without
``system``          the server process: ``memory_bytes``, ``ready_s``, ``first_audio_ms``; null
                    without
``transcripts``     calls: ``turns`` of ``asked``, ``shown``, ``said``, ``right``, and of the last
                    turn ``heard``, what a recogniser heard of the reply
==================  =============================================================================

All percentages are 0 to 100.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from server.engine.interface import EngineInfo
from server.errors import ConfigurationError
from server.evaluation.conditions import Condition
from server.evaluation.measures import MEASURES, Figure
from server.evaluation.scoring import (
    PlacedCall,
    caller_of,
    group_of,
    intent_of,
    score_of,
    scores_by,
    wrong_answers,
)

SCHEMA, VERSION = "omnicall.evaluation", 1
WRONG_SHOWN = 40
"""Wrong answers kept of a condition."""

Report = dict[str, Any]


def checkpoint_json(info: EngineInfo, folder: Path) -> Report:
    """What was evaluated."""
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    return {
        "name": info.checkpoint,
        "trained": info.trained,
        "parameters": info.parameters,
        "size_bytes": size,
    }


def machine_json() -> Report:
    """On what."""
    return {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def condition_json(condition: Condition, calls: Sequence[PlacedCall]) -> Report:
    """All scores of one condition."""
    scores = {
        "groups": scores_by(calls, group_of),
        "intents": scores_by(calls, intent_of),
        "callers": scores_by(calls, caller_of) if condition.voices else {},
    }
    return {
        "title": condition.title,
        "score": score_of(calls).as_json(),
        **{
            key: {name: score.as_json() for name, score in by_name.items()}
            for key, by_name in scores.items()
        },
        "wrong": wrong_answers(calls, WRONG_SHOWN),
    }


def score_figures(calls: Mapping[str, Sequence[PlacedCall]]) -> dict[str, Figure]:
    """The figures of the table that conditions give, by the conditions' names."""
    figures = {}
    for name, placed in calls.items():
        score = score_of(placed)
        if score.percent is not None:
            low, high = (round(bound, 2) for bound in score.interval)
            figures[name] = Figure(round(score.percent, 2), score.n, low, high)
    return figures


def measures_json(figures: Mapping[str, Figure]) -> list[Report]:
    """The table, measured or not."""
    return [measure.as_json(figures.get(name)) for name, measure in MEASURES.items()]


def add_figures(report: Report, figures: Mapping[str, Figure]) -> None:
    """Put further figures into the table of a report."""
    by_name = {row["name"]: row for row in report["measures"]}
    for name, figure in figures.items():
        by_name[name].update(MEASURES[name].as_json(figure))


def build_report(
    *,
    checkpoint: Report,
    settings: Report,
    calls: Mapping[Condition, Sequence[PlacedCall]],
) -> Report:
    """A report of the answers; speech, transcripts and the server are added as they are measured.

    Args:
        checkpoint: As :func:`checkpoint_json`.
        settings: How it was evaluated.
        calls: All calls of every condition.
    """
    figures = score_figures({condition.name: placed for condition, placed in calls.items()})
    return {
        "schema": SCHEMA,
        "version": VERSION,
        "checkpoint": checkpoint,
        "settings": settings,
        "machine": machine_json(),
        "measures": measures_json(figures),
        "not_measured": {},
        "conditions": {
            condition.name: condition_json(condition, placed) for condition, placed in calls.items()
        },
        "speech": None,
        "system": None,
        "transcripts": [],
    }


def settings_json(
    conditions: Iterable[Condition],
    per_intent: int,
    seed: int,
    sampling: Any,
    voices: Iterable[str],
    spoken_replies: int,
) -> Report:
    """How it was evaluated."""
    drawn = asdict(sampling)
    drawn.pop("seed")  # Every call has its own, of the evaluation's seed.
    return {
        "conditions": [condition.name for condition in conditions],
        "per_intent": per_intent,
        "seed": seed,
        "sampling": drawn,
        "voices": [voice for voice in dict.fromkeys(voices) if voice],
        "spoken_replies": spoken_replies,
    }


def write_report(path: Path, report: Report) -> None:
    """Write the JSON file.

    Raises:
        ConfigurationError: The place cannot be written to.
    """
    try:
        path.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"cannot write {path}: {error.strerror}") from error


def read_report(path: Path) -> Report:
    """Read a JSON file.

    Raises:
        ConfigurationError: It is missing, or no report of this version.
    """
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise ConfigurationError(f"{path} is not JSON: {error}") from error
    if not isinstance(report, dict) or (report.get("schema"), report.get("version")) != (
        SCHEMA,
        VERSION,
    ):
        raise ConfigurationError(
            f"{path} is no evaluation of version {VERSION}; make one with "
            "'omnicall eval pocket --json FILE'"
        )
    return report
