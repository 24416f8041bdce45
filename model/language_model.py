"""The language model: a Qwen2 decoder over packed rows."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.config import LanguageConfig
from model.decoder_layers import DecoderStack, fuse_linear
from model.rotary import RotaryTable
from model.state import KVCachePool, Segment


class TiedHead(nn.Module):
    """Output projection that is the embedding table; it owns no parameter of its own."""

    def __init__(self, embedding: nn.Embedding) -> None:
        super().__init__()
        # In a tuple, so that the table stays one parameter under one checkpoint name.
        self._owner = (embedding,)

    @property
    def weight(self) -> Tensor:
        """The embedding table ``[vocab, hidden]``."""
        return self._owner[0].weight

    def forward(self, x: Tensor) -> Tensor:
        """Scores ``[N, vocab]`` of ``x`` ``[N, hidden]``."""
        return F.linear(x, self.weight)


class LanguageModel(nn.Module):
    """Qwen2 that appends packed runs of positions to the rows of a cache pool.

    Attribute names are checkpoint keys (prefix ``llm.``).

    Source: openbmb/MiniCPM-o-2_6, whose language model is its framework's Qwen2ForCausalLM.
    Differs: rows of a preallocated pool instead of a cache object; no padding anywhere.
    """

    def __init__(self, config: LanguageConfig) -> None:
        super().__init__()
        self.config = config
        self.model = DecoderStack(
            vocab_size=config.vocab_size,
            hidden=config.hidden_size,
            n_layers=config.num_hidden_layers,
            n_heads=config.num_attention_heads,
            n_kv_heads=config.num_key_value_heads,
            intermediate=config.intermediate_size,
            eps=config.rms_norm_eps,
            qkv_bias=True,
        )
        self.lm_head = (
            TiedHead(self.model.embed_tokens)
            if config.tie_word_embeddings
            else nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        )
        self._rotary: RotaryTable | None = None

    def fuse(self) -> None:
        """Join projections that read the same input; call once, after loading weights."""
        self.model.fuse()
        if isinstance(self.lm_head, nn.Linear):
            fuse_linear(self.lm_head)  # alone: for the layout that is quick with few rows

    def allocate(self, n_rows: int, capacity: int) -> KVCachePool:
        """A cache pool for ``n_rows`` sessions of up to ``capacity`` positions each.

        Raises:
            ValueError: ``capacity`` is more than the model was made for.
        """
        limit = self.config.max_position_embeddings
        if not 0 < capacity <= limit:
            raise ValueError(
                f"a context of {capacity} positions is not possible; this model takes 1 to {limit}"
            )
        return self.model.allocate(n_rows, capacity)

    def rotary_for(self, pool: KVCachePool) -> RotaryTable:
        """The rotation tables that reach the pool's capacity, on its device.

        Built once and kept: they depend on the model alone, not on any session.
        """
        return self.rotary_to(pool.capacity, pool.keys.device)

    def rotary_to(self, n_positions: int, device: torch.device) -> RotaryTable:
        """The rotation tables for at least so many positions, on a device."""
        table = self._rotary
        if table is None or table.cos.device != device or table.cos.shape[0] < n_positions:
            table = RotaryTable(
                head_dim=self.model.head_dim,
                theta=self.config.rope_theta,
                n_positions=n_positions,
                device=device,
            )
            self._rotary = table
        return table

    def embed(self, ids: Tensor) -> Tensor:
        """Embeddings ``[N, hidden]`` of token ids ``[N]``."""
        return self.model.embed_tokens(ids)

    def forward(self, embeddings: Tensor, pool: KVCachePool, segments: Sequence[Segment]) -> Tensor:
        """Append new positions to their rows.

        Args:
            embeddings: Packed ``[N, hidden]``, N the sum of the segments' counts.
            pool: Caches of :meth:`allocate`; keys, values and lengths advance in place.
            segments: Where each run of positions belongs, in the order of ``embeddings``.

        Returns:
            Hidden states after the final norm ``[N, hidden]``.
        """
        return self.model(embeddings, pool, segments, self.rotary_for(pool))

    def logits(self, hidden: Tensor) -> Tensor:
        """Scores ``[N, vocab]``, float32, of the token after each hidden state ``[N, hidden]``."""
        return self.lm_head(hidden).float()

    def evict(self, pool: KVCachePool, row: int, start: int, stop: int) -> None:
        """Forget positions ``start .. stop`` of a row; later ones move down and are re-rotated."""
        pool.evict(row, start, stop, self.rotary_for(pool))

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.lm_head.weight.device
