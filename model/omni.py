"""MiniCPM-o 2.6 composed: the networks, their state, and one batched function per stage.

Every stage takes the work of several sessions at once and touches only the rows it is given.
Attribute names of the networks are the checkpoint's prefixes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from model.audio_encoder import AudioEncoder, AudioProjection
from model.audio_features import log_mel
from model.config import OmniConfig
from model.image_slicing import ImageSlice, Size
from model.language_model import LanguageModel
from model.prompt import Prompt
from model.quirks import PRODUCT, ReferenceQuirks
from model.resampler import Resampler
from model.speech.speech_decoder import SpeechDecoder
from model.speech.text import SpeechTokenizer
from model.speech.vocoder import Vocoder, vocode
from model.state import KVCachePool
from model.tokenizer import TextTokenizer
from model.vision_encoder import VisionEncoder

FFN_PER_HIDDEN = 4
"""The audio projection reads the encoder's feed-forward width divided by this."""


@dataclass(slots=True)
class OmniState:
    """The caches of all sessions: a session is one row in each pool."""

    language: KVCachePool
    """Keys and values of the language model."""
    audio: KVCachePool
    """Keys and values of the audio encoder; at most 30 s of the current turn."""
    speech: KVCachePool
    """Keys and values of the speech decoder; one segment of one response."""


@dataclass(frozen=True, slots=True)
class AudioClip:
    """Audio of one session that continues what its audio row holds."""

    row: int
    samples: Tensor
    """Float32 ``[n]`` at 16 kHz, in -1 .. 1."""


