"""Calls laid out for training are what an engine would prefill."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from model.audio_features import token_count
from model.training.batches import IGNORED, Call, CallTurn, CallUnit, SeenWord
from model.training.joint_sequence import HEARD_MARGIN_S, CallLayout, CallSequence
from model.training.typed_twins import typed_twin
from tests.model.training.tiny_calls import audio_call, typed_call, video_call
from tests.model.training.tiny_training import fresh_model

pytestmark = pytest.mark.unit

MODEL = fresh_model()
TOKENIZER, CONFIG = MODEL.tokenizer, MODEL.config


def laid_out(call: Call) -> CallSequence:
    return CallLayout(TOKENIZER, CONFIG).lay_out(call)


def test_a_typed_call_reads_as_the_template_says() -> None:
    sequence = laid_out(typed_call())
    assert TOKENIZER.decode(sequence.ids).startswith(
        "<|im_start|>user\nUse the <reserved_53> voice."
    )
    expected = (
        "<|im_end|>\n<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\n"
        "<|spk_bos|><|spk|><|spk_eos|><|tts_bos|>hi.<|tts_eos|>"
        "<|im_end|>\n<|im_start|>user\n2 + 3?<|im_end|>\n<|im_start|>assistant\n"
        "<|spk_bos|><|spk|><|spk_eos|><|tts_bos|>five.<|tts_eos|>"
    )
    assert TOKENIZER.decode(sequence.ids).endswith(expected)


def test_only_trained_answers_are_targets_each_one_position_early() -> None:
    sequence = laid_out(typed_call())
    assert len(sequence.targets) == len(sequence.ids)
    answer = [t for t in sequence.targets if t != IGNORED]
    assert TOKENIZER.decode(answer) == "five.<|tts_eos|><|im_end|>"
    for position, target in enumerate(sequence.targets[:-1]):
        assert target in (IGNORED, sequence.ids[position + 1])
    first = next(i for i, t in enumerate(sequence.targets) if t != IGNORED)
    assert sequence.ids[first] == TOKENIZER.tts_bos


def test_what_the_caller_types_is_kept_beside_the_targets() -> None:
    sequence = laid_out(typed_call())
    assert len(sequence.asked) == len(sequence.ids)
    for position, following in enumerate(sequence.asked):
        assert following in (IGNORED, *sequence.ids[position + 1 : position + 2])
    words = TOKENIZER.decode([token for token in sequence.asked if token != IGNORED])
    assert "hello" in words and "2 + 3?" in words and "five." not in words
    unforeseen = laid_out(replace(typed_call(), foresees_typed=False))
    assert set(unforeseen.asked) == {IGNORED} and unforeseen.targets == sequence.targets
    heard = laid_out(audio_call())
    assert set(heard.asked) == {IGNORED} and len(heard.asked) == len(heard.ids)


def test_every_placeholder_has_a_feature_coming() -> None:
    sequence = laid_out(video_call())
    spans = [*sequence.image_spans, *sequence.audio_spans]
    covered = {position for start, stop in spans for position in range(start, stop)}
    assert covered == {i for i, t in enumerate(sequence.ids) if t == TOKENIZER.placeholder}
    assert len(sequence.image_spans) == len(sequence.slices) == 3
    lengths = [[len(samples) for samples in context] for context in sequence.contexts]
    assert lengths == [[24_000], [16_000, 5_000], [3_000]]
    n_features = sum(token_count(n, CONFIG) for context in lengths for n in context)
    assert n_features == sum(stop - start for start, stop in sequence.audio_spans)


def test_units_of_video_say_where_they_begin_and_others_do_not() -> None:
    assert laid_out(video_call()).ids.count(TOKENIZER.unit) == 4
    assert laid_out(audio_call()).ids.count(TOKENIZER.unit) == 0


def test_spoken_answers_know_where_their_speaker_is() -> None:
    sequence = laid_out(video_call())
    assert [sequence.ids[place] for place, _ in sequence.speakers] == [TOKENIZER.spk] * 2
    assert {voice for _, voice in sequence.speakers} == {video_call().voice}
    ((index, spoken),) = sequence.replies
    assert index == 0 and spoken.text == "it is red."
    silent = laid_out(replace(video_call(), voice=IGNORED))
    assert silent.replies == silent.speakers == []


def test_a_special_token_typed_by_a_user_is_text() -> None:
    call = Call((CallTurn("no.", typed="<|im_end|>"),))
    assert laid_out(call).ids.count(TOKENIZER.im_end) == 2


@pytest.mark.parametrize(
    "turn", [CallTurn("what?"), CallTurn("what?", units=(CallUnit(),))], ids=["turn", "unit"]
)
def test_nothing_cannot_be_answered(turn: CallTurn) -> None:
    with pytest.raises(ValueError, match=r"neither|no input"):
        laid_out(Call((turn,)))


def test_a_token_is_guided_to_where_its_characters_are_heard() -> None:
    call = audio_call()
    reply = "red dog"
    ends_s = np.array([0.2, 0.4, 0.6, 0.6, 0.9, 1.0, 1.1], dtype=np.float32)
    begins_s = np.array([0.0, 0.2, 0.4, 0.4, 0.8, 0.9, 1.0], dtype=np.float32)
    heard_s = np.stack([begins_s, ends_s], axis=1) / 2
    turn = replace(call.turns[0], reply=reply, spoken=reply, heard_s=heard_s, codes=None)
    sequence = laid_out(replace(call, turns=(turn,)))
    tokens = TOKENIZER.encode_foreign(reply)
    assert len(sequence.guides) == len(tokens)
    places = list(range(*sequence.audio_spans[-1]))  # those before it are the voice's
    for guide, token in zip(sequence.guides, tokens, strict=True):
        assert sequence.targets[guide.position] == token
        assert guide.source[0] in places and guide.source[1] - 1 in places
    starts = [guide.source[0] for guide in sequence.guides]
    assert starts == sorted(starts) and starts[0] == places[0]
    assert laid_out(call).guides == []


def heard_turn(text: str, ends_at_s: float, reply: str = "hello.") -> Call:
    call = audio_call()
    edges = np.linspace(0.04, ends_at_s, len(text) + 1, dtype=np.float32)
    times_s = np.stack([edges[:-1], edges[1:]], axis=1)
    return replace(
        call, turns=(replace(call.turns[0], reply=reply, spoken=text, heard_s=times_s, codes=None),)
    )


@pytest.mark.parametrize("ends_at_s", [0.49, 9.0], ids=["in-time", "cut-off"])
def test_heard_words_have_as_many_places_as_typed_ones(ends_at_s: float) -> None:
    call = heard_turn("red dog", ends_at_s)
    tokens = TOKENIZER.encode_foreign("red dog")
    heard = laid_out(call)
    places = list(range(*heard.audio_spans[-1]))  # those before it are the voice's
    assert len(heard.words) == len(set(heard.words)) == len(tokens)
    assert heard.words == sorted(heard.words) and set(heard.words) <= set(places)
    if ends_at_s < 1:
        assert heard.words[-1] == places[11], "where the last one ends"
    assert [heard.asked[place] for place in heard.words[:-1]] == tokens[1:]
    assert sum(token != IGNORED for token in heard.asked) == len(tokens) - 1

    twin = typed_twin(call)
    assert twin is not None
    read = laid_out(twin)
    assert TOKENIZER.decode([read.ids[place] for place in read.words]).strip() == "red dog"
    assert len(read.words) == len(heard.words)
    assert laid_out(typed_call()).words == laid_out(audio_call()).words == []


def test_an_answer_that_repeats_a_part_of_what_was_said_listens_to_that_part() -> None:
    said = "say red dog now"
    sequence = laid_out(heard_turn(said, 0.55, reply="Red dog."))
    # One per token of the answer, from where its own words are heard.
    assert len(sequence.guides) == len(TOKENIZER.encode_foreign("Red dog."))
    (start, _), last = sequence.audio_spans[-1], sequence.guides[-1]
    begins_s = 0.04 + 4 * (0.51 / len(said)) - HEARD_MARGIN_S
    assert sequence.guides[0].source[0] == start + int(begins_s * 25)
    assert last.source[1] <= start + round((0.04 + 11 * 0.51 / len(said) + HEARD_MARGIN_S) * 25) + 1
    assert laid_out(heard_turn("say reddish now", 0.55, reply="Red.")).guides == []


def test_a_token_is_guided_to_the_vector_that_tells_its_word() -> None:
    call = video_call()
    seen = (SeenWord(4, 7, 2),)
    turn = replace(call.turns[0], reply="no, red!", seen=seen, codes=None)
    sequence = laid_out(replace(call, turns=(turn,)))
    first, _ = sequence.image_spans[-1]
    guided = [sequence.targets[guide.position] for guide in sequence.guides]
    assert "red" in TOKENIZER.decode(guided) and len(guided) <= 4
    assert {guide.source for guide in sequence.guides} == {(first + 2, first + 3)}
    assert laid_out(call).guides == []


def test_a_word_of_a_question_is_guided_to_the_thing_it_names_in_any_picture() -> None:
    call = video_call()
    ago = len(laid_out(call).image_spans) - 1
    turn = CallTurn("no!", typed="Is it red?", asked_about=(SeenWord(6, 9, 1, ago),))
    sequence = laid_out(replace(call, turns=(*call.turns, turn)))
    first, _ = sequence.image_spans[0]
    read = [sequence.ids[guide.position] for guide in sequence.guides]
    assert TOKENIZER.decode(read).strip() == "red"
    assert {guide.source for guide in sequence.guides} == {(first + 1, first + 2)}


def test_vectors_stand_in_for_a_picture() -> None:
    call = video_call()
    vectors = np.zeros((CONFIG.query_num, CONFIG.language.hidden_size), np.float32)
    turns = tuple(
        replace(
            turn,
            units=tuple(
                unit if unit.image is None else replace(unit, image=None, image_vectors=vectors)
                for unit in turn.units
            ),
        )
        for turn in call.turns
    )
    pictured, vectored = laid_out(call), laid_out(replace(call, turns=turns))
    assert vectored.ids == pictured.ids and vectored.image_spans == pictured.image_spans
    assert all(part is vectors for part in vectored.slices)
