"""``python -m model.training``: begin a checkpoint, train a stage, put runs together, deepen, ship.

    python -m model.training begin --shape pocket --out runs/start
    python -m model.training codec --from runs/start --data runs/data/waves --out runs/codec \\
        --budget-s 1800 --bf16
    python -m model.training merge --from runs/start --part runs/codec --out runs/merged
    python -m model.training ship --from runs/joint/checkpoint --out model/pocket \\
        --voice clara=runs/voices/clara.flac

A stage that was stopped is continued by the same command.
"""

from __future__ import annotations

import argparse
import logging
import math
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import torch

from model.checkpoint_shapes import SHAPES
from model.loading import SPEECH_TOKENIZER_FOLDER
from model.training.export import (
    begin_checkpoint,
    load_for_training,
    put_together,
    ship,
    write_checkpoint,
)
from model.training.growth import deepen_audio_encoder
from model.training.optimizers import OptimizerName
from model.training.shards import write_data
from model.training.stage_command import train
from model.training.stages import STAGES, open_data, part_of
from model.training.tokenizer_training import train_speech_tokenizer, train_text_tokenizer

logger = logging.getLogger("omnicall.training")


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="python -m model.training", description=__doc__)
    top.formatter_class = argparse.RawDescriptionHelpFormatter
    commands = top.add_subparsers(dest="command", required=True)
    begin = commands.add_parser("begin", help="write a checkpoint folder of fresh weights")
    begin.add_argument("--shape", choices=sorted(SHAPES), default="pocket")
    words = begin.add_mutually_exclusive_group()
    words.add_argument("--tokenizers", type=Path, help="folder with both tokenizers")
    words.add_argument("--corpus", type=Path, help="sentences, one per line, to learn them from")
    begin.add_argument("--seed", type=int, default=0)
    for name in STAGES:
        _add_stage(commands.add_parser(name, help=f"train the stage {name}"))
    data = commands.add_parser("data", help="write a producer's batches as a folder of shards")
    data.add_argument("--data", required=True, help="package.module:function")
    data.add_argument("--count", type=int, required=True, help="batches")
    data.add_argument("--seed", type=int, default=0)
    merge = commands.add_parser("merge", help="put what several runs trained into one checkpoint")
    merge.add_argument("--part", type=Path, action="append", required=True, help="run folder")
    deepen = commands.add_parser("deepen", help="give the audio encoder more layers")
    deepen.add_argument("--audio-layers", type=int, required=True, help="of the deeper encoder")
    shipped = commands.add_parser("ship", help="write the checkpoint that is shipped, in bfloat16")
    shipped.add_argument(
        "--voice",
        type=_voice,
        action="append",
        metavar="NAME=FILE",
        help="recording of a voice clients can name; may be repeated; else those of --from",
    )
    for command in (merge, deepen, shipped):
        command.add_argument("--from", dest="start", type=Path, required=True)
    for command in (begin, data, merge, deepen, shipped):
        command.add_argument("--out", type=Path, required=True)
    return top


def _voice(text: str) -> tuple[str, Path]:
    name, equals, file = text.partition("=")
    if not (name and equals and file):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form NAME=FILE")
    return name, Path(file)


def _add_stage(command: argparse.ArgumentParser) -> None:
    command.add_argument("--from", dest="start", type=Path, required=True, help="checkpoint folder")
    command.add_argument("--data", required=True, help="folder of shards, or module:function")
    command.add_argument("--out", type=Path, required=True, help="folder of the run")
    command.add_argument("--budget-s", type=float, default=math.inf, help="CPU seconds in all")
    command.add_argument("--steps", type=int, help="instead of as many as fit the budget")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--optimizer", choices=get_args(OptimizerName), default="adamw")
    command.add_argument("--learning-rate", type=float)
    command.add_argument("--warmup-steps", type=int, default=100)
    command.add_argument("--bf16", action="store_true")
    command.add_argument("--device", default="cpu")
    command.add_argument("--threads", type=int, default=1, help="of each process")
    command.add_argument(
        "--workers", type=int, default=1, help="processes that train together, on a CPU"
    )
    command.add_argument("--voices", type=Path, help="run folder of speech_decoder, for joint")
    command.add_argument("--held-out", help="data that is judged and not trained on")
    command.add_argument("--held-out-batches", type=int, default=8)
    command.add_argument(
        "--freeze", action="append", default=[], help="prefix that joint leaves as it is"
    )
    command.add_argument(
        "--take-over",
        type=Path,
        metavar="RUN",
        help="begin with the weights and the step of another run of this stage",
    )
    command.add_argument("--codec-is-trained", action="store_true", help="for vocoder")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command."""
    options = parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    match options.command:
        case "begin":
            _begin(options)
        case "data":
            write_data(options.out, open_data(options.data, options.seed), options.count)
        case "merge":
            model = put_together(options.start, [part_of(run) for run in options.part])
            write_checkpoint(model, options.out, options.start, torch.float32)
        case "deepen":
            model = deepen_audio_encoder(load_for_training(options.start), options.audio_layers)
            write_checkpoint(model, options.out, options.start, torch.float32)
        case "ship":
            voices = dict(options.voice) if options.voice else None
            size = ship(load_for_training(options.start), options.out, options.start, voices)
            logger.info("%s: %.1f MB", options.out, size / 1e6)
        case stage:
            train(stage, options)


def _begin(options: argparse.Namespace) -> None:
    shape = SHAPES[options.shape]
    with tempfile.TemporaryDirectory() as scratch:
        tokenizers = options.tokenizers
        if options.corpus is not None:
            tokenizers = Path(scratch)
            sentences = options.corpus.read_text(encoding="utf-8").splitlines()
            train_text_tokenizer(sentences, shape.language.vocab_size, tokenizers)
            folder = tokenizers / SPEECH_TOKENIZER_FOLDER
            train_speech_tokenizer(sentences, shape.speech.num_text_tokens, folder)
        begin_checkpoint(options.out, shape, options.seed, tokenizers)


if __name__ == "__main__":
    main()
