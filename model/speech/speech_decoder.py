"""The streaming speech decoder: text in chunks, audio codes one frame at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.attention import Masks, Visibility
from model.config import SpeechConfig
from model.decoder_layers import DecoderStack, Probe, stack_rows
from model.rotary import RotaryTable
from model.speech.codec import Codec
from model.speech.streaming_mask import StreamingMask
from model.state import KVCachePool, RowFullError, Segment

MAX_FRAMES = 2048
"""Frames after which a segment of speech is ended."""
FRAMES_PER_CALL = 25
"""Frames made, then vocoded, at a time; the limit above is looked at in between."""
CARRIED_FRAMES = 50
"""Frames of the segment before that a new segment starts with."""


@dataclass(frozen=True, slots=True)
class TextPrefill:
    """Text tokens to write into the condition of one row."""

    row: int
    begin: int
    """Position of the first token; ``[Stts]`` is 0, the first text token follows the speaker."""
    ids: Sequence[int]
    """Token ids of the speech tokenizer."""
    speaker: Tensor | None = None
    """``[D]`` from :meth:`SpeechDecoder.project_speaker`, where ``ids`` hold ``[spk_emb]``."""


@dataclass(frozen=True, slots=True)
class SpeechStep:
    """One frame to make in one row."""

    row: int
    codes: Tensor | None
    """The frame before, int64 ``[4]``; None starts the audio with ``[Ptts]``."""
    n_text: int
    """Text tokens known so far, without ``[Etts]``."""


class SpeakerProjector(nn.Module):
    """Language model hidden state to speaker embedding."""

    def __init__(self, llm_dim: int, hidden: int) -> None:
        super().__init__()
        self.linear1 = nn.Linear(llm_dim, hidden)
        self.linear2 = nn.Linear(hidden, hidden)

    def forward(self, x: Tensor) -> Tensor:
        """Project ``[..., llm_dim]`` to ``[..., D]``."""
        return self.linear2(F.relu(self.linear1(x)))


class DirectionAndMagnitude(nn.Module):
    """A weight-normed matrix as the checkpoint stores it: its rows' lengths and directions."""

    def __init__(self, rows: int, columns: int) -> None:
        super().__init__()
        self.original0 = nn.Parameter(torch.ones(rows, 1))  # magnitude
        self.original1 = nn.Parameter(torch.empty(rows, columns))  # direction, of any length
        nn.init.normal_(self.original1)

    def forward(self) -> Tensor:
        """The matrix ``[rows, columns]``."""
        direction = self.original1.float()
        scale = self.original0.float() / direction.norm(dim=1, keepdim=True)
        return (direction * scale).to(self.original1.dtype)


class CodeHead(nn.Module):
    """Output layer of one codebook; only its names matter, they are checkpoint keys."""

    def __init__(self, hidden: int, n_codes: int) -> None:
        super().__init__()
        self.parametrizations = nn.ModuleDict({"weight": DirectionAndMagnitude(n_codes, hidden)})

    def matrix(self) -> Tensor:
        """Weight ``[n_codes, hidden]``."""
        return self.parametrizations["weight"]()


