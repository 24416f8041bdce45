"""Dimensions of a checkpoint, read from its ``config.json``.

The published file leaves the sizes of the speech decoder, its codec and the vocoder to class
defaults of the reference; those defaults stand here. A checkpoint of another size states them in
``tts_config``, ``tts_config.dvae_config`` and ``vocos_config``.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

SAMPLE_RATE_HZ = 16_000
"""Sample rate of the audio the model hears."""
SPEECH_SAMPLE_RATE_HZ = 24_000
"""Sample rate of the audio the model speaks."""
UNIT_S = 1.0
"""Length of one unit of input."""
SAMPLES_PER_UNIT = int(SAMPLE_RATE_HZ * UNIT_S)


class ConfigError(ValueError):
    """A checkpoint's ``config.json`` does not describe a model this package can build."""


@dataclass(frozen=True, slots=True)
class LanguageConfig:
    """The Qwen2 backbone (``llm.``)."""

    hidden_size: int = 3584
    num_hidden_layers: int = 28
    num_attention_heads: int = 28
    num_key_value_heads: int = 4
    intermediate_size: int = 18944
    vocab_size: int = 151700
    rope_theta: float = 1_000_000.0
    rms_norm_eps: float = 1e-6
    max_position_embeddings: int = 32768
    tie_word_embeddings: bool = False


@dataclass(frozen=True, slots=True)
class VisionConfig:
    """The SigLIP tower (``vpm.``)."""

    hidden_size: int = 1152
    num_hidden_layers: int = 27
    num_attention_heads: int = 16
    intermediate_size: int = 4304
    patch_size: int = 14
    image_size: int = 980
    layer_norm_eps: float = 1e-6

    @property
    def positions_per_side(self) -> int:
        """Rows (and columns) of the learned position table."""
        return self.image_size // self.patch_size


@dataclass(frozen=True, slots=True)
class AudioConfig:
    """The Whisper encoder (``apm.``)."""

    d_model: int = 1024
    encoder_layers: int = 24
    encoder_attention_heads: int = 16
    encoder_ffn_dim: int = 4096
    num_mel_bins: int = 80
    max_source_positions: int = 1500


@dataclass(frozen=True, slots=True)
class CodecConfig:
    """The DVAE (``tts.dvae.``). Names follow ``tts_config.dvae_config``."""

    dim: int = 512
    hidden: int = 256
    n_layer: int = 12
    bn_dim: int = 128


@dataclass(frozen=True, slots=True)
class VocoderConfig:
    """Vocos (``assets/Vocos.pt``)."""

    dim: int = 512
    intermediate_dim: int = 1536
    num_layers: int = 8


@dataclass(frozen=True, slots=True)
class SpeechConfig:
    """The ChatTTS-style speech decoder (``tts.``)."""

    llm_dim: int = 3584
    hidden_size: int = 768
    intermediate_size: int = 3072
    num_attention_heads: int = 12
    num_hidden_layers: int = 20
    max_position_embeddings: int = 4096
    num_text_tokens: int = 21178
    num_audio_tokens: int = 626
    num_vq: int = 4
    num_mel_bins: int = 100
    spk_emb_token_id: int = 21143
    num_spk_embs: int = 1
    audio_bos_token_id: int = 21132
    text_eos_token_id: int = 21133
    streaming_text_chunk_size: int = 10
    streaming_text_reserved_len: int = 300
    streaming_audio_chunk_size: int = 50
    rope_theta: float = 10_000.0
    rms_norm_eps: float = 1e-6
    vocab_size: int = 32000
    """Rows of the unused ``tts.model.embed_tokens.weight`` that the checkpoint keeps."""
    top_p: float = 0.7
    top_k: int = 20
    repetition_penalty: float = 1.0
    codec: CodecConfig = field(default_factory=CodecConfig)


