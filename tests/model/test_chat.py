"""Offline answers: batches equal single conversations, media go where they belong."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch

from model.audio_features import token_count
from model.beam_search import BeamSettings
from model.chat import (
    ChatAudio,
    ChatImage,
    ChatMessage,
    ChatOptions,
    PreparedChat,
    answer_chats,
    prepare_chats,
)
from model.config import SAMPLE_RATE_HZ
from model.loading import load_checkpoint
from model.omni import OmniModel
from model.sampling import GREEDY, SamplingSettings
from model.text_generation import FinishReason, GenerationSettings
from tests.model.tiny_models import TOKENIZER_FOLDER

pytestmark = pytest.mark.unit

GREEDY_TEN = GenerationSettings(max_tokens=10, sampling=GREEDY)


@cache
def checkpoint() -> OmniModel:
    return load_checkpoint(TOKENIZER_FOLDER, "cpu", "float32")


def picture(width: int, height: int, seed: int = 0) -> ChatImage:
    random = np.random.default_rng(seed)
    return ChatImage(random.integers(0, 255, (height, width, 3), dtype=np.uint8))


def clip(seconds: float, seed: int = 0) -> ChatAudio:
    n_samples = int(seconds * SAMPLE_RATE_HZ)
    random = np.random.default_rng(seed)
    return ChatAudio((0.1 * random.standard_normal(n_samples)).astype(np.float32))


def said(*content: object, role: str = "user") -> ChatMessage:
    return ChatMessage(role, tuple(content))


CONVERSATIONS = [
    [said("What is this?", picture(90, 130))],
    [said("hi"), said("Hello!", role="assistant"), said(clip(0.9), "and?")],
    [said(picture(800, 400, 1), clip(1.3, 1), clip(0.7, 2))],
]


@torch.inference_mode()
def prepared(options: ChatOptions | None = None) -> list[PreparedChat]:
    return prepare_chats(checkpoint(), CONVERSATIONS, options)


@torch.inference_mode()
def test_conversations_prepared_together_equal_each_alone() -> None:
    for messages, together in zip(CONVERSATIONS, prepared(), strict=True):
        [alone] = prepare_chats(checkpoint(), [messages])
        assert alone.prompt == together.prompt
        assert alone.slice_sizes == together.slice_sizes
        torch.testing.assert_close(alone.embeddings, together.embeddings, atol=2e-5, rtol=0)


@torch.inference_mode()
def test_conversations_answered_together_equal_each_alone() -> None:
    chats = prepared()
    together = answer_chats(checkpoint(), chats, GREEDY_TEN)
    for chat, answer in zip(chats, together, strict=True):
        [alone] = answer_chats(checkpoint(), [chat], GREEDY_TEN)
        assert (alone.ids, alone.text, alone.finish) == (answer.ids, answer.text, answer.finish)


@torch.inference_mode()
def test_a_seed_gives_the_same_answer_in_any_batch() -> None:
    chats = prepared()
    limits = GenerationSettings(max_tokens=8, sampling=SamplingSettings(temperature=1.5))
    seeds = [torch.Generator().manual_seed(seed) for seed in (1, 2, 3)]
    together = answer_chats(checkpoint(), chats, limits, seeds)
    [alone] = answer_chats(checkpoint(), chats[1:2], limits, [torch.Generator().manual_seed(2)])
    assert alone.ids == together[1].ids


@torch.inference_mode()
def test_one_beam_without_penalty_equals_the_greedy_answer_up_to_its_end() -> None:
    chats = prepared()
    beams = BeamSettings(n_beams=1, repetition_penalty=1.0, max_tokens=10)
    for greedy, beam in zip(
        answer_chats(checkpoint(), chats, GREEDY_TEN),
        answer_chats(checkpoint(), chats, beams),
        strict=True,
    ):
        if greedy.finish is FinishReason.LENGTH:
            assert beam.ids == greedy.ids


@torch.inference_mode()
def test_audio_makes_a_conversation_a_spoken_one() -> None:
    spoken = [bool(chat.prompt.speaker_spans) for chat in prepared()]
    assert spoken == [False, True, True]
    assert all(chat.prompt.speaker_spans for chat in prepared(ChatOptions(spoken=True)))
    answers = answer_chats(checkpoint(), prepared(), GREEDY_TEN)
    assert [answer.speaker is not None for answer in answers] == spoken


@torch.inference_mode()
def test_slices_and_image_numbers_follow_the_options() -> None:
    model = checkpoint()
    one = prepared(ChatOptions(max_slices=1, image_ids=False))[2]
    many = prepared(ChatOptions(max_slices=4, image_ids=True))[2]
    assert len(one.prompt.image_spans) == 1 < len(many.prompt.image_spans)
    number = model.tokenizer.id_of("<image_id>")
    assert number not in one.prompt.ids and number in many.prompt.ids


@torch.inference_mode()
def test_pieces_of_a_message_hear_each_other() -> None:
    first, second = clip(1.28, 1), clip(0.64, 2)
    [together] = prepare_chats(checkpoint(), [[said(first, second)]])
    [apart] = prepare_chats(checkpoint(), [[said(first), said(second)]])
    start, stop = together.prompt.audio_spans[-1]
    other_start, other_stop = apart.prompt.audio_spans[-1]
    heard = together.embeddings[start:stop]
    alone = apart.embeddings[other_start:other_stop]
    assert heard.shape == alone.shape
    assert (heard - alone).abs().max() > 1e-3


@torch.inference_mode()
def test_rounding_of_joined_pieces_leaves_no_placeholder_without_a_feature() -> None:
    model = checkpoint()
    pieces = [clip(0.021, 1), clip(0.021, 2), clip(0.021, 3)]
    [each] = {token_count(len(piece.samples), model.config) for piece in pieces}
    joined = sum(len(piece.samples) for piece in pieces)
    assert token_count(joined, model.config) < 3 * each
    [chat] = prepare_chats(model, [[said(*pieces)]])
    assert len(chat.prompt.audio_spans) == 3
    spans = {place for start, stop in chat.prompt.audio_spans for place in range(start, stop)}
    placeholder = model.llm.embed(torch.tensor([model.tokenizer.placeholder]))
    for place in spans:
        assert (chat.embeddings[place] - placeholder).abs().max() > 1e-3


@torch.inference_mode()
def test_a_clip_longer_than_the_encoder_hears_is_encoded_in_parts() -> None:
    model = checkpoint()
    long = clip(31.0)
    [chat] = prepare_chats(model, [[said(long)]], ChatOptions(chunk_audio=False))
    [(start, stop)] = chat.prompt.audio_spans
    assert stop - start == token_count(len(long.samples), model.config)


def test_an_empty_clip_is_refused() -> None:
    with pytest.raises(ValueError, match="not empty"):
        prepare_chats(checkpoint(), [[said(ChatAudio(np.zeros(0, np.float32)))]])
