"""The command line, from fresh weights to a checkpoint that ships."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from model.loading import load_checkpoint
from model.tokenizer import TextTokenizer
from model.training import __main__ as command_line
from model.voices import load_voices
from tests.fakes.voiced_checkpoint import write_voice
from tests.model.training.tiny_training import GOLDEN, tiny_omni_config

pytestmark = pytest.mark.unit


def test_fresh_weights_are_trained_merged_and_shipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(command_line.SHAPES, "pocket", tiny_omni_config())
    write_voice(tmp_path / "a.flac", 2.0)
    write_voice(tmp_path / "b.wav", 3.0)
    producer = "tests.model.training.test_stages:producer_of_waves"
    for line in (
        f"begin --out start --tokenizers {GOLDEN}",
        f"data --data {producer} --seed 7 --count 1 --out waves",
        "codec --from start --data waves --out codec --steps 2 --warmup-steps 1 --held-out waves",
        "codec --from start --data waves --out codec --steps 2 --warmup-steps 1 --budget-s 99",
        "merge --from start --part codec --out merged",
        "deepen --from merged --audio-layers 3 --out deeper",
        "ship --from deeper --out pocket --voice clara=a.flac --voice alan=b.wav",
    ):
        command_line.main(line.split())
    assert (tmp_path / "codec/curves.png").exists()
    assert "held_out_mel_l1" in (tmp_path / "codec/log.jsonl").read_text()
    shipped = load_checkpoint(tmp_path / "pocket", "cpu").config
    assert shipped.trained and shipped.audio.encoder_layers == 3
    voices = load_voices(tmp_path / "pocket")
    assert {name: len(pcm) for name, pcm in voices.items()} == {"alan": 48_000, "clara": 32_000}
    command_line.main(["ship", "--from", "pocket", "--out", "again"])
    assert list(load_voices(tmp_path / "again")) == ["alan", "clara"], "they come along"


def test_a_stage_is_trained_by_several_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(command_line.SHAPES, "pocket", tiny_omni_config())
    producer = "tests.model.training.test_stages:producer_of_waves"
    command_line.main(["begin", "--out", "start", "--tokenizers", str(GOLDEN)])
    line = f"codec --from start --data {producer} --out codec --seed 7 --steps 2 --workers 2"
    # As a person runs it: the other process cannot import what is run as __main__.
    ran = subprocess.run(
        [sys.executable, "-m", "model.training", *line.split()],
        env={**os.environ, "PYTHONPATH": str(Path(command_line.__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr.count("codec: finished after 2 steps") == 1
    assert (tmp_path / "codec/checkpoint/model.safetensors").exists()


def test_a_start_can_learn_its_words_from_a_corpus(tmp_path: Path) -> None:
    (tmp_path / "corpus.txt").write_text("the red circle\nthe red square\n")
    command_line.main(["begin", "--corpus", f"{tmp_path}/corpus.txt", "--out", f"{tmp_path}/start"])
    tokenizer = TextTokenizer.from_folder(tmp_path / "start")
    assert len(tokenizer.encode_foreign("the red circle")) == 3


def test_every_stage_is_a_command() -> None:
    options = command_line.parser().parse_args(
        ["joint", "--from", "a", "--data", "b", "--out", "c", "--budget-s", "60", "--bf16"]
    )
    assert (options.command, options.budget_s, options.bf16) == ("joint", 60.0, True)
    with pytest.raises(SystemExit):
        command_line.parser().parse_args(["paint"])


@pytest.mark.parametrize("text", ["clara", "=clara.flac", "clara="])
def test_a_voice_to_ship_has_a_name_and_a_file(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        command_line.parser().parse_args(["ship", "--from", "a", "--out", "b", "--voice", text])
    assert "NAME=FILE" in capsys.readouterr().err
