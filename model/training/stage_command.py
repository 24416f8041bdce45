"""The commands that train a stage; here, because other processes cannot import ``__main__``."""

from __future__ import annotations

import argparse
import logging
from itertools import islice
from typing import Any

import torch

from model.training.peers import Peers, joined
from model.training.stages import LEARNING_RATES, open_data, run_stage
from model.training.trainer import TrainingSettings

logger = logging.getLogger("omnicall.training")


def train(stage: str, options: argparse.Namespace) -> None:
    """Run a stage with as many processes as wanted.

    Args:
        stage: Key of :data:`STAGES`.
        options: Of its command.
    """
    if options.workers > 1 and options.device != "cpu":
        raise SystemExit(f"--workers train on the CPU; leave it out for --device {options.device}")
    with joined(options.workers, _train_with, stage, options) as peers:
        _train_with(peers, stage, options)


def _train_with(peers: Peers, stage: str, options: argparse.Namespace) -> None:
    torch.set_num_threads(options.threads)
    rate = options.learning_rate or LEARNING_RATES[stage]
    settings = TrainingSettings(
        seed=options.seed,
        steps=options.steps,
        budget_s=options.budget_s,
        optimizer=options.optimizer,
        learning_rate=rate,
        warmup_steps=options.warmup_steps,
        bf16=options.bf16,
        device=options.device,
    )
    data = open_data(options.data, options.seed)
    held_out: list[Any] = []
    if options.held_out and peers.leads:
        judged = open_data(options.held_out, options.seed)
        held_out = list(islice(judged.source(0), options.held_out_batches))
    summary = run_stage(
        stage,
        options.start,
        data,
        settings,
        options.out,
        voices=options.voices,
        codec_is_trained=options.codec_is_trained,
        frozen=options.freeze,
        held_out=held_out,
        take_over=options.take_over,
        peers=peers,
    )
    if not peers.leads:
        return
    state = "finished" if summary.finished else "stopped by its budget"
    logger.info("%s: %s after %d steps, %.0f s", stage, state, summary.step, summary.used_s)