@dataclass(frozen=True, slots=True)
class OmniConfig:
    """Everything ``config.json`` says that the networks or the prompts depend on."""

    language: LanguageConfig = field(default_factory=LanguageConfig)
    vision: VisionConfig = field(default_factory=VisionConfig)
    audio: AudioConfig = field(default_factory=AudioConfig)
    speech: SpeechConfig = field(default_factory=SpeechConfig)
    vocoder: VocoderConfig = field(default_factory=VocoderConfig)
    query_num: int = 64
    """Vectors (and placeholder tokens) per image slice."""
    image_size: int = 448
    """Slices have about the area of a square with this side, in pixels."""
    patch_size: int = 14
    max_slice_nums: int = 9
    slice_mode: bool = True
    use_image_id: bool = True
    vision_batch_size: int = 16
    audio_pool_step: int = 2
    audio_chunk_length: float = 1.0
    chunk_input: bool = True
    torch_dtype: str = "bfloat16"
    checkpoint_name: str = ""
    """Name a person reads, from ``omnicall_checkpoint.name`` or ``_name_or_path``."""
    trained: bool = True
    """False for a checkpoint of random weights (``omnicall_checkpoint.trained``)."""

    @classmethod
    def from_folder(cls, folder: Path) -> OmniConfig:
        """Read ``config.json`` of a checkpoint folder.

        Raises:
            ConfigError: The file is missing, is not JSON or describes another model.
        """
        path = folder / "config.json"
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ConfigError(
                f"{folder} is not a checkpoint folder: it has no config.json. "
                "Point the checkpoint setting at a folder in the layout of openbmb/MiniCPM-o-2_6."
            ) from None
        except (OSError, ValueError) as error:
            raise ConfigError(f"cannot read {path}: {error}") from error
        return cls.from_dict(raw)

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> OmniConfig:
        """Build from the decoded ``config.json``; keys this package does not use are ignored.

        Raises:
            ConfigError: ``model_type``, ``version`` or an option names another model.
        """
        if raw.get("model_type") != "minicpmo" or float(raw.get("version", 2.6)) != 2.6:
            raise ConfigError(
                f"unsupported model_type {raw.get('model_type')!r} version {raw.get('version')!r}; "
                "this server runs MiniCPM-o 2.6 checkpoints (model_type 'minicpmo', version 2.6)"
            )
        if raw.get("drop_vision_last_layer"):
            raise ConfigError(
                "drop_vision_last_layer is true: the vision tower of such a checkpoint is another "
                "one; the published MiniCPM-o 2.6 has false"
            )
        tts = dict(raw.get("tts_config") or {})
        codec = _pick(CodecConfig, tts.pop("dvae_config", None) or {})
        slicing = raw.get("slice_config") or {}
        label = raw.get("omnicall_checkpoint") or {}
        own = {f.name for f in fields(cls)} & raw.keys()
        return cls(
            language=_pick(LanguageConfig, raw),
            vision=_pick(VisionConfig, raw.get("vision_config") or {}),
            audio=_pick(AudioConfig, raw.get("audio_config") or {}),
            speech=_pick(SpeechConfig, tts, codec=codec),
            vocoder=_pick(VocoderConfig, raw.get("vocos_config") or {}),
            max_slice_nums=int(slicing.get("max_slice_nums", 9)),
            checkpoint_name=str(label.get("name") or raw.get("_name_or_path") or ""),
            trained=bool(label.get("trained", True)),
            **{name: raw[name] for name in own - {"max_slice_nums", "checkpoint_name", "trained"}},
        )

    def to_dict(self) -> dict[str, Any]:
        """The ``config.json`` of this model; ``from_dict`` of it gives an equal object."""
        speech = asdict(self.speech)
        codec = speech.pop("codec")
        return {
            "architectures": ["MiniCPMO"],
            "model_type": "minicpmo",
            "version": 2.6,
            **asdict(self.language),
            "vision_config": asdict(self.vision),
            "audio_config": asdict(self.audio),
            "tts_config": {**speech, "dvae_config": codec},
            "vocos_config": asdict(self.vocoder),
            "query_num": self.query_num,
            "image_size": self.image_size,
            "patch_size": self.patch_size,
            "slice_config": {"max_slice_nums": self.max_slice_nums},
            "slice_mode": self.slice_mode,
            "use_image_id": self.use_image_id,
            "vision_batch_size": self.vision_batch_size,
            "audio_pool_step": self.audio_pool_step,
            "audio_chunk_length": self.audio_chunk_length,
            "chunk_input": self.chunk_input,
            "torch_dtype": self.torch_dtype,
            "omnicall_checkpoint": {"name": self.checkpoint_name, "trained": self.trained},
        }


def _pick(cls: type, raw: dict[str, Any], **more: Any) -> Any:
    """An instance of dataclass ``cls`` from those keys of ``raw`` that it has."""
    names = {f.name for f in fields(cls)} - more.keys()
    return cls(**{name: raw[name] for name in names & raw.keys()}, **more)
