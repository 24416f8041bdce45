"""Trains the vocoder: log-mel spectrogram to samples."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from model.omni import OmniModel
from model.speech.vocoder import Vocoder
from model.training.batches import WaveBatch
from model.training.disturbance import disturbance
from model.training.speech_features import log_mel, magnitudes

RESOLUTIONS = ((256, 64), (512, 128), (1024, 256), (2048, 512), (384, 96))
"""(window, hop) in samples of the spectra that are compared."""
MEL_WEIGHT = 1.0
DISTURBANCE_WEIGHT = 12.0
"""Both against the spectra."""
THROUGH_CODEC_SHARE = 0.25
"""Share of batches whose input went through the codec, as it does in a call; 0 without one."""


class VocoderStage:
    """Spectra at several resolutions, the log-mel spectrogram and what is heard of the difference;
    no discriminator."""

    name = "vocoder"
    prefixes = ("vocoder.",)

    def __init__(self, model: OmniModel, through_codec: float = 0.0) -> None:
        """Prepare.

        Args:
            model: Whose vocoder is trained.
            through_codec: Share of batches whose input is what the (trained) codec makes of it.
        """
        self.module: Vocoder = model.vocoder
        self.module.requires_grad_(True)
        self._codec = model.tts.dvae
        self._through_codec = through_codec

    def begin(self, batch: WaveBatch) -> None:
        """Nothing to prepare."""

    def losses(self, batch: WaveBatch) -> dict[str, Tensor]:
        """Distance of the remade waves from the given ones."""
        device = self.module.head.out.weight.device
        waves = torch.from_numpy(batch.waves).to(device)
        target = log_mel(waves, self.module)
        source = target
        if self._through_codec > 0 and float(torch.rand(())) < self._through_codec:
            codec = self._codec.to(device)
            with torch.no_grad():
                source = codec.decode(codec.encode(target)).float()
        with torch.autocast(device.type, enabled=False):
            # Phases do not survive fewer bits.
            made = self.module(source)
        mel = F.l1_loss(log_mel(made, self.module), target)
        spectrum = spectral_distance(made, waves)
        heard = disturbance(made, waves)
        loss = spectrum + MEL_WEIGHT * mel + DISTURBANCE_WEIGHT * heard
        return {"loss": loss, "mel_l1": mel, "spectrum": spectrum, "disturbance": heard}


def spectral_distance(made: Tensor, wanted: Tensor) -> Tensor:
    """Spectral convergence plus L1 of log magnitudes, the mean over :data:`RESOLUTIONS`.

    Args:
        made: Waves ``[B, n]``.
        wanted: Waves ``[B, n]``.
    """
    total = made.new_zeros(())
    for n_fft, hop in RESOLUTIONS:
        ours, theirs = magnitudes(made, n_fft, hop), magnitudes(wanted, n_fft, hop)
        convergence = (ours - theirs).norm() / theirs.norm().clamp(min=1e-6)
        logs = F.l1_loss(ours.clamp(min=1e-5).log(), theirs.clamp(min=1e-5).log())
        total = total + convergence + logs
    return total / len(RESOLUTIONS)
