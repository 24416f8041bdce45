"""Trains the speech decoder: text and a voice to codes."""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.omni import OmniModel
from model.training.batches import SpokenTextBatch
from model.training.speech_sequences import (
    accuracy,
    code_loss,
    corrupt,
    guidance_loss,
    lay_out,
    run,
)

GUIDANCE_WEIGHT = 0.2
CORRUPTED_SHARE = 0.75
"""Most of the code history that is replaced by noise."""
STREAMING_SHARE = 0.5
"""Share of utterances under the mask of a call; the others see all text at once."""


class SpeechDecoderStage:
    """Next-frame prediction; a table of voices stands in for the language model's embedding.

    The joint stage brings the projected hidden state to where the table's vectors are. They stay
    where they begin, at right angles, so that both stages can run at the same time.
    """

    name = "speech_decoder"
    prefixes = ("tts.model.", "tts.emb_code.", "tts.emb_text.", "tts.head_code.")

    def __init__(
        self,
        model: OmniModel,
        n_voices: int,
        *,
        streaming: float = STREAMING_SHARE,
        corrupted: float = CORRUPTED_SHARE,
    ) -> None:
        """Prepare.

        Args:
            model: Whose speech decoder is trained.
            n_voices: Reply voices.
            streaming: Share of utterances under the streaming mask.
            corrupted: Most of the history that is replaced.
        """
        self._decoder = model.tts
        self._tokenizer = model.speech_tokenizer
        self._streaming = streaming
        self._corrupted = corrupted
        self._guided_layer = model.config.speech.num_hidden_layers // 2
        self.voices = nn.Embedding(n_voices, model.config.speech.hidden_size)
        nn.init.orthogonal_(self.voices.weight, generator=torch.Generator().manual_seed(n_voices))
        self.module: nn.Module = nn.ModuleDict({"decoder": model.tts, "voices": self.voices})
        self.module.requires_grad_(True)
        unused = model.tts.model.embed_tokens
        for frozen in (model.tts.dvae, model.tts.projector, unused, self.voices):
            frozen.requires_grad_(False)

    def begin(self, batch: SpokenTextBatch) -> None:
        """Nothing to prepare."""

    def losses(self, batch: SpokenTextBatch) -> dict[str, Tensor]:
        """Cross-entropy of the codes and guidance of one head."""
        device = self.voices.weight.device
        config = self._decoder.config
        count = len(batch.utterances)
        streaming = (torch.rand(count) < self._streaming).tolist()
        sequences = lay_out(batch.utterances, self._tokenizer, config, streaming).to(device)
        ending = config.num_audio_tokens - 1
        frames = corrupt(sequences.frames, ending, self._corrupted)
        sequences = replace(sequences, frames=frames)
        numbers = torch.tensor([utterance.voice for utterance in batch.utterances], device=device)
        speakers = F.normalize(self.voices(numbers), dim=-1)
        logits, attention = run(self._decoder, sequences, speakers, self._guided_layer)
        assert attention is not None
        codes = code_loss(logits, sequences.targets)
        guidance = guidance_loss(attention, sequences.spoken)
        return {
            "loss": codes + GUIDANCE_WEIGHT * guidance,
            "codes": codes,
            "guidance": guidance,
            "accuracy": accuracy(logits.detach(), sequences.targets),
        }
