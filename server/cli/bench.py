"""``omnicall bench``: figures for this machine, as tables and JSON."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from server.cli.bench_measure import MINIMUM_REPEATS, FigureTable, write_json
from server.cli.progress import ProgressLine
from server.config import Config, load_config
from server.errors import ConfigurationError

bench = typer.Typer(help="Measure this machine.", no_args_is_help=True)

DTYPES = {"f32": "float32", "bf16": "bfloat16"}
ANSWER_FILL_UNITS = (10, 60)
"""Units in the context when an answer is measured."""
CONTEXT_TOKENS = 8192


@bench.command()
def stages(
    shape: Annotated[
        str, typer.Option(help="pocket, bench-small, or a checkpoint folder.")
    ] = "pocket",
    random_weights: Annotated[
        bool, typer.Option(help="Random weights of that shape instead of its checkpoint.")
    ] = False,
    dtype: Annotated[str, typer.Option(help="f32, bf16 or both.")] = "both",
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 1,
    repeats: Annotated[int, typer.Option(min=MINIMUM_REPEATS)] = MINIMUM_REPEATS,
    fills: Annotated[str, typer.Option(help="Units in the context, growing.")] = "0,30,60",
    answers: Annotated[bool, typer.Option(help="Also measure whole answers.")] = True,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write JSON.")] = None,
) -> None:
    """Measure every stage of the model, and generate → first audio."""
    folder = bench_checkpoint(shape, random_weights=random_weights)
    columns = parse_fills(fills)
    chosen = list(DTYPES) if dtype == "both" else [dtype]
    if unknown := [name for name in chosen if name not in DTYPES]:
        raise ConfigurationError(f"unknown dtype {unknown[0]!r}: use f32, bf16 or both")
    progress = ProgressLine()
    tables = []
    for name in chosen:
        table = FigureTable(f"{shape}, {name}, {threads} thread(s), median (min-max) in ms")
        measure_stages(table, folder, DTYPES[name], threads, repeats, columns, progress)
        if answers:
            measure_answers(table, folder, DTYPES[name], threads, repeats, progress)
        progress.close()
        typer.echo("\n".join(table.rows()) + "\n")
        tables.append(table)
    if json_file is not None:
        write_json(json_file, tables)


@bench.command()
def call(
    repeats: Annotated[int, typer.Option(min=1, help="Turns measured.")] = MINIMUM_REPEATS,
    checkpoint: Annotated[str, typer.Option(help="Checkpoint the server loads.")] = "pocket",
    url: Annotated[
        str | None, typer.Option(help="Measure this server instead of starting one.")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write JSON.")] = None,
) -> None:
    """Hold one whole call through the gateway, at real-time pace."""
    from server.cli.bench_call import measure_call

    progress = ProgressLine()
    table = measure_call(url, checkpoint, repeats, progress)
    progress.close()
    typer.echo("\n".join(table.rows()))
    if json_file is not None:
        write_json(json_file, [table])


def measure_stages(
    table: FigureTable,
    folder: Path,
    dtype: str,
    threads: int,
    repeats: int,
    fills: list[int],
    progress: ProgressLine,
) -> None:
    """Add the model's stages at every fill."""
    import torch

    from model.loading import load_checkpoint
    from server.cli.bench_stages import StageBench

    torch.set_num_threads(threads)
    with torch.inference_mode():
        stage_bench = StageBench(load_checkpoint(folder, "cpu", dtype), max(fills), repeats)
        for units in fills:
            progress(f"{dtype}: prefilling to {units} units")
            stage_bench.fill_to(units)
            progress(f"{dtype}: stages at {units} units")
            stage_bench.run(table)


def measure_answers(
    table: FigureTable,
    folder: Path,
    dtype: str,
    threads: int,
    repeats: int,
    progress: ProgressLine,
) -> None:
    """Add whole answers of the engine at every fill."""
    from server.cli.bench_engine import AnswerBench, running_engine

    config = load_config(
        overrides={
            "checkpoint": {"path": str(folder), "dtype": dtype, "threads": threads},
            "engine": {"placement": "thread", "speech_lead_s": 1000.0},
            "session": {"max_sessions": 1},
            "context": {"capacity_tokens": CONTEXT_TOKENS, "high_tokens": CONTEXT_TOKENS - 512},
        },
        environment={},
    )

    async def hold(settings: Config) -> None:
        async with running_engine(settings) as engine:
            answer_bench = AnswerBench(engine)
            await answer_bench.open()
            for units in ANSWER_FILL_UNITS:
                progress(f"{dtype}: answers at {units} units")
                await answer_bench.fill_to(units)
                times = await answer_bench.answer(repeats)
                column = f"{units} units"
                table.add("generate → first audio", column, times.first_audio_ms)
                table.add("real-time factor", column, times.rtf, unit="×")
                table.add("answer's speech, s", column, times.audio_s, unit="s")

    asyncio.run(hold(config))


def bench_checkpoint(shape: str, *, random_weights: bool) -> Path:
    """The checkpoint folder a bench runs on.

    Raises:
        ConfigurationError: The name is neither a shape nor a folder.
    """
    from model.checkpoint_shapes import SHAPES
    from model.pocket_checkpoint import UnknownCheckpointError, resolve, untrained

    if shape in SHAPES and (random_weights or shape != "pocket"):
        return untrained(shape)
    if random_weights:
        raise ConfigurationError(f"--random-weights needs a named shape: {', '.join(SHAPES)}")
    try:
        return resolve(shape)
    except UnknownCheckpointError as error:
        raise ConfigurationError(str(error)) from error


def parse_fills(text: str) -> list[int]:
    """Growing unit counts from ``0,30,60``.

    Raises:
        ConfigurationError: The text is something else.
    """
    try:
        fills = [int(part) for part in text.split(",")]
    except ValueError:
        fills = []
    if not fills or fills != sorted(set(fills)) or fills[0] < 0:
        raise ConfigurationError(f"--fills {text!r} must be growing unit counts such as 0,30,60")
    return fills
