"""The Whisper encoder that hears a call one unit at a time, and the projection to the LLM.

Two stages, because only the second one remembers: :meth:`AudioEncoder.convolve` turns log-mel
features into frames, each clip with its own zero-padded edges; the transformer runs over frames,
either whole clips (:meth:`AudioEncoder.transform_clips`) or new frames after those a row already
holds (:meth:`AudioEncoder.append_frames`). Given equal frames the two agree.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.attention import Visibility, attend
from model.audio_features import CLIP_S, CONV_STRIDE, encoder_frame_count
from model.config import AudioConfig
from model.decoder_layers import fuse_linear
from model.dense_attention import DenseMask, attend_dense
from model.quirks import PRODUCT, ReferenceQuirks
from model.state import KVCachePool, Segment

_KERNEL = 3

Attend = Callable[[int, Tensor, Tensor, Tensor], Tensor]
"""``(layer, queries, keys, values)``, each ``[N, H, D]`` -> attended ``[N, H, D]``."""


class AudioAttention(nn.Module):
    """Multi-head attention whose keys have no bias."""

    def __init__(self, hidden: int, n_heads: int) -> None:
        super().__init__()
        self.head_dim = hidden // n_heads
        self.q_proj = nn.Linear(hidden, hidden)
        self.k_proj = nn.Linear(hidden, hidden, bias=False)
        self.v_proj = nn.Linear(hidden, hidden)
        self.out_proj = nn.Linear(hidden, hidden)
        self._fused: tuple[Tensor, Tensor | None] | None = None

    def fuse(self) -> None:
        """Join the three input projections; call once, after loading."""
        self._fused = fuse_linear(self.q_proj, self.k_proj, self.v_proj)

    def forward(self, x: Tensor, layer: int, attend_: Attend) -> Tensor:
        """Attend from ``x`` ``[N, hidden]`` to whatever ``attend_`` lets it see."""
        if self._fused is None:
            parts = (self.q_proj(x), self.k_proj(x), self.v_proj(x))
        else:
            parts = F.linear(x, *self._fused).chunk(3, dim=-1)
        queries, keys, values = (part.view(x.shape[0], -1, self.head_dim) for part in parts)
        attended = attend_(layer, queries, keys, values)
        return self.out_proj(attended.reshape(x.shape[0], -1))


class AudioEncoderLayer(nn.Module):
    """One pre-norm layer."""

    def __init__(self, config: AudioConfig) -> None:
        super().__init__()
        self.self_attn = AudioAttention(config.d_model, config.encoder_attention_heads)
        self.self_attn_layer_norm = nn.LayerNorm(config.d_model)
        self.fc1 = nn.Linear(config.d_model, config.encoder_ffn_dim)
        self.fc2 = nn.Linear(config.encoder_ffn_dim, config.d_model)
        self.final_layer_norm = nn.LayerNorm(config.d_model)

    def forward(self, x: Tensor, layer: int, attend_: Attend) -> Tensor:
        """Transform the packed batch ``[N, hidden]``."""
        x = x + self.self_attn(self.self_attn_layer_norm(x), layer, attend_)
        return x + self.fc2(F.gelu(self.fc1(self.final_layer_norm(x))))


class AudioEncoder(nn.Module):
    """Whisper encoder over whole clips or over units that follow each other (``apm.``).

    Attribute names are checkpoint keys.

    Source: openbmb/MiniCPM-o-2_6, its Whisper encoder with a cache.
    Differs: the cache is a row of a pool passed as argument; several rows go through one packed
    batch without padding; a padded batch of clips is masked in encoder frames (the reference's mask
    in mel frames stays reachable, see :class:`ReferenceQuirks`).
    """

    def __init__(self, config: AudioConfig) -> None:
        super().__init__()
        hidden = config.d_model
        self.config = config
        self.conv1 = nn.Conv1d(config.num_mel_bins, hidden, _KERNEL, padding=1)
        self.conv2 = nn.Conv1d(hidden, hidden, _KERNEL, stride=CONV_STRIDE, padding=1)
        self.embed_positions = nn.Embedding(config.max_source_positions, hidden)
        self.layers = nn.ModuleList(AudioEncoderLayer(config) for _ in range(config.encoder_layers))
        self.layer_norm = nn.LayerNorm(hidden)

    @property
    def max_positions(self) -> int:
        """Encoder frames in the position table: 30 s of them."""
        return self.config.max_source_positions

    def fuse(self) -> None:
        """Join projections that read the same input; call once, after loading weights."""
        for layer in self.layers:
            layer.self_attn.fuse()

    def allocate(self, n_rows: int) -> KVCachePool:
        """A pool whose rows hold as many frames as there are positions."""
        return KVCachePool(
            n_layers=len(self.layers),
            n_rows=n_rows,
            capacity=self.max_positions,
            n_kv_heads=self.config.encoder_attention_heads,
            head_dim=self.config.d_model // self.config.encoder_attention_heads,
            device=self.layer_norm.weight.device,
            dtype=self.layer_norm.weight.dtype,
        )

    def encode_units(
        self, mels: Sequence[Tensor], rows: Sequence[int], pool: KVCachePool
    ) -> list[Tensor]:
        """Encode the next unit of each row; it sees all its row holds and all of itself.

        A row that would reach the last position forgets everything first and restarts at 0.

        Args:
            mels: Per row, log-mel features ``[80, F]`` of one unit; lengths may differ.
            rows: Which row each unit continues; no row twice.
            pool: Advanced in place.

        Returns:
            Per row, frames ``[C, D]`` of 20 ms, C = ceil(F / 2).

        Raises:
            ValueError: A unit is empty or longer than 30 s, or a row is named twice. Nothing
                was changed.
        """
        self._check(mels)
        if len(set(rows)) != len(rows) or len(rows) != len(mels):
            raise ValueError(f"{len(mels)} units need as many different rows, got {list(rows)}")
        counts = [encoder_frame_count(mel.shape[1]) for mel in mels]
        for row, count in zip(rows, counts, strict=True):
            if pool.lengths[row] + count >= self.max_positions:
                pool.clear(row)
        segments = pool.segments(rows, counts)
        hidden = self.append_frames(self.convolve(mels), segments, pool)
        return list(hidden.split(counts))

    def encode_clips(
        self,
        mels: Sequence[Tensor],
        chunk_frames: int | None,
        quirks: ReferenceQuirks = PRODUCT,
    ) -> list[Tensor]:
        """Encode whole clips, independent of each other.

        Args:
            mels: Log-mel features ``[80, F]`` per clip, at most 30 s each.
            chunk_frames: A frame sees its own chunk of this many frames and all earlier chunks;
                None: the whole clip.
            quirks: Whether padding stays visible as in the reference.

        Returns:
            Per clip, frames ``[C, D]`` of 20 ms, C = ceil(F / 2).

        Raises:
            ValueError: A clip is empty or longer than 30 s.
        """
        self._check(mels)
        counts = [encoder_frame_count(mel.shape[1]) for mel in mels]
        device = self.conv1.weight.device
        if not quirks.padding_mask_in_mel_frames:
            masks = [chunk_mask(count, chunk_frames, device) for count in counts]
            return list(self.transform_clips(self.convolve(mels), counts, masks).split(counts))
        longest = max(mels, key=lambda mel: mel.shape[1]).shape[1]
        padded = [F.pad(mel, (0, longest - mel.shape[1])) for mel in mels]
        masks = [_mel_frame_mask(mel.shape[1], max(counts), chunk_frames, device) for mel in mels]
        frames = self.convolve(padded)
        hidden = self.transform_clips(frames, [max(counts)] * len(mels), masks)
        clips = hidden.split(max(counts))
        return [clip[:count] for clip, count in zip(clips, counts, strict=True)]

    def convolve(self, mels: Sequence[Tensor]) -> Tensor:
        """The convolutions, each clip with its own zero-padded edges.

        Clips lie one after another on one time axis, with gaps in place of their padding, so that
        clips of different lengths are one call and cost no more than their own frames.

        Args:
            mels: ``[80, F]`` per clip.

        Returns:
            Packed frames ``[N, D]``, ceil(F / 2) per clip, without positions.
        """
        weight = self.conv1.weight
        if len(mels) == 1:
            x = F.gelu(self.conv1(mels[0].to(weight).unsqueeze(0)))
            return F.gelu(self.conv2(x))[0].T.contiguous()
        # Every clip starts on an even frame, so that the stride of the second convolution falls on
        # it as on a clip alone, with at least one frame of zeros before the next.
        widths = [(mel.shape[1] // CONV_STRIDE + 1) * CONV_STRIDE for mel in mels]
        total = sum(widths)
        packed = weight.new_zeros(1, self.config.num_mel_bins, total)
        inside = weight.new_zeros(total)
        starts = []
        start = 0
        for mel, width in zip(mels, widths, strict=True):
            packed[0, :, start : start + mel.shape[1]] = mel
            inside[start : start + mel.shape[1]] = 1
            starts.append(start)
            start += width
        # A gap is no longer zero after bias and GELU, but the second convolution must see zeros.
        x = F.gelu(self.conv1(packed)) * inside
        frames = F.gelu(self.conv2(x))[0].T  # [total / 2, D]
        return torch.cat(
            [
                frames[start // CONV_STRIDE :][: encoder_frame_count(mel.shape[1])]
                for mel, start in zip(mels, starts, strict=True)
            ]
        )

    def append_frames(
        self, frames: Tensor, segments: Sequence[Segment], pool: KVCachePool
    ) -> Tensor:
        """The transformer over new frames of pool rows; the rows advance.

        Args:
            frames: Packed ``[N, D]`` as :meth:`convolve` returns them.
            segments: Where each run of frames belongs, in the order of ``frames``.
            pool: Keys and values of earlier frames.

        Returns:
            Hidden states after the final norm ``[N, D]``.
        """
        counts = [segment.count for segment in segments]
        masks = [Visibility.ALL] * len(segments)

        def attend_rows(layer: int, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
            new = zip(segments, keys.split(counts), values.split(counts), strict=True)
            for segment, new_keys, new_values in new:
                pool.write(layer, segment, new_keys, new_values)
            return attend(queries, pool, layer, segments, masks)

        positions = [self.embed_positions.weight[s.start : s.stop] for s in segments]
        hidden = self._transform(frames, positions, attend_rows)
        pool.advance(segments)
        return hidden

    def transform_clips(
        self, frames: Tensor, counts: Sequence[int], masks: Sequence[Tensor | None]
    ) -> Tensor:
        """The transformer over whole clips, each from position 0.

        Args:
            frames: Packed ``[N, D]`` as :meth:`convolve` returns them.
            counts: Frames of each clip, in the order of ``frames``.
            masks: Per clip, bool ``[C, C]`` (True = visible); everything where None.

        Returns:
            Hidden states after the final norm ``[N, D]``.
        """
        sizes = list(counts)

        def attend_clips(_layer: int, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
            outputs = []
            parts = zip(
                queries.split(sizes), keys.split(sizes), values.split(sizes), masks, strict=True
            )
            for *qkv, mask in parts:
                q, k, v = (part.transpose(0, 1).unsqueeze(0) for part in qkv)  # [1, H, C, D]
                attended = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
                outputs.append(attended[0].transpose(0, 1))
            return torch.cat(outputs)

        positions = [self.embed_positions.weight[:count] for count in counts]
        return self._transform(frames, positions, attend_clips)

    def transform_batch(self, frames: Tensor, mask: Tensor) -> Tensor:
        """The transformer over a padded batch, each row from position 0: for training.

        Args:
            frames: ``[B, T, D]``, frames of :meth:`convolve` padded behind.
            mask: Bool ``[B, T, T]`` (True = visible), at least one True per row.

        Returns:
            Hidden states after the final norm ``[B, T, D]``.
        """
        batch, length, _ = frames.shape
        dense_mask = DenseMask(mask)

        def attend_batch(_layer: int, *qkv: Tensor) -> Tensor:
            q, k, v = (part.unflatten(0, (batch, length)).transpose(1, 2) for part in qkv)
            return attend_dense(q, k, v, dense_mask).transpose(1, 2).flatten(0, 1)

        positions = [self.embed_positions.weight[:length]] * batch
        hidden = self._transform(frames.flatten(0, 1), positions, attend_batch)
        return hidden.unflatten(0, (batch, length))

    def _transform(self, frames: Tensor, positions: Sequence[Tensor], attend_: Attend) -> Tensor:
        x = frames + (positions[0] if len(positions) == 1 else torch.cat(list(positions)))
        for index, layer in enumerate(self.layers):
            x = layer(x, index, attend_)
        return self.layer_norm(x)

    def _check(self, mels: Sequence[Tensor]) -> None:
        for mel in mels:
            if mel.ndim != 2 or mel.shape[0] != self.config.num_mel_bins or mel.shape[1] == 0:
                raise ValueError(f"features {tuple(mel.shape)} are not the mel frames of a clip")
            n_frames = mel.shape[1]
            if encoder_frame_count(n_frames) > self.max_positions:
                raise ValueError(
                    f"audio of {n_frames} frames of 10 ms is longer than the encoder's {CLIP_S} s; "
                    "cut it into shorter units"
                )


class AudioProjection(nn.Module):
    """Audio frames to the language model's embedding space, pooled (``audio_projection_layer.``).

    Source: openbmb/MiniCPM-o-2_6, its projector followed by average pooling.
    Differs: pools before the second linear layer, not after it; a mean and a linear layer commute,
    and the larger matrix then sees half the rows.
    """

    def __init__(self, in_size: int, out_size: int, pool_step: int) -> None:
        super().__init__()
        self.linear1 = nn.Linear(in_size, out_size)
        self.linear2 = nn.Linear(out_size, out_size)
        self.pool_step = pool_step

    def forward(self, clips: Sequence[Tensor]) -> list[Tensor]:
        """Project and pool each clip.

        Args:
            clips: Frames ``[C, D]`` per clip.

        Returns:
            ``[C // pool_step, E]`` per clip, one per placeholder token; frames that do not fill a
            pooling window are dropped.
        """
        counts = [clip.shape[0] // self.pool_step for clip in clips]
        whole = [clip[: count * self.pool_step] for clip, count in zip(clips, counts, strict=True)]
        x = F.relu(self.linear1(torch.cat(whole)))
        pooled = x.view(sum(counts), self.pool_step, x.shape[-1]).mean(dim=1)
        return list(self.linear2(pooled).split(counts))


def chunk_mask(count: int, chunk_frames: int | None, device: torch.device) -> Tensor | None:
    """What each frame of a whole clip sees: its own chunk and all earlier ones.

    Returns:
        Bool ``[count, count]`` (True = visible); None where that is everything.
    """
    if chunk_frames is None or count <= chunk_frames:
        return None
    chunk = torch.arange(count, device=device) // chunk_frames
    return chunk[:, None] >= chunk[None, :]


def _mel_frame_mask(
    n_mel_frames: int, count: int, chunk_frames: int | None, device: torch.device
) -> Tensor:
    """Bool ``[count, count]`` of a padded clip as the reference masks it.

    Its length is taken in mel frames where encoder frames are counted, so that about as many
    frames of padding as the clip has itself stay visible.
    """
    mask = chunk_mask(count, chunk_frames, device)
    if mask is None:
        mask = torch.ones(count, count, dtype=torch.bool, device=device)
    mask[:, n_mel_frames:] = False
    return mask
