"""Gives a trained network more layers, which change nothing until they are trained."""

from __future__ import annotations

from dataclasses import replace

import torch

from model.omni import OmniModel

_OUTPUTS = ("self_attn.out_proj", "fc2")
"""Of a layer of the audio encoder: what it adds to its input."""


def deepen_audio_encoder(model: OmniModel, n_layers: int) -> OmniModel:
    """The same model with more layers at the end of its audio encoder.

    The new ones have the weights of the last one, but add nothing: what is heard stays the same,
    and they begin to learn from what that layer looks at.

    Args:
        model: Not fused; its weights are copied.
        n_layers: Of the deeper encoder.

    Raises:
        ValueError: That is fewer than there are.
    """
    config = model.config.audio
    if n_layers < config.encoder_layers:
        raise ValueError(
            f"the audio encoder has {config.encoder_layers} layers; it can only get more,"
            f" not {n_layers}"
        )
    weights = dict(model.state_dict())
    last = f"apm.layers.{config.encoder_layers - 1}."
    of_last = {
        name.removeprefix(last): tensor for name, tensor in weights.items() if name.startswith(last)
    }
    for layer in range(config.encoder_layers, n_layers):
        for name, tensor in of_last.items():
            adds = name.startswith(_OUTPUTS)
            weights[f"apm.layers.{layer}.{name}"] = torch.zeros_like(tensor) if adds else tensor
    deeper = OmniModel(
        replace(model.config, audio=replace(config, encoder_layers=n_layers)),
        model.tokenizer,
        model.speech_tokenizer,
    )
    deeper.load_state_dict(weights, strict=True)
    return deeper
