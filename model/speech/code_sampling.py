"""Drawing audio codes from the logits of the speech decoder.

One draw gives a frame: one code per codebook. The categorical draw itself is an argument, so that
parity tests can replace the random numbers and nothing else.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from model.config import SpeechConfig
from model.quirks import PRODUCT, ReferenceQuirks

TEMPERATURES = (0.1, 0.3, 0.1, 0.3)
"""One per codebook; constants of the reference, not in the checkpoint's config."""
MIN_KEPT = 3
"""Codes that top-p and top-k always leave."""
MIN_FRAMES_BEFORE_EOS = 10
"""Frames in which end of speech cannot be drawn."""
PENALTY_WINDOW_FRAMES = 16
"""Frames that the repetition penalty looks back."""

Draw = Callable[[np.ndarray], np.ndarray]
"""Probabilities ``[4, V]`` float32 -> codes ``[4]`` or ``[4, 1]``."""


def warp(scores: Tensor, top_p: float, top_k: int) -> Tensor:
    """Keep the codes of the top-p nucleus that are also among the ``top_k`` best.

    Args:
        scores: ``[..., V]`` after temperature.
        top_p: Probability mass to keep; at least ``MIN_KEPT`` codes stay.
        top_k: Number of codes to keep at most.

    Returns:
        ``scores`` with all other codes at minus infinity.
    """
    # One partial sort serves both: what top-p keeps beyond the best top_k would be cut by top-k.
    best = scores.topk(min(max(top_k, MIN_KEPT), scores.shape[-1])).values  # [..., K] descending
    probabilities = (best - scores.logsumexp(-1, keepdim=True)).exp()
    mass_above = probabilities.cumsum(-1) - probabilities
    n_kept = (mass_above < top_p).sum(-1, keepdim=True).clamp(min=MIN_KEPT)
    return scores.masked_fill(scores < best.gather(-1, n_kept - 1), -torch.inf)


def penalize_repetition(scores: Tensor, history: Tensor, penalty: float) -> Tensor:
    """Make codes less likely for each time they occur in the last frames.

    Args:
        scores: ``[4, V]``.
        history: Codes ``[4, T]`` so far; only the last ``PENALTY_WINDOW_FRAMES`` count.
        penalty: Factor per occurrence; scores are divided (multiplied where negative) by it.
    """
    recent = history[:, -PENALTY_WINDOW_FRAMES:]
    counts = torch.zeros_like(scores).scatter_add_(1, recent, torch.ones_like(recent).to(scores))
    factor = penalty**counts
    return torch.where(scores < 0, scores * factor, scores / factor)