class SpeechDecoder(nn.Module):
    """A Llama over text and audio codes, with its codec.

    Source: openbmb/MiniCPM-o-2_6, modeling_minicpmo.py::ConditionalChatTTS.
    Differs: rows of a pool instead of one cache object; steps of several rows are one batch; what a
    frame sees is a slice of its row (:class:`StreamingMask`), so nothing is masked or copied; the
    four heads are one matrix product.
    """

    def __init__(self, config: SpeechConfig) -> None:
        super().__init__()
        hidden = config.hidden_size
        self.config = config
        self.mask = StreamingMask(config)
        self.projector = SpeakerProjector(config.llm_dim, hidden)
        self.emb_code = nn.ModuleList(
            nn.Embedding(config.num_audio_tokens, hidden) for _ in range(config.num_vq)
        )
        self.emb_text = nn.Embedding(config.num_text_tokens, hidden)
        self.head_code = nn.ModuleList(
            CodeHead(hidden, config.num_audio_tokens) for _ in range(config.num_vq)
        )
        self.dvae = Codec(config)  # codec
        self.model = DecoderStack(
            vocab_size=config.vocab_size,
            hidden=hidden,
            n_layers=config.num_hidden_layers,
            n_heads=config.num_attention_heads,
            n_kv_heads=config.num_attention_heads,
            intermediate=config.intermediate_size,
            eps=config.rms_norm_eps,
            qkv_bias=False,
        )
        self._rotary: RotaryTable | None = None
        self._head_matrix: Tensor | None = None

    @property
    def row_capacity(self) -> int:
        """Positions of the longest segment: the limit may be passed by almost one call."""
        return self.mask.condition_length + CARRIED_FRAMES + MAX_FRAMES + FRAMES_PER_CALL

    def fuse(self) -> None:
        """Join projections that read the same input; call once, after loading."""
        self.model.fuse()
        with torch.no_grad():
            self._head_matrix = self._join_heads()

    def allocate(self, n_rows: int, capacity: int | None = None) -> KVCachePool:
        """A cache pool; a row holds one segment of one response.

        Args:
            n_rows: Rows of the pool.
            capacity: Positions per row; enough for the longest segment where None.
        """
        return self.model.allocate(n_rows, capacity or self.row_capacity)

    def begin(self, pool: KVCachePool, row: int) -> None:
        """Empty the row for a new segment: a zero condition and no audio."""
        # Not only the length: positions whose text is not there yet are seen, as zeros.
        pool.keys[:, row, :, : self.mask.condition_length] = 0
        pool.values[:, row, :, : self.mask.condition_length] = 0
        pool.lengths[row] = self.mask.start_position

    def project_speaker(self, hidden: Tensor) -> Tensor:
        """Speaker embeddings ``[B, D]`` of unit length from hidden states ``[B, llm_dim]``."""
        return F.normalize(self.projector(hidden), dim=-1)

    def embed_text(self, ids: Sequence[int], speaker: Tensor | None = None) -> Tensor:
        """Embeddings ``[n, D]`` of text tokens, the speaker in place of ``[spk_emb]``."""
        tokens = torch.tensor(ids, device=self.emb_text.weight.device)
        embeddings = self.emb_text(tokens)
        if speaker is not None:
            is_speaker = tokens == self.config.spk_emb_token_id
            embeddings[is_speaker] = speaker.to(embeddings)
        return embeddings

    def embed_frames(self, frames: Tensor) -> Tensor:
        """Embeddings ``[n, D]`` of frames of codes ``[n, 4]``: the sum over the codebooks."""
        frames = frames.to(self.emb_text.weight.device)
        total = self.emb_code[0](frames[:, 0])
        for codebook, table in enumerate(self.emb_code[1:], start=1):
            total = total + table(frames[:, codebook])
        return total

    def prefill_text(self, items: Sequence[TextPrefill], pool: KVCachePool) -> list[Tensor]:
        """Write text into the conditions of rows, at any time; the rows' lengths do not change.

        A token sees all positions below its own, those not written yet as zeros.

        Returns:
            Hidden states after the final norm ``[n, D]`` per item.

        Raises:
            ValueError: An item is empty or reaches past the condition; nothing was changed.
        """
        segments, masks, embeddings, positions = [], [], [], []
        for item in items:
            count = len(item.ids)
            end = item.begin + count
            if not 0 <= item.begin < end <= self.mask.condition_length:
                raise ValueError(
                    f"text at {item.begin}..{end} is not within the "
                    f"{self.mask.condition_length} positions of the condition"
                )
            # Stored backwards, so packed backwards: the last token comes first and sees all.
            first, stop = self.mask.storage_index(end - 1), self.mask.condition_length
            segments.append(Segment(item.row, first, count, window=(first, stop)))
            masks.append(torch.ones(count, end, dtype=torch.bool, device=pool.keys.device).triu())
            embeddings.append(self.embed_text(item.ids, item.speaker).flip(0))
            positions.append(torch.arange(item.begin, end).flip(0))
        packed, where = torch.cat(embeddings), torch.cat(positions)
        hidden = self._run(packed, pool, segments, where, masks)
        return [part.flip(0) for part in hidden.split([segment.count for segment in segments])]

    def prefill_audio(
        self, row: int, frames: Tensor, n_text: int, pool: KVCachePool, *, bidirectional: bool
    ) -> Tensor:
        """Start the audio of a segment with ``[Ptts]`` and frames of the segment before.

        Args:
            row: A row that holds no audio yet.
            frames: Codes ``[n, 4]``.
            n_text: Text tokens known so far, without ``[Etts]``.
            pool: The rows' caches; the row grows by ``1 + n``.
            bidirectional: As the reference: all see each other and what ``[Ptts]`` sees of the
                text. Otherwise the same as ``1 + n`` steps.

        Returns:
            Hidden states after the final norm ``[1 + n, D]``.
        """
        count = frames.shape[0]
        if count == 0:
            return self.step_hidden([SpeechStep(row, None, n_text)], pool)
        start, first_frame = self.mask.start_position, self.mask.condition_length
        self._reserve(pool, row, 1 + count, starts=True)
        embeddings = torch.cat([self._start_embedding(), self.embed_frames(frames)])
        start_window = self.mask.window(start, n_text)
        if bidirectional:
            start_window = window = (start_window[0], first_frame + count)
            mask: Tensor | Visibility = Visibility.ALL
        else:
            own = [self.mask.window(first_frame + index, n_text) for index in range(count)]
            window = (min(low for low, _ in own), first_frame + count)
            indices = torch.arange(*window)
            lows, highs = torch.tensor(own).T.unsqueeze(-1)
            mask = ((indices >= lows) & (indices < highs)).to(embeddings.device)  # [n, seen]
        segments = [
            Segment(row, self.mask.storage_index(start), 1, window=start_window),
            Segment(row, first_frame, count, window=window),
        ]
        positions = torch.arange(start, first_frame + count)
        hidden = self._run(embeddings, pool, segments, positions, [Visibility.ALL, mask])
        pool.advance([Segment(row, start, 1 + count)])
        return hidden

    def step(self, steps: Sequence[SpeechStep], pool: KVCachePool) -> Tensor:
        """Make one frame in each of several rows.

        Args:
            steps: At most one per row.
            pool: The rows' caches; each row grows by one.

        Returns:
            Logits before temperature ``[B, 4, n_codes]``.

        Raises:
            RowFullError: A row has no room; nothing was changed.
        """
        return self.logits(self.step_hidden(steps, pool))

    def step_hidden(self, steps: Sequence[SpeechStep], pool: KVCachePool) -> Tensor:
        """As :meth:`step`, but the hidden states after the final norm ``[B, D]``."""
        segments, grown = [], []
        for step in steps:
            position = self._reserve(pool, step.row, 1, starts=step.codes is None)
            window = self.mask.window(position, step.n_text)
            index = self.mask.storage_index(position)
            segments.append(Segment(step.row, index, 1, window=window))
            grown.append(Segment(step.row, position, 1))
        positions = torch.tensor([segment.start for segment in grown])
        hidden = self._run(self._embed_steps(steps), pool, segments, positions)
        pool.advance(grown)
        return hidden

    def forward_dense(
        self,
        embeddings: Tensor,
        positions: Tensor,
        mask: Tensor,
        probe: Probe | None = None,
    ) -> Tensor:
        """Run whole sequences at once, with gradients: for training.

        Args:
            embeddings: ``[B, T, D]`` of text, ``[Ptts]`` and frames, in any layout.
            positions: Where each stands in a row, ``[T]``.
            mask: Bool ``[B, T, T]`` (True = visible), at least one True per row.
            probe: As :meth:`DecoderStack.forward_dense`.

        Returns:
            Hidden states after the final norm ``[B, T, D]``.
        """
        rotary = self._rotary_to(self.row_capacity, embeddings.device)
        return self.model.forward_dense(
            embeddings, rotary, positions=positions, mask=mask, probe=probe
        )

    def logits(self, hidden: Tensor) -> Tensor:
        """Logits ``[B, 4, n_codes]`` of hidden states ``[B, D]``."""
        matrix = self._head_matrix if self._head_matrix is not None else self._join_heads()
        return F.linear(hidden, matrix).view(hidden.shape[0], self.config.num_vq, -1)

    def _join_heads(self) -> Tensor:
        return stack_rows(*(head.matrix() for head in self.head_code))

    def _start_embedding(self) -> Tensor:
        start = self.config.audio_bos_token_id
        return self.emb_text.weight[start : start + 1]

    def _embed_steps(self, steps: Sequence[SpeechStep]) -> Tensor:
        frames = [step.codes for step in steps if step.codes is not None]
        if not frames:
            return self._start_embedding().expand(len(steps), -1)
        embedded = self.embed_frames(torch.stack(frames))
        if len(frames) == len(steps):
            return embedded
        rest = iter(embedded)
        start = self._start_embedding()[0]
        return torch.stack([start if step.codes is None else next(rest) for step in steps])

    def _reserve(self, pool: KVCachePool, row: int, count: int, *, starts: bool) -> int:
        """The row's next position, after checking that ``count`` positions may be put there."""
        position = pool.lengths[row]
        if position < self.mask.start_position or starts != (position == self.mask.start_position):
            wanted = "[Ptts] starts" if starts else "a frame continues"
            raise ValueError(f"{wanted} the audio of a row, but row {row} holds {position}")
        if position + count > pool.capacity:
            raise RowFullError(
                f"row {row} holds {position} of {pool.capacity} positions; {count} more do not fit"
            )
        return position

    def _run(
        self,
        embeddings: Tensor,
        pool: KVCachePool,
        segments: Sequence[Segment],
        positions: Tensor,
        masks: Masks | None = None,
    ) -> Tensor:
        """Run the stack on rows whose storage is not in order of time; lengths stay."""
        return self.model(
            embeddings,
            pool,
            segments,
            self._rotary_for(pool),
            masks,
            positions=positions.to(embeddings.device),
            advance=False,
        )

    def _rotary_for(self, pool: KVCachePool) -> RotaryTable:
        return self._rotary_to(pool.capacity, pool.keys.device)

    def _rotary_to(self, n_positions: int, device: torch.device) -> RotaryTable:
        table = self._rotary
        if table is None or table.cos.device != device or table.cos.shape[0] < n_positions:
            table = self._rotary = RotaryTable(
                head_dim=self.model.head_dim,
                theta=self.config.rope_theta,
                n_positions=n_positions,
                device=device,
            )
        return table
