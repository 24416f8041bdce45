"""A packed batch of calls gives what the calls give one by one."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from model.omni import OmniModel
from model.training.batches import Call, CallTurn
from model.training.joint_sequence import CallLayout, CallSequence
from model.training.joint_stage import JointStage
from model.training.packed_calls import ROWS_BLOCK, Packing, filled_up, forward_packed, pack
from tests.model.training.call_in_steps import CallInSteps
from tests.model.training.tiny_calls import audio_call, typed_call, video_call
from tests.model.training.tiny_training import fresh_model

pytestmark = pytest.mark.unit

OTHER_TYPED_CALL = replace(typed_call(), turns=(CallTurn("six.", typed="how many?"),))
CALLS = (typed_call(), video_call(), OTHER_TYPED_CALL, audio_call())


def packed(model: OmniModel, calls: tuple[Call, ...]) -> tuple[Packing, Tensor, list[CallSequence]]:
    layout = CallLayout(model.tokenizer, model.config)
    sequences = [layout.lay_out(call) for call in calls]
    packing = pack(sequences)
    return packing, JointStage(model).embed(sequences)[packing.kept], sequences


@torch.no_grad()
def test_hidden_states_of_a_batch_equal_those_of_the_calls() -> None:
    model = fresh_model()
    packing, embeddings, sequences = packed(model, CALLS)
    hidden = forward_packed(model.llm, embeddings, packing, torch.arange(len(embeddings)))
    for where, sequence, call in zip(packing.calls(), sequences, CALLS, strict=True):
        expected = CallInSteps(model).place(call)
        assert len(expected) == len(sequence.ids)
        torch.testing.assert_close(where.whole(hidden), expected, atol=1e-5, rtol=0)


def test_a_prompt_that_calls_share_is_there_once() -> None:
    packing, embeddings, sequences = packed(fresh_model(), CALLS)
    first, heard, second, _ = packing.calls()
    assert packing.n_prompts == 1
    assert first.prompt == second.prompt == (0, sequences[0].shared_length)
    assert heard.prompt == (0, 0), "a prompt that plays a voice is like no other"
    assert len(embeddings) == sum(len(s.ids) for s in sequences) - sequences[0].shared_length


def test_positions_of_a_call_are_found_in_the_batch() -> None:
    packing, _, sequences = packed(fresh_model(), CALLS)
    flat = torch.tensor([index for s in sequences for index in s.ids])[packing.kept]
    for where, sequence in zip(packing.calls(), sequences, strict=True):
        places = [where.place(position) for position in range(len(sequence.ids))]
        assert flat[places].tolist() == sequence.ids
        assert packing.positions[places].tolist() == list(range(len(sequence.ids)))


def test_other_prompts_stay_apart() -> None:
    packing, _, _ = packed(fresh_model(), (typed_call(), replace(typed_call(), mode="omni")))
    first, second = packing.calls()
    assert packing.n_prompts == 2 and first.prompt != second.prompt


def test_only_what_is_wanted_comes_out_with_the_same_gradient() -> None:
    model = fresh_model().requires_grad_(True)
    gradients = []
    for pick_first in (True, False):
        packing, embeddings, _ = packed(model, CALLS)
        wanted = torch.tensor([4, 17, 30])
        if pick_first:
            hidden = forward_packed(model.llm, embeddings, packing, wanted)
        else:
            everything = torch.arange(len(embeddings))
            hidden = forward_packed(model.llm, embeddings, packing, everything)[wanted]
        assert hidden.shape == (3, embeddings.shape[1])
        model.zero_grad()
        hidden.square().sum().backward()
        named = model.llm.model.named_parameters()
        gradients.append({n: p.grad.clone() for n, p in named if p.grad is not None})
    assert gradients[0].keys() == gradients[1].keys() and len(gradients[0]) > 20
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradient, gradients[1][name], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("count", [1, ROWS_BLOCK - 1, ROWS_BLOCK, ROWS_BLOCK + 1])
def test_rows_are_filled_up_with_idle_ones(count: int) -> None:
    rows = torch.ones(count, 3)
    filled = filled_up(rows)
    assert len(filled) % ROWS_BLOCK == 0 and len(filled) - count < ROWS_BLOCK
    assert torch.equal(filled[:count], rows) and not filled[count:].any()
