"""Checkpoints of random weights: complete, reproducible and labelled."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from model.checkpoint_shapes import BENCH_SMALL, POCKET, SHAPES
from model.config import LanguageConfig, OmniConfig
from model.loading import load_checkpoint
from model.prompt import SPEECH_HEADER, TURN_END, Template, encode_prompt
from model.random_checkpoint import write_random_checkpoint
from model.sampling import draw_tokens
from model.text_generation import GenerationSettings, TextGeneration

pytestmark = pytest.mark.unit

SMALL = replace(
    POCKET,
    language=LanguageConfig(
        hidden_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=128,
        vocab_size=512,
    ),
)


def test_a_random_checkpoint_loads_strictly_and_says_it_is_untrained(tmp_path: Path) -> None:
    write_random_checkpoint(tmp_path / "random", SMALL)
    model = load_checkpoint(tmp_path / "random", "cpu", "float32")
    assert model.config.trained is False
    assert model.config.checkpoint_name == "pocket"
    assert model.config.speech.spk_emb_token_id < model.config.speech.num_text_tokens
    assert [path.name for path in tmp_path.iterdir()] == ["random"], "scratch is left behind"


def test_the_same_seed_gives_the_same_weights(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_random_checkpoint(tmp_path / name, SMALL, seed)
    a, b, c = (load_file(tmp_path / name / "model.safetensors") for name in "abc")
    assert all(a[name].equal(b[name]) for name in a)
    assert not a["llm.lm_head.weight"].equal(c["llm.lm_head.weight"])


def test_an_existing_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    target = tmp_path / "random"
    target.mkdir()
    (target / "left-over.txt").write_text("x")
    write_random_checkpoint(target, SMALL)
    assert not (target / "left-over.txt").exists()
    assert OmniConfig.from_folder(target).trained is False


def test_the_bench_shape_is_the_one_the_reference_was_measured_at() -> None:
    language, vision, speech = BENCH_SMALL.language, BENCH_SMALL.vision, BENCH_SMALL.speech
    assert (language.hidden_size, language.num_hidden_layers, language.vocab_size) == (384, 8, 4096)
    assert (vision.hidden_size, vision.num_hidden_layers, vision.patch_size) == (192, 4, 14)
    assert (speech.hidden_size, speech.num_hidden_layers, speech.num_audio_tokens) == (320, 8, 626)
    assert set(SHAPES) == {"pocket", "bench-small"}


@torch.inference_mode()
def test_random_answers_begin_with_a_word_and_come_to_an_end(tmp_path: Path) -> None:
    write_random_checkpoint(tmp_path / "random", POCKET)
    model = load_checkpoint(tmp_path / "random", "cpu", "float32")
    header = encode_prompt([Template(TURN_END + SPEECH_HEADER)], model.tokenizer, model.config)
    lengths = []
    for seed in range(10):
        generator = torch.Generator().manual_seed(seed)
        question = torch.randint(300, 900, (20,), generator=generator)
        prompt = torch.cat([question, torch.tensor(header.ids)])
        state = model.allocate(1, 512)
        hidden = model.prefill([0], [model.llm.embed(prompt)], state)[0]
        logits = model.llm.logits(hidden[-1:])
        answer = TextGeneration(
            model.tokenizer, GenerationSettings(max_tokens=200), generator=generator
        )
        text = ""
        while not answer.done:
            token = draw_tokens(logits, [answer.draw()])[0]
            text += answer.accept(token) or ""
            if not answer.done:
                logits, _ = model.decode_text([0], [token], state)
        assert re.fullmatch("[a-z ]+", text)
        lengths.append(len(answer.ids))
    assert sorted(lengths)[5] < 100, "most answers end by themselves"
