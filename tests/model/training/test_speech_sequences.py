"""The training path of the speech decoder is its path in a call."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from model.speech.speech_decoder import SpeechStep, TextPrefill
from model.training.batches import IGNORED, SpokenText
from model.training.speech_sequences import (
    BLOCK,
    FRAMES_PER_S,
    SpeechSequences,
    accuracy,
    code_loss,
    corrupt,
    guidance_loss,
    lay_out,
    run,
)
from tests.model.training.tiny_training import fresh_model

pytestmark = pytest.mark.unit

MODEL = fresh_model()
CONFIG = MODEL.config.speech
TOKENIZER = MODEL.speech_tokenizer
LONG = "the cup on the left is red and the small one behind it is green, and that is all."


def utterance(text: str, n_frames: int, seed: int = 0, timed: bool = False) -> SpokenText:
    codes = np.random.default_rng(seed).integers(0, 625, (n_frames, 4)).astype(np.int16)
    ends = np.linspace(0.05, n_frames / FRAMES_PER_S, len(text)).astype(np.float32)
    return SpokenText(text, codes, voice=seed, char_ends_s=ends if timed else None)


def layout(*utterances: SpokenText, streaming: bool = True) -> SpeechSequences:
    return lay_out(utterances, TOKENIZER, CONFIG, [streaming] * len(utterances))


def speakers(count: int) -> torch.Tensor:
    noise = torch.randn(count, CONFIG.hidden_size, generator=torch.Generator().manual_seed(5))
    return F.normalize(noise, dim=-1)


@torch.no_grad()
def logits_of_a_call(spoken: SpokenText, speaker: torch.Tensor) -> torch.Tensor:
    """``[S, 4, V]``: text ahead of need, then frame by frame through the cache."""
    decoder = MODEL.tts
    pool = decoder.allocate(1)
    decoder.begin(pool, 0)
    one = layout(spoken)
    ids = one.text_ids[0].tolist()
    decoder.prefill_text([TextPrefill(0, 0, ids, speaker)], pool)
    frames = [None, *torch.from_numpy(spoken.codes.astype(np.int64))]
    steps = [SpeechStep(0, frame, len(ids) - 3) for frame in frames]
    return torch.cat([decoder.step([step], pool) for step in steps])


def test_a_padded_batch_equals_each_call_alone() -> None:
    batch = [utterance(LONG, 120), utterance("yes.", 30, seed=1), utterance(LONG[:40], 55, seed=2)]
    voices = speakers(3)
    with torch.no_grad():
        logits, _ = run(MODEL.tts, layout(*batch), voices, None)
    for row, spoken in enumerate(batch):
        expected = logits_of_a_call(spoken, voices[row])
        ours = logits[row, : len(expected)]
        torch.testing.assert_close(ours, expected, atol=1e-5, rtol=0)


def test_without_streaming_the_first_frame_sees_all_text() -> None:
    spoken = utterance(LONG, 20)
    streaming, whole = layout(spoken), layout(spoken, streaming=False)
    n_condition = streaming.condition_length
    first = n_condition
    assert streaming.visible[0, first, :n_condition].sum() == CONFIG.streaming_text_chunk_size + 2
    assert whole.visible[0, first, :n_condition].all()
    assert not streaming.visible[0, :, first].any(), "[Ptts] is hidden from all"


def test_targets_are_the_codes_and_then_the_end() -> None:
    short, long = utterance("no.", 5), utterance("yes.", 8, seed=1)
    laid_out = layout(short, long)
    targets = laid_out.targets
    ending = CONFIG.num_audio_tokens - 1
    assert targets.shape == (2, laid_out.frames.shape[1] + 1, 4)
    assert laid_out.visible.shape[1] % BLOCK == 0
    assert torch.equal(targets[0, :5], torch.from_numpy(short.codes.astype(np.int64)))
    assert (targets[0, 5] == ending).all() and (targets[0, 6:] == IGNORED).all()
    assert (targets[1, 8] == ending).all() and (targets[1, 9:] == IGNORED).all()


def test_the_spoken_token_walks_through_the_text() -> None:
    laid_out = layout(utterance(LONG, 150, timed=True))
    spoken = laid_out.spoken[0]
    known = spoken[spoken != IGNORED]
    assert len(known) > 30 and torch.all(known.diff() >= 0)
    assert known[0] <= 3 and known[-1] < laid_out.condition_length
    steps = torch.arange(len(spoken))[spoken != IGNORED]
    seen = laid_out.visible[0, laid_out.condition_length + steps, known]
    assert seen.all(), "guided only to what can be seen"
    assert (layout(utterance("no.", 5)).spoken == IGNORED).all()


def test_guidance_is_low_where_attention_is_right() -> None:
    spoken = torch.tensor([[1, 4, IGNORED]])
    right = torch.full((1, 3, 6), -20.0)
    right[0, 0, 2] = right[0, 1, 4] = 0.0
    assert float(guidance_loss(right, spoken)) < 1e-3
    assert float(guidance_loss(right.flip(2), spoken)) > 5
    assert float(guidance_loss(right, torch.full((1, 3), IGNORED))) == 0


def test_padding_takes_no_part_in_the_loss() -> None:
    one = utterance("yes.", 6)
    with torch.no_grad():
        alone, _ = run(MODEL.tts, layout(one), speakers(1), None)
        padded = layout(one, utterance("no.", 40, seed=1))
        logits, _ = run(MODEL.tts, padded, speakers(2), None)
    ours = code_loss(logits[:1], padded.targets[:1])
    torch.testing.assert_close(ours, code_loss(alone, layout(one).targets))
    assert 0 <= float(accuracy(logits, padded.targets)) <= 1


def test_some_of_the_history_is_replaced_and_never_by_the_end() -> None:
    torch.manual_seed(0)
    frames = torch.zeros(40, 50, 4, dtype=torch.int64)
    noisy = corrupt(frames, 625, 0.8)
    share = (noisy != frames).any(-1).float().mean(1)
    assert 0.3 < float(share.mean()) < 0.5 and float(share.max()) < 0.95
    assert int(noisy.max()) < 625
    assert torch.equal(corrupt(frames, 625, 0.0), frames)


@pytest.mark.parametrize(
    ("spoken", "match"),
    [
        (utterance("word " * 400, 5), "tokens"),
        (utterance(" ", 5), "0 tokens"),
        (replace(utterance("yes.", 5), codes=np.zeros((5, 3), np.int16)), "codes are"),
        (replace(utterance("yes.", 5), codes=np.full((5, 4), 625, np.int16)), "625"),
        (replace(utterance("yes.", 5), char_ends_s=np.zeros(2, np.float32)), "per character"),
    ],
)
def test_what_no_call_could_say_is_refused(spoken: SpokenText, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        layout(spoken)
