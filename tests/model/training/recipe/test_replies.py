"""Answers are spoken in every voice, some slowly, and read back as codes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from model.training.batches import SpokenText
from model.training.domain.memory_questions import SLOW_RATE
from model.training.recipe import replies
from model.training.recipe.corpus import question_texts, reply_texts
from model.training.recipe.folders import TRAINING_DIR_VARIABLE
from model.training.recipe.replies import (
    BATCH_SIZE,
    N_STYLES,
    SLOW_EVERY,
    SORTED_OVER,
    SpokenTextBatches,
    StyledReply,
    encode_replies,
    reply_clips,
    reply_waves,
    sentence_requests,
    shares_of,
    spoken_texts,
    spoken_waves,
    style_number,
    styled_replies,
)
from model.training.speech_data.reply_voices import REPLY_VOICES
from server.evaluation.speech_judging import held_out_texts
from tests.model.training.speech_data.toy_speech import toy_clip
from tests.model.training.tiny_training import fresh_model

pytestmark = pytest.mark.unit


def test_a_slow_answer_is_a_style_of_its_own() -> None:
    assert [style_number(voice, rate) for rate in (1.0, SLOW_RATE) for voice in (0, 1)] == [
        0, 1, 2, 3,
    ]  # fmt: skip
    request = StyledReply("Hello.", 3).request
    assert (request.voice, request.rate) == (REPLY_VOICES[1].voice, SLOW_RATE)
    assert StyledReply("Hello.", 0).request.rate == 1.0


def test_every_text_is_said_by_everyone_and_some_of_them_slowly() -> None:
    chosen = styled_replies(2 * SLOW_EVERY)
    n_slow = sum(reply.style >= len(REPLY_VOICES) for reply in chosen)
    assert (len(chosen), n_slow) == (4 * SLOW_EVERY + 4, 4)


def test_questions_and_answers_are_said_by_everyone_and_none_of_the_evaluation() -> None:
    requests = sentence_requests(400)
    assert len(requests) == len(set(requests)) == 2 * 400 * len(REPLY_VOICES)
    texts = {request.text for request in requests}
    assert texts >= set(reply_texts(400)) | set(question_texts(400))
    assert not {request.text for request in sentence_requests()} & set(held_out_texts(30))


@pytest.fixture
def two_replies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[StyledReply]:
    """Two answers whose clips are there."""
    monkeypatch.setenv(TRAINING_DIR_VARIABLE, str(tmp_path))
    chosen = [StyledReply("Ah.", 0), StyledReply("Ah.", 1)]
    monkeypatch.setattr(replies, "styled_replies", lambda: chosen)
    monkeypatch.setattr(replies, "sentence_requests", lambda: [each.request for each in chosen])
    clips = reply_clips()
    for reply in chosen:
        clips.put(reply.request, toy_clip())
    return chosen


def test_waves_are_whole_frames_of_the_clips(two_replies: list[StyledReply]) -> None:
    for data, shape in ((reply_waves(0), (9, 40 * 512)), (spoken_waves(0), (3, 60 * 512))):
        batch = next(iter(data.source(0)))
        assert batch.waves.shape == shape and np.abs(batch.waves).max() > 0.1


def test_codes_are_read_back_as_they_were_made(
    two_replies: list[StyledReply], tmp_path: Path
) -> None:
    encode_replies(fresh_model(), tmp_path / "codes")
    read = spoken_texts(tmp_path / "codes")
    assert [(text.text, text.voice) for text in read] == [("Ah.", 0), ("Ah.", 1)]
    assert read[0].codes.shape == (33, 4)  # 0.7 s of speech and its edges
    assert read[0].char_ends_s is not None and len(read[0].char_ends_s) == 2


def test_batches_are_of_about_one_length_and_the_same_for_the_same_step() -> None:
    rng = np.random.default_rng(0)
    texts = tuple(
        SpokenText("a", np.zeros((int(n), 4), np.int16), 0)
        for n in rng.integers(10, 400, SORTED_OVER * BATCH_SIZE)
    )
    batches = SpokenTextBatches(texts, 3, shares_of(texts, {}))
    group = [batches.batch(step) for step in range(SORTED_OVER)]
    assert group[2] == batches.batch(2)
    lengths = [[len(each.codes) for each in batch.utterances] for batch in group]
    assert sorted(length for batch in lengths for length in batch) == sorted(
        len(text.codes) for text in texts
    )
    assert max(max(batch) - min(batch) for batch in lengths) < 150
    assert N_STYLES == 4


def test_what_calls_say_often_is_drawn_more_often_and_everything_is_drawn() -> None:
    texts = [SpokenText(text, np.zeros((9, 4), np.int16), 0) for text in ("Two.", "Nine.", "Rat.")]
    shares = shares_of(texts, {"Two.": 400, "Nine.": 100, "Elephant.": 9})
    assert shares.sum() == pytest.approx(1) and shares.min() == pytest.approx(0.4 / 3)
    two, nine, rat = shares
    assert (two - rat) == pytest.approx(2 * (nine - rat)), "by the root of how often"
    batches = SpokenTextBatches(
        tuple(texts * BATCH_SIZE * SORTED_OVER), 0, np.tile(shares, 96) / 96
    )
    drawn = [each.text for step in range(60) for each in batches.batch(step).utterances]
    assert drawn.count("Two.") > drawn.count("Nine.") > drawn.count("Rat.") > 100
