"""The joint stage sees what a call sees, and learns all of it at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from model.training.batches import CallBatch, CallUnit
from model.training.dense_audio import encode_contexts, unit_mel
from model.training.joint_sequence import CallLayout
from model.training.joint_stage import JointSettings, JointStage
from model.training.typed_twins import typed_twin
from tests.model.training.call_in_steps import CallInSteps
from tests.model.training.tiny_calls import audio_call, typed_call, video_call
from tests.model.training.tiny_training import first_loss, fresh_model, train

pytestmark = pytest.mark.unit

CALLS = (video_call(), audio_call(), typed_call())


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
    assert set(losses) == {"loss", "text", "text_accuracy", "asked"}


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


def test_what_was_heard_and_is_repeated_is_listened_for() -> None:
    call = audio_call()
    reply = "hello."
    edges = np.linspace(0, 0.4, len(reply) + 1, dtype=np.float32)
    times_s = np.stack([edges[:-1], edges[1:]], axis=1)
    turn = replace(call.turns[0], spoken="hello", heard_s=times_s)
    stage = JointStage(fresh_model())
    losses = stage.losses(CallBatch((replace(call, turns=(turn,)),)))
    assert losses["listening"].item() > 0
    assert "listening" not in stage.losses(CallBatch((call,)))


def test_what_is_heard_is_drawn_to_what_is_read_once_that_is_right(tmp_path: Path) -> None:
    call = audio_call()
    spoken = replace(call, turns=(replace(call.turns[0], spoken="hello"),))
    read = typed_twin(spoken)
    assert read is not None
    model = fresh_model()
    stage = JointStage(model, settings=JointSettings(speech_weight=0.0))
    assert "twin" not in stage.losses(CallBatch((spoken,))), "a new model knows nothing"
    train(stage, [CallBatch((read,))], tmp_path, 25, learning_rate=3e-3)
    losses = stage.losses(CallBatch((typed_call(), spoken)))
    assert float(losses["twin"].detach()) > 0
    assert "twin" not in stage.losses(CallBatch((typed_call(), call))), "its words are unknown"
    without = JointStage(model, settings=JointSettings(twin_weight=0.0, word_twin_weight=0.0))
    assert "twin" not in without.losses(CallBatch((spoken,)))


def test_words_are_drawn_to_what_they_are_where_they_are_read() -> None:
    call = audio_call()
    times_s = np.linspace(0.1, 0.5, 6, dtype=np.float32)
    heard_s = np.stack([times_s[:-1], times_s[1:]], axis=1)
    spoken = replace(call, turns=(replace(call.turns[0], spoken="hello", heard_s=heard_s),))
    model = fresh_model()
    stage = JointStage(model, settings=JointSettings(speech_weight=0.0))
    losses = stage.losses(CallBatch((typed_call(), spoken)))
    assert 0 < float(losses["word_twin"].detach()) < 2
    unknown = replace(call, turns=(replace(call.turns[0], spoken="hello"),))
    assert "word_twin" not in stage.losses(CallBatch((unknown,))), "nobody knows when it is said"
    heavy = JointSettings(speech_weight=0.0, word_twin_weight=2.0)
    more = JointStage(model, settings=heavy).losses(CallBatch((typed_call(), spoken)))
    difference = float(more["loss"].detach() - losses["loss"].detach())
    assert difference == pytest.approx(float(losses["word_twin"].detach()), rel=0.01)


@torch.no_grad()
def test_sound_that_was_encoded_before_is_the_same() -> None:
    model, call = fresh_model(), audio_call()
    stage = JointStage(model)
    samples = call.turns[0].units[0].samples
    assert samples is not None
    frames = encode_contexts(model.apm, [[unit_mel(samples, model.device)]])[0]
    vectors = model.audio_projection_layer(frames)[0].numpy()
    turn = replace(call.turns[0], units=(CallUnit(audio_vectors=vectors),))
    layout = CallLayout(model.tokenizer, model.config)
    live, before = (layout.lay_out(each) for each in (call, replace(call, turns=(turn,))))
    assert live.ids == before.ids
    assert torch.allclose(stage.embed([live]), stage.embed([before]), atol=1e-5)
    mixed = replace(call, turns=(turn, *call.turns))
    with pytest.raises(ValueError, match="as samples and some as vectors"):
        layout.lay_out(mixed)


def test_a_voice_is_learnt_without_codes() -> None:
    call = audio_call()
    turn = replace(call.turns[0], codes=None, voice=0)
    stage = JointStage(fresh_model(), torch.eye(2, 64))
    losses = stage.losses(CallBatch((replace(call, turns=(turn,)),)))
    assert "codes" not in losses and 0 <= losses["voice"].item() <= 2


def test_frozen_networks_bring_nothing_to_a_merge() -> None:
    stage = JointStage(fresh_model(), trains=lambda name: name.startswith("llm."))
    assert stage.prefixes == ("llm.",)


def test_what_the_caller_types_is_learnt_from_beside_the_answers() -> None:
    model = fresh_model()
    alone = JointStage(model, settings=JointSettings(asked_weight=0.0))
    with_words = JointStage(model, settings=JointSettings(asked_weight=0.5))
    batch = CallBatch((typed_call(), audio_call()))
    torch.manual_seed(0)
    plain = alone.losses(batch)
    torch.manual_seed(0)
    taught = with_words.losses(batch)
    assert taught["text"] == plain["text"]
    difference = (taught["loss"] - plain["loss"]).item()
    assert difference == pytest.approx(0.5 * taught["asked"].item(), rel=1e-4)
    assert "asked" not in alone.losses(CallBatch((audio_call(),)))
