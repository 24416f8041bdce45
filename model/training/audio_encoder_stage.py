"""Trains the audio encoder on what sounds in every frame: phones and words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.audio_features import ENCODER_FRAME_SAMPLES
from model.config import SAMPLE_RATE_HZ
from model.omni import OmniModel
from model.training.batches import IGNORED, HeardBatch, HeardClip
from model.training.dense_audio import encode_contexts, unit_mel
from model.training.heard_tokens import token_targets, token_times_s

MAX_BANDS_HIDDEN = 12
MAX_FRAMES_HIDDEN = 20
"""Widest mask over mel bands, longest over mel frames of 10 ms."""
N_MASKS = 2
"""Of each kind, per unit."""
WORDS_WEIGHT = 2.0
"""Of the tokens against the phones, at each of whose rates the weight is 1."""
FIRST_SHARPNESS = 10.0
"""Of the scores of tokens: a cosine times this."""


class AudioEncoderStage:
    """Phones from the encoder's frames (20 ms) and from the projected ones (40 ms), and from these
    the token that is being said.

    A token is recognised by the direction of its own embedding, which stays as it is: where the
    language model can read already, words that are heard come to it as words that it knows.
    """

    name = "audio_encoder"
    prefixes = ("apm.", "audio_projection_layer.")

    def __init__(self, model: OmniModel, n_phones: int, *, hide: bool = True) -> None:
        """Prepare.

        Args:
            model: Whose audio encoder and projection are trained.
            n_phones: Classes of :attr:`HeardClip.phones`.
            hide: Hide random bands and frames.
        """
        self._encoder = model.apm
        self._projection = model.audio_projection_layer
        self._hide = hide
        self._tokenizer = model.tokenizer
        config = model.config
        self._embeddings = F.normalize(model.llm.model.embed_tokens.weight.detach().float(), dim=-1)
        generator = torch.Generator().manual_seed(n_phones)
        self._heads = nn.ModuleDict(
            {
                "frames": nn.Linear(config.audio.d_model, n_phones),
                "pooled": nn.Linear(config.language.hidden_size, n_phones),
            }
        )
        for head in self._heads.values():
            nn.init.normal_(head.weight, std=head.in_features**-0.5, generator=generator)
            nn.init.zeros_(head.bias)
        self._silence = nn.Parameter(torch.zeros(config.language.hidden_size))
        self._sharpness = nn.Parameter(torch.tensor(FIRST_SHARPNESS))
        self.module: nn.Module = nn.ModuleDict(
            {"encoder": model.apm, "projection": model.audio_projection_layer, "heads": self._heads}
        )
        self.module.register_parameter("silence", self._silence)
        self.module.register_parameter("sharpness", self._sharpness)
        self.module.requires_grad_(True)

    def begin(self, batch: HeardBatch) -> None:
        """Nothing to prepare."""

    def losses(self, batch: HeardBatch) -> dict[str, Tensor]:
        """Cross-entropy of the phones at both rates, and of the tokens."""
        device = self._encoder.layer_norm.weight.device
        contexts = [[unit_mel(unit, device) for unit in clip.units] for clip in batch.clips]
        if self._hide:
            contexts = [[hide_parts(mel) for mel in units] for units in contexts]
        units = [unit for units in encode_contexts(self._encoder, contexts) for unit in units]
        phones = torch.from_numpy(np.concatenate([clip.phones for clip in batch.clips])).long()
        targets = phones.to(device).split([len(unit) for unit in units])
        pooled = torch.cat(self._projection(units))
        step = self._projection.pool_step
        pooled_targets = torch.cat([t[: len(t) // step * step][step // 2 :: step] for t in targets])
        by_frame = self._heads["frames"](torch.cat(units)).float()
        frames = F.cross_entropy(by_frame, phones.to(device), ignore_index=IGNORED)
        by_token = self._heads["pooled"](pooled).float()
        tokens = F.cross_entropy(by_token, pooled_targets, ignore_index=IGNORED)
        counted = phones.to(device) != IGNORED
        right = ((by_frame.argmax(-1) == phones.to(device)) & counted).sum() / counted.sum()
        phone_losses = {"frames": frames, "tokens": tokens, "accuracy": right}
        words = self._word_losses(batch.clips, pooled)
        loss = frames + tokens + WORDS_WEIGHT * words.get("words", 0.0)
        return {"loss": loss, **phone_losses, **words}

    def _word_losses(self, clips: Sequence[HeardClip], pooled: Tensor) -> dict[str, Tensor]:
        nothing = len(self._embeddings)
        targets = torch.from_numpy(np.concatenate([self._spoken(clip, nothing) for clip in clips]))
        targets = targets.to(pooled.device)
        known = targets != IGNORED
        if not bool(known.any()):
            return {}
        vectors = F.normalize(pooled[known].float(), dim=-1)
        of_tokens = self._sharpness * vectors @ self._embeddings.to(pooled.device).T
        scores = torch.cat([of_tokens, (vectors @ self._silence)[:, None]], dim=1)
        targets = targets[known]
        said = targets != nothing
        right = (scores.argmax(-1) == targets)[said].float().mean()
        return {"words": F.cross_entropy(scores, targets), "word_accuracy": right}

    def _spoken(self, clip: HeardClip, nothing: int) -> np.ndarray:
        """Which token sounds in each projected frame of a clip, int64 ``[F]``; ``IGNORED`` where
        that is not known."""
        step = self._projection.pool_step
        moments, start = [], 0
        for unit in clip.units:
            n_tokens = -(-len(unit) // ENCODER_FRAME_SAMPLES) // step
            middles = (np.arange(n_tokens) + 0.5) * step * ENCODER_FRAME_SAMPLES
            moments.append(start + middles)
            start += len(unit)
        at_s = np.concatenate(moments) / SAMPLE_RATE_HZ
        if clip.heard_s is None:
            return np.full(len(at_s), IGNORED)
        ids = self._tokenizer.encode_foreign(clip.text)
        return token_targets(ids, token_times_s(self._tokenizer, ids, clip.heard_s), at_s, nothing)


def hide_parts(mel: Tensor) -> Tensor:
    """``mel`` ``[80, F]`` with random bands and frames at its mean."""
    n_bands, n_frames = mel.shape
    hidden = mel.clone()
    for _ in range(N_MASKS):
        for axis, size, widest in (
            (0, n_bands, MAX_BANDS_HIDDEN),
            (1, n_frames, min(MAX_FRAMES_HIDDEN, n_frames // 5)),
        ):
            width = int(torch.randint(0, widest + 1, ()))
            start = int(torch.randint(0, size - width + 1, ()))
            hidden.narrow(axis, start, width).fill_(mel.mean())
    return hidden
