"""The joint stage sees what a call sees, and learns all of it at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from model.dialogue import Dialogue
from model.image_slicing import slice_image
from model.omni import AudioClip, OmniModel
from model.prompt import UNIT, AudioItem, ContentItem, ImageItem, encode_prompt, system_prompt
from model.training.batches import Call, CallBatch, CallTurn
from model.training.joint_sequence import CallLayout, Guide
from model.training.joint_stage import (
    LISTENING_HEAD,
    JointSettings,
    JointStage,
    listening_loss,
)
from tests.model.training.tiny_calls import audio_call, typed_call, video_call
from tests.model.training.tiny_training import first_loss, fresh_model, train

pytestmark = pytest.mark.unit

CALLS = (video_call(), audio_call(), typed_call())


class CallInSteps:
    """A call through the caches, message by message, as the engine does it."""

    def __init__(self, model: OmniModel) -> None:
        self.model = model
        self.state = model.allocate(1, 512)
        self.dialogue = Dialogue()
        self.hidden: list[Tensor] = []

    def feed(self, step_items: object, images: list[Tensor], audio: list[Tensor]) -> None:
        prompt = encode_prompt(step_items, self.model.tokenizer, self.model.config)  # type: ignore[arg-type]
        embeddings = self.model.embed(prompt, images, audio)
        self.hidden += self.model.prefill([0], [embeddings], self.state)

    def hear(self, samples: object) -> list[Tensor]:
        clip = AudioClip(0, torch.as_tensor(samples))
        return self.model.encode_audio([clip], self.state)

    def place(self, call: Call) -> Tensor:
        """All of a call, its answers as they are given."""
        model = self.model
        self.open(call)
        for turn in call.turns:
            self.ask(call, turn)
            for token in [*model.tokenizer.encode_foreign(turn.reply), model.tokenizer.tts_eos]:
                _, hidden = model.decode_text([0], [token], self.state)
                self.hidden.append(hidden)
            self.dialogue.complete()
        return torch.cat(self.hidden)

    def place_until_answer(self, call: Call) -> list[int]:
        """The first turn of a call, and what the model says to it."""
        model = self.model
        self.open(call)
        self.ask(call, call.turns[0])
        logits = model.llm.logits(self.hidden[-1][-1:])
        said = [int(logits.argmax())]
        while said[-1] not in model.tokenizer.terminators and len(said) < 30:
            logits, _ = model.decode_text([0], said[-1:], self.state)
            said.append(int(logits.argmax()))
        return said

    def open(self, call: Call) -> None:
        voice = None if call.voice_samples is None else AudioItem(len(call.voice_samples))
        step = self.dialogue.prefill("user", system_prompt(call.mode, "en", voice))
        heard = [] if call.voice_samples is None else self.hear(call.voice_samples)
        self.feed(step.items, [], heard)
        self.state.audio.clear(0)

    def ask(self, call: Call, turn: CallTurn) -> None:
        model = self.model
        for unit in turn.units:
            items: list[ContentItem] = [UNIT] if call.mode == "omni" else []
            images, audio = [], []
            if unit.image is not None:
                sliced = slice_image(unit.image, model.config, 1)
                images = model.encode_images(sliced.slices)
                items.append(ImageItem(sliced.grid))
            if unit.samples is not None:
                audio = self.hear(unit.samples)
                items.append(AudioItem(len(unit.samples)))
            self.feed(self.dialogue.prefill("user", items).items, images, audio)
        if turn.typed:
            self.feed(self.dialogue.prefill("user", [turn.typed]).items, [], [])
        self.feed(self.dialogue.respond().items, [], [])
        self.state.audio.clear(0)


@torch.no_grad()
def test_hidden_states_of_a_batch_equal_those_of_the_calls() -> None:
    model = fresh_model()
    stage = JointStage(model)
    layout = CallLayout(model.tokenizer, model.config)
    sequences = [layout.lay_out(call) for call in CALLS]
    dense = model.llm.forward_dense(stage.embed(sequences))
    for row, call in enumerate(CALLS):
        expected = CallInSteps(model).place(call)
        assert len(expected) == len(sequences[row].ids)
        torch.testing.assert_close(dense[row, : len(expected)], expected, atol=1e-5, rtol=0)


def test_it_overfits_a_batch(tmp_path: Path) -> None:
    model = fresh_model()
    voices = torch.nn.init.orthogonal_(torch.empty(2, model.config.speech.hidden_size))
    settings = JointSettings(corrupted=0.0, audio_gradient=1.0)
    stage = JointStage(model, voices, settings)
    summary = train(stage, [CallBatch(CALLS)], tmp_path, 30, learning_rate=3e-3)
    assert summary.losses["text"] < first_loss(tmp_path, "text") / 5
    assert summary.losses["codes"] < first_loss(tmp_path, "codes") / 1.5
    assert summary.losses["voice"] < first_loss(tmp_path, "voice") / 5
    assert summary.losses["voice_accuracy"] == summary.losses["text_accuracy"] == 1.0


def test_every_network_gets_a_gradient_from_a_video_call() -> None:
    model = fresh_model()
    stage = JointStage(model, torch.eye(model.config.speech.hidden_size)[:2])
    stage.losses(CallBatch(CALLS))["loss"].backward()
    idle = [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert idle == []
    frozen = {n.split(".")[0] for n, p in model.named_parameters() if not p.requires_grad}
    assert frozen == {"vocoder", "tts"}


def test_the_audio_encoder_gets_a_share_of_the_gradient() -> None:
    norms = []
    for share in (1.0, 0.1):
        model = fresh_model()
        JointStage(model, settings=JointSettings(audio_gradient=share)).losses(
            CallBatch((typed_call(), video_call()))
        )["text"].backward()
        gradient = model.apm.conv1.weight.grad
        assert gradient is not None
        norms.append(float(gradient.norm()))
    assert norms[1] == pytest.approx(0.1 * norms[0], rel=1e-3)


def test_only_what_the_filter_names_is_trained(tmp_path: Path) -> None:
    model = fresh_model()
    before = {name: p.clone() for name, p in model.named_parameters()}
    stage = JointStage(model, trains=lambda name: "q_proj" in name and name.startswith("llm."))
    train(stage, [CallBatch((typed_call(),))], tmp_path, 2)
    changed = {n for n, p in model.named_parameters() if not torch.equal(p, before[n])}
    weights = {n for n in before if "q_proj" in n and n.startswith("llm.")}
    assert changed == weights
    state = torch.load(tmp_path / "training.pt", weights_only=True)
    assert set(state["trained"]) == weights


def test_typed_calls_alone_have_no_speech_loss() -> None:
    losses = JointStage(fresh_model()).losses(CallBatch((typed_call(),)))
    assert set(losses) == {"loss", "text", "text_accuracy"}


def test_what_was_learned_is_answered_in_a_call(tmp_path: Path) -> None:
    model = fresh_model()
    stage = JointStage(model, settings=JointSettings(speech_weight=0.0))
    batch = CallBatch((video_call(), audio_call()))
    train(stage, [batch], tmp_path, 25, learning_rate=3e-3)
    for call, reply in ((video_call(), "it is red."), (audio_call(), "hello.")):
        with torch.no_grad():
            in_steps = CallInSteps(model)
            said = in_steps.place_until_answer(call)
        assert model.tokenizer.decode(said) == f"{reply}<|tts_eos|><|im_end|>"


def test_the_listening_head_is_drawn_to_the_sound_of_the_word() -> None:
    queries = torch.zeros(1, 4, 6, 8)
    keys = torch.zeros(1, 2, 6, 8)
    guide = (0, Guide(5, (1, 3)))
    even = listening_loss(queries, keys, [guide])
    assert float(even) == pytest.approx(np.log(6 / 2))
    queries[0, LISTENING_HEAD, 5, 0] = keys[0, 0, 1:3, 0] = 5.0
    assert float(listening_loss(queries, keys, [guide])) < 0.01
    later = (0, Guide(2, (1, 3)))
    assert float(listening_loss(torch.zeros_like(queries), keys, [later])) == pytest.approx(
        np.log(3 / 2)
    )


def test_what_was_heard_and_is_repeated_is_listened_for() -> None:
    call = audio_call()
    reply = "hello."
    edges = np.linspace(0, 0.4, len(reply) + 1, dtype=np.float32)
    turn = replace(call.turns[0], heard_s=np.stack([edges[:-1], edges[1:]], axis=1))
    stage = JointStage(fresh_model())
    losses = stage.losses(CallBatch((replace(call, turns=(turn,)),)))
    assert losses["listening"].item() > 0
    assert "listening" not in stage.losses(CallBatch((call,)))


def test_a_voice_is_learnt_without_codes() -> None:
    call = audio_call()
    turn = replace(call.turns[0], codes=None, voice=0)
    stage = JointStage(fresh_model(), torch.eye(2, 64))
    losses = stage.losses(CallBatch((replace(call, turns=(turn,)),)))
    assert "codes" not in losses and 0 <= losses["voice"].item() <= 2


def test_frozen_networks_bring_nothing_to_a_merge() -> None:
    stage = JointStage(fresh_model(), trains=lambda name: name.startswith("llm."))
    assert stage.prefixes == ("llm.",)
