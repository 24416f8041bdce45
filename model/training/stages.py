"""All stages by name, and one run of one from a checkpoint folder to the next."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from model.omni import OmniModel
from model.training import shards
from model.training.audio_encoder_stage import AudioEncoderStage
from model.training.batches import TrainingData
from model.training.codec_stage import CodecStage
from model.training.export import load_for_training, write_checkpoint
from model.training.joint_stage import JointStage, default_filter
from model.training.peers import Peers
from model.training.speech_decoder_stage import SpeechDecoderStage
from model.training.trainer import RunSummary, Stage, Trainer, TrainingSettings
from model.training.vision_encoder_stage import VisionEncoderStage
from model.training.vocoder_stage import THROUGH_CODEC_SHARE, VocoderStage

CHECKPOINT_FOLDER, EXTRAS_FILE, ABOUT_FILE = "checkpoint", "extras.safetensors", "stage.json"
VOICES = "voices.weight"
"""Name of the table of voices among the extras of the speech decoder's run."""


@dataclass(frozen=True, slots=True)
class StageInputs:
    """What a stage is built from."""

    model: OmniModel
    data: TrainingData
    voices: Tensor | None = None
    """Table of voices ``[V, D]`` of the speech decoder's run: joint stage."""
    codec_is_trained: bool = False
    """The vocoder then learns on what the codec makes of speech, too."""
    frozen: tuple[str, ...] = ()
    """Prefixes of what the joint stage leaves as it is."""


def _joint(inputs: StageInputs) -> Stage:
    def trains(name: str) -> bool:
        return default_filter(name) and not name.startswith(inputs.frozen)

    return JointStage(inputs.model, inputs.voices, trains=trains)


def _vocoder(inputs: StageInputs) -> Stage:
    share = THROUGH_CODEC_SHARE if inputs.codec_is_trained else 0.0
    return VocoderStage(inputs.model, share)


STAGES: dict[str, Callable[[StageInputs], Stage]] = {
    "codec": lambda inputs: CodecStage(inputs.model),
    "vocoder": _vocoder,
    "speech_decoder": lambda inputs: SpeechDecoderStage(inputs.model, inputs.data.n_voices),
    "audio_encoder": lambda inputs: AudioEncoderStage(inputs.model, inputs.data.n_phones),
    "vision_encoder": lambda inputs: VisionEncoderStage(
        inputs.model, inputs.data.n_classes, inputs.data.n_grid_classes
    ),
    "joint": _joint,
}
"""In the order in which they are usually run."""
LEARNING_RATES = {
    "codec": 1e-3,
    "vocoder": 2e-3,
    "speech_decoder": 1e-3,
    "audio_encoder": 1.5e-3,
    "vision_encoder": 1e-3,
    "joint": 7e-4,
}


def open_data(spec: str, seed: int) -> TrainingData:
    """The data a command line means.

    Args:
        spec: A folder of shards, or ``package.module:function``, called with the seed.
        seed: Of the order, or of the producer.

    Raises:
        ValueError: It is neither.
    """
    if Path(spec).is_dir():
        return shards.open_data(Path(spec), seed)
    module, _, name = spec.partition(":")
    if not name:
        raise ValueError(f"data {spec!r} is neither a folder of shards nor package.module:function")
    producer: Callable[[int], TrainingData] = getattr(importlib.import_module(module), name)
    return producer(seed)


def run_stage(
    name: str,
    start: Path,
    data: TrainingData,
    settings: TrainingSettings,
    out: Path,
    *,
    voices: Path | None = None,
    codec_is_trained: bool = False,
    frozen: Sequence[str] = (),
    held_out: Sequence[Any] = (),
    take_over: Path | None = None,
    peers: Peers | None = None,
) -> RunSummary:
    """Train a stage and write what came of it.

    Args:
        name: Key of :data:`STAGES`.
        start: Checkpoint folder to start from; the same when a run is continued.
        data: Batches of the stage's kind.
        settings: Of the run.
        out: Folder of the run; ``checkpoint/`` in it is the model with the trained weights.
        voices: Run folder of the speech decoder's stage.
        codec_is_trained: As :class:`StageInputs`.
        frozen: As :class:`StageInputs`.
        held_out: Batches whose losses are logged and not trained on.
        take_over: As :class:`Trainer`.
        peers: As :class:`Trainer`; the one that leads writes.
    """
    model = load_for_training(start)
    table = None if voices is None else load_file(voices / EXTRAS_FILE)[VOICES]
    # One stage trains its networks alone; what it leaves alone gets no gradient.
    model.requires_grad_(False)
    stage = STAGES[name](StageInputs(model, data, table, codec_is_trained, tuple(frozen)))
    trainer = Trainer(stage, settings, out, take_over=take_over, peers=peers)
    summary = trainer.run(data.source, held_out)
    if not trainer.peers.leads:
        return summary
    about = {"stage": name, "prefixes": stage.prefixes, "step": summary.step}
    (out / ABOUT_FILE).write_text(json.dumps(about) + "\n", encoding="utf-8")
    save_file(extras_of(stage, model), out / EXTRAS_FILE)
    write_checkpoint(model, out / CHECKPOINT_FOLDER, start, torch.float32)
    return summary


def extras_of(stage: Stage, model: OmniModel) -> dict[str, Tensor]:
    """Trained tensors that belong to no checkpoint: heads and tables of the stage."""
    in_model = {id(parameter) for parameter in model.parameters()}
    return {
        name: parameter.detach().cpu().clone()
        for name, parameter in stage.module.named_parameters()
        if id(parameter) not in in_model
    }


def part_of(run: Path) -> tuple[Path, list[str]]:
    """Checkpoint folder of a run and the prefixes it trained, for ``put_together``."""
    about = json.loads((run / ABOUT_FILE).read_text(encoding="utf-8"))
    return run / CHECKPOINT_FOLDER, list(about["prefixes"])
