"""``omnicall eval``: what a checkpoint gets right, as a table, JSON and a model card."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from server.cli.progress import ProgressLine
from server.errors import ConfigurationError

evaluate = typer.Typer(help="Evaluate a checkpoint.", no_args_is_help=True)

PER_INTENT = 12
"""Questions of each intent: more than 500 of every manner of asking."""
N_SPOKEN = 60


@evaluate.callback()
def explain() -> None:
    """Evaluate a checkpoint."""


@evaluate.command()
def pocket(
    checkpoint: Annotated[
        str, typer.Option(help="Checkpoint folder, or 'pocket' for the default.")
    ] = "pocket",
    conditions: Annotated[
        str | None,
        typer.Option(
            help="How to ask: typed,pictures,memory,outside,seen,unheard,noise,shifted. "
            "Default: all that this machine has the voices for."
        ),
    ] = None,
    per_intent: Annotated[int, typer.Option(min=1, help="Questions of each intent.")] = PER_INTENT,
    speech: Annotated[
        int, typer.Option(min=0, help="Replies that are spoken and judged by ear; 0: none.")
    ] = N_SPOKEN,
    system: Annotated[
        bool, typer.Option(help="Also measure a server process: memory, start, first audio.")
    ] = True,
    sampled: Annotated[
        bool, typer.Option(help="Draw answers as calls do by default, instead of the likeliest.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of noise and of random draws.")] = 0,
    sessions: Annotated[int, typer.Option(min=1, help="Calls at a time.")] = 4,
    threads: Annotated[
        int, typer.Option(min=0, help="CPU threads of the model; 0 leaves one core free.")
    ] = 0,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write JSON.")] = None,
    card: Annotated[Path | None, typer.Option(help="Also write the model card.")] = None,
    table: Annotated[bool, typer.Option(help="Print the table.")] = True,
) -> None:
    """Place the evaluation's calls with the engine, streaming, and score the answers."""
    from server.cli.eval_system import measure_system
    from server.config import ResponseConfig
    from server.engine.interface import SamplingSpec
    from server.evaluation.conditions import conditions_named
    from server.evaluation.evaluation import Evaluation, EvaluationOptions
    from server.evaluation.model_card import model_card
    from server.evaluation.report import write_report
    from server.evaluation.report_table import report_rows

    progress = ProgressLine()
    defaults = ResponseConfig()
    as_in_calls = SamplingSpec(
        defaults.temperature, defaults.top_p, defaults.top_k, defaults.repetition_penalty
    )
    folder = checkpoint_folder(checkpoint)
    options = EvaluationOptions(
        checkpoint=folder,
        conditions=tuple(conditions_named(conditions)),
        skips_what_is_missing=conditions is None,
        per_intent=per_intent,
        seed=seed,
        n_spoken=speech,
        sampling=as_in_calls if sampled else SamplingSpec(temperature=0.0),
        n_sessions=sessions,
        threads=threads,
    )
    try:
        report = Evaluation(options, progress).run()
        if system:
            measure_system(report, checkpoint, progress)
    finally:
        progress.close()
    if table:
        typer.echo("\n".join(report_rows(report)))
    if json_file is not None:
        write_report(json_file, report)
    if card is not None:
        write_card(card, model_card(report))


def write_card(path: Path, text: str) -> None:
    """Write the model card.

    Raises:
        ConfigurationError: The place cannot be written to.
    """
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"cannot write {path}: {error.strerror}") from error


def checkpoint_folder(name: str) -> Path:
    """The folder of ``--checkpoint``.

    Raises:
        ConfigurationError: There is none.
    """
    from model.pocket_checkpoint import UnknownCheckpointError, resolve

    try:
        return resolve(name)
    except UnknownCheckpointError as error:
        raise ConfigurationError(str(error)) from error
