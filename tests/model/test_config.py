"""Reading a checkpoint's config.json."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from model.config import (
    CodecConfig,
    ConfigError,
    OmniConfig,
    VisionConfig,
    VocoderConfig,
)

pytestmark = pytest.mark.unit

GOLDEN = Path(__file__).parents[1] / "golden"
REAL = GOLDEN / "real_config"
MINIMAL = {"model_type": "minicpmo", "version": 2.6}


def test_the_published_config_gives_the_published_sizes() -> None:
    config = OmniConfig.from_folder(REAL)
    language, vision, audio = config.language, config.vision, config.audio
    assert (language.hidden_size, language.num_hidden_layers) == (3584, 28)
    assert (language.num_attention_heads, language.num_key_value_heads) == (28, 4)
    assert (language.vocab_size, language.tie_word_embeddings) == (151700, False)
    assert (vision.hidden_size, vision.num_hidden_layers) == (1152, 27)
    assert vision.positions_per_side == 70
    assert (audio.d_model, audio.encoder_layers, audio.max_source_positions) == (1024, 24, 1500)
    assert (config.speech.llm_dim, config.speech.hidden_size) == (3584, 768)
    assert (config.query_num, config.audio_pool_step, config.max_slice_nums) == (64, 2, 9)
    assert config.speech.codec == CodecConfig()
    assert config.vocoder == VocoderConfig()


def test_sizes_the_published_file_leaves_out_can_be_given() -> None:
    config = OmniConfig.from_folder(GOLDEN)
    raw = json.loads((GOLDEN / "config.json").read_text(encoding="utf-8"))
    assert config.speech.codec == CodecConfig(**raw["tts_config"]["dvae_config"])
    assert config.vocoder == VocoderConfig(**raw["vocos_config"])
    assert config.speech.hidden_size == raw["tts_config"]["hidden_size"]


@pytest.mark.parametrize("folder", [REAL, GOLDEN])
def test_a_config_survives_being_written(folder: Path) -> None:
    config = OmniConfig.from_folder(folder)
    written = json.loads(json.dumps(config.to_dict()))
    assert OmniConfig.from_dict(written) == config


def test_keys_nobody_needs_are_ignored() -> None:
    config = OmniConfig.from_dict({**MINIMAL, "auto_map": {}, "vision_config": {"new": 1}})
    assert config.vision == VisionConfig()


def test_a_checkpoint_can_say_its_name_and_that_it_is_untrained() -> None:
    label = {"omnicall_checkpoint": {"name": "tiny", "trained": False}}
    config = OmniConfig.from_dict({**MINIMAL, **label})
    assert (config.checkpoint_name, config.trained) == ("tiny", False)
    assert OmniConfig.from_dict({**MINIMAL, "_name_or_path": "a/b"}).checkpoint_name == "a/b"


@pytest.mark.parametrize("other", [{"model_type": "llama"}, {**MINIMAL, "version": 4.0}])
def test_another_model_is_refused(other: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="unsupported"):
        OmniConfig.from_dict(other)


def test_a_folder_without_a_config_is_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="MiniCPM-o-2_6"):
        OmniConfig.from_folder(tmp_path)


def test_a_damaged_config_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{", encoding="utf-8")
    with pytest.raises(ConfigError, match="cannot read"):
        OmniConfig.from_folder(tmp_path)
