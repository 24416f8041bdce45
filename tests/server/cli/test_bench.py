"""The benchmarks run and say what they measured; their figures are not asserted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from server.cli.bench import bench_checkpoint, parse_fills, stages
from server.errors import ConfigurationError

pytestmark = pytest.mark.integration

GOLDEN = Path(__file__).parents[2] / "golden"

ROWS = {
    "video unit",
    "audio unit",
    "text token",
    "speech step (4 codes)",
    "DVAE, 29 frames",
    "Vocos, 29 frames",
    "generate → first audio",
    "real-time factor",
}


def run_stages(**chosen: object) -> None:
    options: dict[str, object] = {
        "shape": str(GOLDEN),
        "random_weights": False,
        "dtype": "f32",
        "threads": 1,
        "repeats": 7,
        "fills": "0,1",
        "answers": True,
        "json_file": None,
    }
    stages(**(options | chosen))  # type: ignore[arg-type]


def test_stages_print_every_row_and_write_them_as_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.cli.bench.ANSWER_FILL_UNITS", (1,))
    threads = torch.get_num_threads()
    run_stages(json_file=tmp_path / "figures.json")
    torch.set_num_threads(threads)
    out = capsys.readouterr().out
    (table,) = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))["tables"]
    names = {figure["name"] for figure in table["figures"]}
    assert names >= ROWS
    for figure in table["figures"]:
        assert figure["repeats"] >= 7
        assert 0 < figure["min"] <= figure["median"] <= figure["max"]
        assert figure["name"] in out


def test_wrong_options_are_refused() -> None:
    for fills in ("", "30,0", "0,x", "-1", "1,1"):
        with pytest.raises(ConfigurationError, match="--fills"):
            parse_fills(fills)
    with pytest.raises(ConfigurationError, match="unknown dtype 'f8'"):
        run_stages(dtype="f8")
    with pytest.raises(ConfigurationError, match="needs a named shape"):
        bench_checkpoint(str(GOLDEN), random_weights=True)
    with pytest.raises(ConfigurationError, match="'nowhere' is not a folder"):
        bench_checkpoint("nowhere", random_weights=False)
