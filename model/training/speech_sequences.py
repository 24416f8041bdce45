"""Sequences of the speech decoder for training: text, then frames, under the streaming mask.

In a call the condition has a fixed length of mostly empty positions. Here only what holds a token
is computed; positions (for the rotation) and visibility are those of a call, so the hidden states
are too. A call makes no frame before the text that the frame is scheduled to see is there; what a
frame sees therefore depends on its position and on the length of the whole text alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from model.config import SPEECH_SAMPLE_RATE_HZ, SpeechConfig
from model.speech.codec import MEL_FRAMES_PER_CODE
from model.speech.running_text import RunningText
from model.speech.speech_decoder import SpeechDecoder
from model.speech.streaming_mask import StreamingMask
from model.speech.text import SpeechTokenizer
from model.speech.vocoder import HOP_SAMPLES
from model.training.batches import IGNORED, SpokenText

FRAMES_PER_S = SPEECH_SAMPLE_RATE_HZ / (HOP_SAMPLES * MEL_FRAMES_PER_CODE)
BLOCK = 32
"""Sequences are padded to a multiple of so many positions: products of bfloat16 are compiled for
every new size."""
GUIDED_HEAD = 0
"""The head that learns to follow the text."""
GUIDED_WIDTH = 1
"""Tokens to either side of the spoken one that count as right."""


@dataclass(frozen=True, slots=True)
class SpeechSequences:
    """A padded batch. B utterances, C condition tokens, T frames, S = T + 1 steps."""

    text_ids: Tensor
    """Int64 ``[B, C]``: ``[Stts] [spk_emb]`` text ``[Etts]``."""
    frames: Tensor
    """Int64 ``[B, T, 4]``, the input of steps 1 .. T."""
    targets: Tensor
    """Int64 ``[B, S, 4]``: the frame that each step makes, end of speech after the last,
    ``IGNORED`` past it."""
    positions: Tensor
    """Int64 ``[C + S]`` in a row of a call."""
    visible: Tensor
    """Bool ``[B, C + S, C + S]``."""
    spoken: Tensor
    """Int64 ``[B, S]``: which condition token is spoken at each step, ``IGNORED`` where unknown or
    not visible yet."""

    @property
    def condition_length(self) -> int:
        """C."""
        return self.text_ids.shape[1]

    def to(self, device: torch.device) -> SpeechSequences:
        """The batch on a device."""
        names = self.__dataclass_fields__
        return SpeechSequences(**{name: getattr(self, name).to(device) for name in names})


def lay_out(
    utterances: Sequence[SpokenText],
    tokenizer: SpeechTokenizer,
    config: SpeechConfig,
    streaming: Sequence[bool],
) -> SpeechSequences:
    """Lay utterances out.

    Args:
        utterances: At least one.
        tokenizer: Of the checkpoint; text goes through what a call's text goes through.
        config: Of the speech decoder.
        streaming: Per utterance: under the mask of a call, or with all text visible at once.

    Raises:
        ValueError: A text does not fit the reserved positions, or codes are not codes.
    """
    mask = StreamingMask(config)
    texts = [_read_text(utterance, tokenizer, mask) for utterance in utterances]
    ids = pad_sequence([torch.tensor(i) for i, _ in texts], batch_first=True)
    codes = [_checked_codes(u.codes, config) for u in utterances]
    frames = pad_sequence(codes, batch_first=True)
    n_idle = -(ids.shape[1] + frames.shape[1] + 1) % BLOCK
    frames = F.pad(frames, (0, 0, 0, n_idle))
    ending = torch.full((1, config.num_vq), config.num_audio_tokens - 1)
    targets = pad_sequence(
        [torch.cat([part, ending]) for part in codes], batch_first=True, padding_value=IGNORED
    )
    n_condition, n_steps = ids.shape[1], frames.shape[1] + 1
    steps = torch.arange(n_steps)
    # With the longest text this is the schedule alone.
    longest = mask.reserved_length
    schedule = [mask.n_visible(mask.start_position + step, longest) for step in range(n_steps)]
    known = torch.tensor([len(i) for i, _ in texts])
    seen = torch.minimum(torch.tensor(schedule), known[:, None])  # [B, S]
    whole = ~torch.tensor(list(streaming))
    seen = torch.where(whole[:, None], known[:, None].expand_as(seen), seen)
    condition = torch.arange(n_condition)
    visible = torch.zeros(len(texts), n_condition + n_steps, n_condition + n_steps).bool()
    visible[:, :n_condition, :n_condition] = condition[:, None] >= condition
    visible[:, n_condition:, :n_condition] = condition < seen[:, :, None]
    # [Ptts], the first step, is hidden from every step, its own included.
    visible[:, n_condition:, n_condition + 1 :] = (steps[:, None] >= steps)[:, 1:]
    spoken = torch.full((len(texts), n_steps), IGNORED)
    for row, ((_, ends_s), part) in enumerate(zip(texts, codes, strict=True)):
        if ends_s is not None:
            at_s = (np.arange(len(part) + 1) + 0.5) / FRAMES_PER_S
            token = mask.prefix_length + np.searchsorted(ends_s, at_s)
            spoken[row, : len(token)] = torch.from_numpy(token)
    spoken = torch.where(spoken < seen, spoken, IGNORED)
    return SpeechSequences(
        text_ids=ids,
        frames=frames,
        targets=F.pad(targets, (0, 0, 0, n_idle), value=IGNORED),
        positions=torch.cat([condition, mask.start_position + steps]),
        visible=visible,
        spoken=spoken,
    )


def _read_text(
    utterance: SpokenText, tokenizer: SpeechTokenizer, mask: StreamingMask
) -> tuple[list[int], np.ndarray | None]:
    """Condition ids of a text, and when each text token has been spoken."""
    running = RunningText(tokenizer, "en")
    running.push(utterance.text)
    running.finish()
    tokens = running.tokens
    # One position is left for [Etts].
    if not 0 < len(tokens) < mask.reserved_length:
        raise ValueError(
            f"{utterance.text[:40]!r} has {len(tokens)} tokens; 1 to {mask.reserved_length - 1} fit"
        )
    ids = [*tokenizer.start_ids, *(token.id for token in tokens), tokenizer.end_id]
    if utterance.char_ends_s is None:
        return ids, None
    if len(utterance.char_ends_s) != len(utterance.text):
        raise ValueError(f"{utterance.text[:40]!r}: one end time per character is needed")
    return ids, utterance.char_ends_s[[token.text_end - 1 for token in tokens]]


def _checked_codes(codes: np.ndarray, config: SpeechConfig) -> Tensor:
    ending = config.num_audio_tokens - 1
    if codes.ndim != 2 or codes.shape[1] != config.num_vq or len(codes) == 0:
        raise ValueError(f"codes are [T, {config.num_vq}], got {list(codes.shape)}")
    if codes.min() < 0 or codes.max() >= ending:
        raise ValueError(f"codes are 0 .. {ending - 1}, got {codes.min()} .. {codes.max()}")
    return torch.from_numpy(codes.astype(np.int64))


def corrupt(frames: Tensor, ending: int, most: float) -> Tensor:
    """Frames ``[B, T, 4]`` with some replaced by random codes.

    The decoder then learns not to trust its own past too much, which it will have made itself.

    Args:
        frames: Int64.
        ending: Codes are drawn below it.
        most: Share of frames replaced is uniform in 0 .. ``most``, per utterance.
    """
    batch, length, _ = frames.shape
    share = torch.rand(batch, 1) * most
    replaced = (torch.rand(batch, length) < share).to(frames.device)
    noise = torch.randint(0, ending, frames.shape).to(frames.device)
    return torch.where(replaced.unsqueeze(-1), noise, frames)


def run(
    decoder: SpeechDecoder, sequences: SpeechSequences, speakers: Tensor, guided_layer: int | None
) -> tuple[Tensor, Tensor | None]:
    """Logits of all steps.

    Args:
        decoder: Not fused.
        sequences: On the decoder's device.
        speakers: ``[B, D]`` of unit length.
        guided_layer: Layer whose :data:`GUIDED_HEAD` is looked at.

    Returns:
        Logits ``[B, S, 4, n_codes]`` float32, and that head's log probabilities over the condition
        ``[B, S, C]``.
    """
    n_condition = sequences.condition_length
    text = decoder.emb_text(sequences.text_ids)
    is_speaker = (sequences.text_ids == decoder.config.spk_emb_token_id).unsqueeze(-1)
    text = torch.where(is_speaker, speakers.unsqueeze(1).to(text), text)
    frames = decoder.embed_frames(sequences.frames.flatten(0, 1))
    start = decoder.emb_text.weight[decoder.config.audio_bos_token_id].expand(len(text), 1, -1)
    embeddings = torch.cat([text, start, frames.unflatten(0, (len(text), -1))], dim=1)
    looked_at: list[Tensor] = []

    def probe(layer: int, queries: Tensor, keys: Tensor) -> None:
        if layer == guided_layer:
            q = queries[:, GUIDED_HEAD, n_condition:].float()
            k = keys[:, GUIDED_HEAD, :n_condition].float()
            scores = q @ k.transpose(1, 2) / q.shape[-1] ** 0.5
            seen = sequences.visible[:, n_condition:, :n_condition]
            looked_at.append(scores.masked_fill(~seen, -torch.inf).log_softmax(-1))

    hidden = decoder.forward_dense(embeddings, sequences.positions, sequences.visible, probe)
    steps = hidden[:, n_condition:]
    logits = decoder.logits(steps.flatten(0, 1)).float().unflatten(0, steps.shape[:2])
    return logits, looked_at[0] if looked_at else None


def code_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy of the codes, the mean over steps and codebooks."""
    return F.cross_entropy(logits.flatten(0, 2), targets.flatten(), ignore_index=IGNORED)


def accuracy(logits: Tensor, targets: Tensor) -> Tensor:
    """Share of codes whose most likely value is the right one."""
    counted = targets != IGNORED
    return ((logits.argmax(-1) == targets) & counted).sum() / counted.sum().clamp(min=1)


def guidance_loss(log_attention: Tensor, spoken: Tensor) -> Tensor:
    """Minus the log of the attention on the spoken token and its neighbours.

    Args:
        log_attention: ``[B, S, C]``.
        spoken: ``[B, S]`` as :attr:`SpeechSequences.spoken`.

    Returns:
        Mean over the steps whose token is known; 0 where none is.
    """
    known = spoken != IGNORED
    if not bool(known.any()):
        return log_attention.new_zeros(())
    rows = log_attention[known]  # [n, C]
    distance = torch.arange(rows.shape[1], device=rows.device) - spoken[known].unsqueeze(1)
    near = rows.masked_fill(distance.abs() > GUIDED_WIDTH, -torch.inf)
    return -near.logsumexp(-1).mean()
