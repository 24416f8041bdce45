"""The bench of the model's stages, on the tiny golden checkpoint."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from model.config import SAMPLES_PER_UNIT
from model.loading import load_checkpoint
from server.cli.bench_measure import FigureTable
from server.cli.bench_stages import ROW, SHORT_STAGE_REPEATS, WINDOW_FRAMES, StageBench

pytestmark = pytest.mark.integration

GOLDEN = Path(__file__).parents[2] / "golden"
REPEATS = 2
CONTEXT_STAGES = {
    "video unit",
    "  slicing",
    "  vision + resampler",
    "  audio encoder with mel",
    "  language model",
    "audio unit",
    "text token",
}
SPEECH_STAGES = {
    "speech step (4 codes)",
    f"DVAE, {WINDOW_FRAMES} frames",
    f"Vocos, {WINDOW_FRAMES} frames",
}


@pytest.fixture
def bench() -> Iterator[StageBench]:
    with torch.inference_mode():
        yield StageBench(load_checkpoint(GOLDEN, "cpu", "float32"), 2, REPEATS)


def fill_of(bench: StageBench) -> tuple[int, int]:
    return bench.state.language.lengths[ROW], bench.state.audio.lengths[ROW]


def test_every_stage_gets_its_figures_at_every_fill(bench: StageBench) -> None:
    table = FigureTable("golden")
    for units in (0, 2):
        bench.fill_to(units)
        bench.run(table)
    stages = {
        column: {figure.name for figure in table.figures if figure.column == column}
        for column in ("0 units", "2 units")
    }
    assert stages["0 units"] == CONTEXT_STAGES | SPEECH_STAGES
    assert stages["2 units"] == CONTEXT_STAGES, "speech does not depend on the context"
    short = {"text token", "speech step (4 codes)"}
    for figure in table.figures:
        times = SHORT_STAGE_REPEATS if figure.name in short else 1
        assert len(figure.values) == REPEATS * times
        assert min(figure.values) > 0
        assert figure.unit == "ms"


def test_the_row_is_put_back_after_measuring(bench: StageBench) -> None:
    bench.fill_to(1)
    before = fill_of(bench)
    assert min(before) > 0
    keys = bench.state.language.keys[:, ROW, :, : before[0]]
    kept = keys.clone()
    bench.run(FigureTable("golden"))
    assert fill_of(bench) == before
    assert torch.equal(keys, kept)


def test_a_unit_takes_the_positions_that_are_reserved_for_it(bench: StageBench) -> None:
    bench.fill_to(2)
    assert bench.units == 2
    assert fill_of(bench)[0] == 2 * bench.video_prompt_tokens()
    bench.fill_to(1)
    assert bench.units == 2, "a row only grows"
    assert len(bench.samples) == SAMPLES_PER_UNIT