class CodeSampler:
    """Draws the frames of one response; holds its random state and what barring EOS needs.

    Source: openbmb/MiniCPM-o-2_6, modeling_minicpmo.py (sampling in ConditionalChatTTS.generate).
    Differs: random numbers come from a generator of the response, so that calls that share a batch
    do not share luck; end of speech is barred once per response.
    """

    def __init__(
        self,
        config: SpeechConfig,
        *,
        draw: Draw | None = None,
        generator: torch.Generator | None = None,
        greedy: bool = False,
        never_end: bool = False,
        quirks: ReferenceQuirks = PRODUCT,
    ) -> None:
        """Prepare for a response.

        Args:
            config: Codes, codebooks, top-p, top-k and repetition penalty.
            draw: Categorical draw; multinomial where None.
            generator: CPU random state of the multinomial draw; torch's own where None.
            greedy: Take the most likely code of each codebook.
            never_end: Bar end of speech altogether.
            quirks: ``eos_barred_every_call`` bars it at the start of every call.
        """
        self.eos_id = config.num_audio_tokens - 1
        self.top_p = config.top_p
        self.top_k = config.top_k
        self.repetition_penalty = config.repetition_penalty
        self.greedy = greedy
        self.never_end = never_end
        self._draw = draw
        self._generator = generator
        self._quirks = quirks
        self._frames_since_bar = 0
        self._history: deque[Tensor] = deque(maxlen=PENALTY_WINDOW_FRAMES)

    @property
    def bars_eos(self) -> bool:
        """Whether the next frame cannot end the speech."""
        return self.never_end or self._frames_since_bar < MIN_FRAMES_BEFORE_EOS

    def begin_call(self) -> None:
        """A new call of (usually 25) frames starts: the reference bars EOS anew, we do not."""
        if self._quirks.eos_barred_every_call:
            self._frames_since_bar = 0

    def draw(self, logits: Tensor, *, start: bool = False) -> tuple[Tensor, bool]:
        """Draw one frame.

        Args:
            logits: ``[4, V]``.
            start: The logits are those of the ``[Ptts]`` step, which only temperature shapes.

        Returns:
            Codes int64 ``[4]`` on the CPU, and whether one of them ends the speech.
        """
        return draw_batch([self], logits.unsqueeze(0), [start])[0]

    def penalize(self, scores: Tensor) -> Tensor:
        """Scores ``[4, V]`` after the repetition penalty of this response."""
        if self.repetition_penalty == 1.0 or not self._history:
            return scores
        history = torch.stack(list(self._history), dim=1).to(scores.device)  # [4, T]
        return penalize_repetition(scores, history, self.repetition_penalty)

    def choose(self, probabilities: Tensor) -> Tensor:
        """Codes ``[4]`` from probabilities ``[4, V]``, by this response's draw."""
        if self._draw is not None:
            return torch.from_numpy(self._draw(probabilities.numpy())).reshape(-1)
        return torch.multinomial(probabilities, 1, generator=self._generator).squeeze(1)

    def remember(self, codes: Tensor) -> None:
        """Account for a drawn frame ``[4]``."""
        self._frames_since_bar += 1
        if self.repetition_penalty != 1.0:
            self._history.append(codes)


def draw_batch(
    samplers: Sequence[CodeSampler], logits: Tensor, starts: Sequence[bool]
) -> list[tuple[Tensor, bool]]:
    """Draw one frame for each of several responses; equal to drawing one by one.

    Args:
        samplers: One per row.
        logits: ``[B, 4, V]`` from :meth:`SpeechDecoder.step`.
        starts: Per row, whether the logits are those of the ``[Ptts]`` step.

    Returns:
        Per row, codes int64 ``[4]`` on the CPU and whether one of them ends the speech.
    """
    scores = logits.float() / logits.new_tensor(TEMPERATURES, dtype=torch.float32).unsqueeze(-1)
    for row, (sampler, start) in enumerate(zip(samplers, starts, strict=True)):
        if not start and sampler.repetition_penalty != 1.0:
            scores[row] = sampler.penalize(scores[row])
    warped = [r for r, s in enumerate(samplers) if not s.greedy and not starts[r]]
    if warped:
        # One checkpoint, one setting: the samplers of a batch share top-p and top-k.
        settings = samplers[warped[0]]
        if len(warped) == len(samplers):
            scores = warp(scores, settings.top_p, settings.top_k)
        else:
            scores[warped] = warp(scores[warped], settings.top_p, settings.top_k)
    for row, sampler in enumerate(samplers):
        if sampler.bars_eos:
            scores[row, :, sampler.eos_id] = -torch.inf
    greedy = scores.argmax(-1).cpu() if any(sampler.greedy for sampler in samplers) else None
    drawn = not all(sampler.greedy for sampler in samplers)
    # The draw is made on the CPU: the same seed gives the same speech wherever the model runs.
    probabilities = scores.softmax(-1).cpu() if drawn else None
    frames = []
    for row, sampler in enumerate(samplers):
        codes = greedy[row] if sampler.greedy else sampler.choose(probabilities[row])
        sampler.remember(codes)
        frames.append((codes, bool((codes == sampler.eos_id).any())))
    return frames