class OmniModel(nn.Module):
    """The six networks of the checkpoint, the vocoder and both tokenizers.

    Source: openbmb/MiniCPM-o-2_6, modeling_minicpmo.py::MiniCPMO.
    Differs: caches are arguments; every stage is batched over sessions; no generation loop here.
    """

    def __init__(
        self,
        config: OmniConfig,
        tokenizer: TextTokenizer,
        speech_tokenizer: SpeechTokenizer,
        quirks: ReferenceQuirks = PRODUCT,
    ) -> None:
        super().__init__()
        self.config = config
        self.tokenizer = tokenizer
        self.speech_tokenizer = speech_tokenizer
        self.quirks = quirks
        width = config.language.hidden_size
        self.llm = LanguageModel(config.language)  # language model
        self.vpm = VisionEncoder(  # vision tower
            config.vision, batch_size=config.vision_batch_size
        )
        self.resampler = Resampler(
            n_queries=config.query_num, vision_size=config.vision.hidden_size, size=width
        )
        self.apm = AudioEncoder(config.audio)  # audio encoder
        self.audio_projection_layer = AudioProjection(
            config.audio.encoder_ffn_dim // FFN_PER_HIDDEN, width, config.audio_pool_step
        )
        self.tts = SpeechDecoder(config.speech)  # speech decoder and its codec
        self.vocoder = Vocoder(config.vocoder)

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        return self.llm.lm_head.weight.device

    @property
    def dtype(self) -> torch.dtype:
        """Arithmetic of the networks; the vocoder is always float32."""
        return self.llm.lm_head.weight.dtype

    def fuse(self) -> None:
        """Join projections that read the same input; call once, after loading weights."""
        for network in (self.llm, self.vpm, self.resampler, self.apm, self.tts):
            network.fuse()

    def allocate(self, n_rows: int, context_tokens: int) -> OmniState:
        """Caches for ``n_rows`` sessions that remember up to ``context_tokens`` positions."""
        return OmniState(
            language=self.llm.allocate(n_rows, context_tokens),
            audio=self.apm.allocate(n_rows),
            speech=self.tts.allocate(n_rows),
        )

    # --- stage: encode images

    def encode_images(self, slices: Sequence[ImageSlice]) -> list[Tensor]:
        """Encode image slices of any sessions.

        Slices of one size go together, so that none is padded to another's length.

        Returns:
            One ``[query_num, E]`` per slice, in order.
        """
        encoded: dict[int, Tensor] = {}
        by_size: dict[Size, list[int]] = {}
        for index, image_slice in enumerate(slices):
            by_size.setdefault(image_slice.size, []).append(index)
        for size, indices in by_size.items():
            features, _ = self.vpm([slices[index] for index in indices])
            queries = self.resampler(features, [size] * len(indices))
            encoded.update(zip(indices, queries, strict=True))
        return [encoded[index] for index in range(len(slices))]

    # --- stage: encode audio

    def encode_audio(self, clips: Sequence[AudioClip], state: OmniState) -> list[Tensor]:
        """Encode audio that continues each row's audio context.

        Returns:
            One ``[n_tokens, E]`` per clip, in order; 25 tokens for a full unit.
        """
        mels = [log_mel(clip.samples).to(self.device, self.dtype) for clip in clips]
        hidden = self.apm.encode_units(mels, [clip.row for clip in clips], state.audio)
        return self.audio_projection_layer(hidden)

    # --- stage: prefill

    def embed(
        self, prompt: Prompt, images: Sequence[Tensor] = (), audio: Sequence[Tensor] = ()
    ) -> Tensor:
        """Embeddings ``[n, E]`` of a prompt with its features in place of the placeholders.

        Args:
            prompt: Token ids and the spans of image slices and audio blocks.
            images: One ``[query_num, E]`` per image span.
            audio: Features dealt out to the audio spans one after another; their lengths must add
                up to the spans' lengths.
        """
        ids = torch.tensor(prompt.ids, device=self.device)
        embeddings = self.llm.embed(ids)
        for (start, stop), features in zip(prompt.image_spans, images, strict=True):
            embeddings[start:stop] = features
        if prompt.audio_spans:
            dealt = torch.cat(list(audio))
            expected = sum(stop - start for start, stop in prompt.audio_spans)
            if dealt.shape[0] != expected:
                raise ValueError(f"{dealt.shape[0]} audio features for {expected} placeholders")
            taken = 0
            for start, stop in prompt.audio_spans:
                embeddings[start:stop] = dealt[taken : taken + stop - start]
                taken += stop - start
        return embeddings

    def prefill(
        self, rows: Sequence[int], embeddings: Sequence[Tensor], state: OmniState
    ) -> list[Tensor]:
        """Append prompts of any lengths to their rows, as one packed batch.

        Returns:
            Hidden states after the final norm, ``[n_i, E]`` per row, in order.

        Raises:
            RowFullError: A prompt does not fit its row; nothing was changed.
        """
        counts = [part.shape[0] for part in embeddings]
        segments = state.language.segments(rows, counts)
        hidden = self.llm(torch.cat(list(embeddings)), state.language, segments)
        return list(hidden.split(counts))

    # --- stage: decode text

    def decode_text(
        self, rows: Sequence[int], ids: Sequence[int], state: OmniState
    ) -> tuple[Tensor, Tensor]:
        """Append one token to each row.

        Returns:
            Logits ``[B, vocab]`` for the next token and hidden states ``[B, E]``.
        """
        embeddings = self.llm.embed(torch.tensor(ids, device=self.device))
        segments = state.language.segments(rows, [1] * len(rows))
        hidden = self.llm(embeddings, state.language, segments)
        return self.llm.logits(hidden), hidden

    # --- stage: vocode

    def vocode(self, windows: Sequence[Tensor]) -> list[Tensor]:
        """Waveforms of code windows.

        Windows of equal length are decoded together; the codec's receptive field reaches past a
        window, so windows are never padded to a common length.

        Args:
            windows: Codes ``[T_i, 4]``.

        Returns:
            Float32 ``[512 * T_i]`` per window, at 24 kHz, in order.
        """
        return vocode([window.to(self.device) for window in windows], self.tts.dvae, self.vocoder)
