"""The speech of one response, from text to samples."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from functools import cache
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from model.quirks import PRODUCT, ReferenceQuirks
from model.speech.code_sampling import CodeSampler
from model.speech.crossfade import OVERLAP_SAMPLES, SAMPLES_PER_FRAME
from model.speech.speech_decoder import FRAMES_PER_CALL, MAX_FRAMES, SpeechDecoder
from model.speech.synthesizer import (
    BeginSegment,
    Finished,
    SpeechPiece,
    SpeechStream,
    Step,
    Vocode,
    WaitForText,
    run_alone,
)
from model.speech.vocoder import Vocoder, vocode
from model.speech.voice_check import VoiceChecker
from tests.model.speech.scripted_speech import (
    ScriptedRun,
    cut,
    plain_wave,
    tiny_config,
    tiny_tokenizer,
)

pytestmark = pytest.mark.unit

FIRST_PIECE = FRAMES_PER_CALL * SAMPLES_PER_FRAME - OVERLAP_SAMPLES
LATER_PIECE = FRAMES_PER_CALL * SAMPLES_PER_FRAME
FAITHFUL = ReferenceQuirks.faithful()
TEXTS = st.text("abe o  .,*?你好23\n", max_size=60)
EVERY_1500 = range(1500, 100_000, 1500)
LONG_TEXT = "the quick brown fox jumps over the lazy dog. " * 40


def scripted(eos_at: Collection[int] = (), quirks: ReferenceQuirks = PRODUCT) -> ScriptedRun:
    return ScriptedRun(SpeechStream(tiny_tokenizer(), quirks=quirks), eos_at)


def lengths(run: ScriptedRun) -> list[int]:
    return [len(piece.wave) for piece in run.pieces]


def frames_heard(run: ScriptedRun) -> list[int]:
    """Numbers of the frames in the audio, one per 512 samples."""
    parts = run.wave.view(-1, SAMPLES_PER_FRAME)
    torch.testing.assert_close(parts, parts[:, :1].expand_as(parts), atol=1e-3, rtol=0)
    return parts[:, 0].round().long().tolist()


# --- when audio leaves


def test_the_first_piece_leaves_after_the_first_call_of_frames() -> None:
    run = scripted()
    run.stream.push_text("a " * 10 + "a")
    assert isinstance(run.run(), WaitForText)
    assert run.n_frames == FRAMES_PER_CALL
    assert lengths(run) == [FIRST_PIECE]


def test_every_later_window_repeats_four_frames_and_leaves_a_whole_call() -> None:
    run = scripted(eos_at=[91]).say("a " * 20)
    assert [len(window) for window in run.windows] == [25, 29, 29, 19]
    assert lengths(run) == [FIRST_PIECE, LATER_PIECE, LATER_PIECE, 15 * 512, OVERLAP_SAMPLES]
    assert frames_heard(run) == list(range(90))


def test_steps_say_how_many_frames_are_left_until_audio_leaves() -> None:
    run = scripted()
    run.stream.push_text("a " * 10)
    seen = []
    while not isinstance(work := run.stream.work(), Vocode):
        if isinstance(work, Step):
            seen.append((work.codes is None, work.begins_call, work.frames_left))
            run.stream.did_step(torch.zeros(4, dtype=torch.long), False)
        else:
            run.stream.did_prefill()
    assert seen == [(n == 0, n == 0, 25 - n) for n in range(25)]


def test_an_end_right_after_a_call_still_lets_the_held_samples_leave() -> None:
    run = scripted(eos_at=[26]).say("a " * 10)
    assert lengths(run) == [FIRST_PIECE, OVERLAP_SAMPLES]
    assert [len(window) for window in run.windows] == [25]
    assert run.pieces[-1].text_end == len("a " * 10)


# --- text


def test_text_without_anything_to_speak_finishes_without_a_sample() -> None:
    for texts in ((), ("***",), (" ", "\n*"), ("...", "?"), ("😀",)):
        run = scripted().say(*texts)
        assert (run.n_draws, run.pieces) == (0, [])


def test_unspeakable_beginnings_do_not_stall_the_stream() -> None:
    run = scripted(eos_at=[30])
    for text in ("**", " ", "\n", "- "):
        run.stream.push_text(text)
        assert isinstance(run.run(), WaitForText)
    run.say("a b c")
    assert len(run.wave) == 29 * SAMPLES_PER_FRAME


def test_asking_for_work_does_not_change_it() -> None:
    stream = SpeechStream(tiny_tokenizer())
    assert stream.work() == stream.work() == WaitForText()
    stream.push_text("a " * 11)
    assert stream.work() is stream.work()
    assert isinstance(stream.work(), BeginSegment)


def test_reporting_work_that_was_not_asked_for_is_refused() -> None:
    stream = SpeechStream(tiny_tokenizer())
    with pytest.raises(RuntimeError, match="WaitForText"):
        stream.did_vocode(torch.zeros(1))
    with pytest.raises(RuntimeError, match="WaitForText"):
        stream.did_prefill()
    with pytest.raises(RuntimeError, match="WaitForText"):
        stream.did_step(torch.zeros(4), False)


def test_half_of_the_text_quirks_is_refused() -> None:
    with pytest.raises(ValueError, match="come together"):
        SpeechStream(tiny_tokenizer(), quirks=ReferenceQuirks(bursts_of_three=True))


def test_text_after_the_end_is_ignored() -> None:
    run = scripted(eos_at=[20]).say("a b")
    run.stream.push_text("more")
    assert run.stream.work() == Finished()


# --- early end of speech


def test_an_early_end_speaks_the_rest_in_a_new_segment() -> None:
    text = "a b c d e f g h i j k l m n o p q r s t"
    run = scripted(eos_at=[20, 60])
    run.stream.push_text(text)
    run.say()
    ids = tiny_tokenizer().encode(text)
    # Frame 20 had seen ten tokens.
    first, second = ([*p[2:-1]] for p in run.prefilled)
    assert first == ids
    assert second == ids[5:]
    assert [len(frames) for frames in run.carried] == [19 - 1]
    assert frames_heard(run) == list(range(58))


def test_an_end_with_all_known_text_spoken_waits_for_more() -> None:
    run = scripted(eos_at=[22, 50])
    run.stream.push_text("a " * 10)
    assert isinstance(run.run(), WaitForText)
    assert len(run.wave) == 21 * SAMPLES_PER_FRAME - OVERLAP_SAMPLES
    run.say("b c d")
    assert run.prefilled[1][2:-1] == tiny_tokenizer().encode("a a a a a b c d")
    assert frames_heard(run) == list(range(48))


def test_an_end_before_text_of_punctuation_alone_is_the_end() -> None:
    run = scripted(eos_at=[20]).say("a " * 10 + "...")
    assert len(run.prefilled) == 1
    assert frames_heard(run) == list(range(19))


def test_ends_without_frames_do_not_loop_forever() -> None:
    run = scripted(eos_at=range(30, 10_000)).say("a " * 100)
    assert frames_heard(run) == list(range(29))
    assert run.n_draws < 100


def test_an_end_as_the_very_first_frame_finishes_without_a_sample() -> None:
    run = scripted(eos_at=range(1, 10_000)).say("a " * 30)
    assert run.pieces == []


# --- long text


def test_a_long_text_is_spoken_in_segments_without_losing_a_token() -> None:
    run = scripted(eos_at=range(600, 10_000, 600)).say(LONG_TEXT)
    ids = tiny_tokenizer().encode(LONG_TEXT)
    heard: list[int] = []
    for index, prefilled in enumerate(run.prefilled):
        assert prefilled[:2] == tiny_tokenizer().start_ids
        assert prefilled[-1] == tiny_tokenizer().end_id
        if index:
            assert prefilled[2:7] == heard[-5:]
        heard += prefilled[7:-1] if index else prefilled[2:-1]
    assert heard == ids
    assert len(run.prefilled) == math.ceil(len(ids) / 130)
    assert {len(frames) for frames in run.carried} == {49}
    assert frames_heard(run) == list(range(run.n_frames))


def test_the_last_carried_frame_is_the_input_of_the_next_step() -> None:
    run = scripted(eos_at=[300])
    run.stream.push_text(LONG_TEXT)
    while len(run.prefilled) < 2:
        work = run.stream.work()
        if isinstance(work, Step):
            run.n_draws += 1
            run.stream.did_step(torch.tensor([0, run.n_draws, 0, 0]), run.n_draws == 300)
        elif isinstance(work, Vocode):
            run.stream.did_vocode(plain_wave(work.codes))
        else:
            run._prepare(work)
            run.stream.did_prefill()
    while not isinstance(work := run.stream.work(), Step):
        run._prepare(work)
        run.stream.did_prefill()
    assert run.carried[0][:, 1].tolist() == list(range(250, 299))
    assert work.codes is not None
    assert work.codes[1] == 299


def test_a_segment_that_never_ends_is_stopped_and_the_rest_goes_on() -> None:
    run = scripted(eos_at=[5000]).say("a " * 200 + "b. " + "c " * 20)
    calls = MAX_FRAMES // FRAMES_PER_CALL + 1
    assert len(run.prefilled) == 2
    assert run.n_frames == calls * FRAMES_PER_CALL + calls * FRAMES_PER_CALL - 50
    assert frames_heard(run) == list(range(run.n_frames))


# --- properties


def check_promises(run: ScriptedRun, text: str) -> None:
    """What holds of every product stream."""
    assert len(run.wave) == run.n_frames * SAMPLES_PER_FRAME
    assert run.stream.n_frames == run.n_frames
    assert run.n_repeated == 0
    if run.n_frames:
        assert frames_heard(run) == list(range(run.n_frames))
    ends = [piece.text_end for piece in run.pieces]
    assert ends == sorted(ends)
    assert not ends or ends[-1] == len(text)
    assert all(len(piece.wave) for piece in run.pieces)


@given(
    TEXTS,
    st.lists(st.integers(0, 60), max_size=8),
    st.lists(st.integers(1, 200), max_size=5),
    st.integers(1, 8),
)
@settings(deadline=None, max_examples=100)
def test_samples_are_512_per_frame_and_do_not_depend_on_the_cuts(
    text: str, places: list[int], eos_at: list[int], repeats: int
) -> None:
    text = text * repeats
    # Without an end a segment runs to its limit: always end some time.
    ends = {*eos_at, *range(220, 10_000, 220)}
    whole, parts = scripted(ends).say(text), scripted(ends).say(*cut(text, places))
    check_promises(whole, text)
    check_promises(parts, text)
    assert torch.equal(parts.wave, whole.wave)


@given(TEXTS, st.lists(st.integers(0, 500), max_size=8))
@settings(deadline=None, max_examples=30)
def test_prefilled_ids_do_not_depend_on_the_cuts(text: str, places: list[int]) -> None:
    text = text * 5
    # After 1,500 frames all text of a segment has been seen: none is left for the next.
    whole = scripted(EVERY_1500).say(text)
    assert scripted(EVERY_1500).say(*cut(text, places)).prefilled == whole.prefilled


@given(
    st.lists(st.integers(0, 500), max_size=12, unique=True),
    st.lists(st.integers(1, 600), max_size=6, unique=True),
)
@settings(deadline=None, max_examples=40)
def test_long_text_keeps_its_promises_wherever_speech_ends(
    places: list[int], eos_at: list[int]
) -> None:
    ends = {*eos_at, *range(700, 50_000, 700)}
    text = LONG_TEXT[:900]
    check_promises(scripted(ends).say(*cut(text, places)), text)


# --- with the networks of the tiny checkpoint


@cache
def networks() -> tuple[SpeechDecoder, Vocoder]:
    torch.manual_seed(3)
    decoder, vocoder = SpeechDecoder(tiny_config().speech), Vocoder(tiny_config().vocoder)
    with torch.no_grad():
        # A fresh vocoder has no window yet, and unit scales would drown the codes.
        vocoder.head.istft.window.copy_(torch.hann_window(len(vocoder.head.istft.window)))
    return decoder.eval(), vocoder.eval()


def speak(
    texts: Sequence[str],
    *,
    force: Collection[int],
    quirks: ReferenceQuirks = PRODUCT,
    seed: int = 0,
    checker: VoiceChecker | None = None,
) -> tuple[list[SpeechPiece], SpeechStream]:
    """Speak with random networks; speech ends at the forced draws only."""
    decoder, vocoder = networks()
    generator = torch.Generator().manual_seed(seed)
    n_draws = 0

    def draw(probabilities: object) -> object:
        nonlocal n_draws
        n_draws += 1
        codes = torch.multinomial(torch.as_tensor(probabilities), 1, generator=generator)
        if n_draws in force:
            codes[0] = tiny_config().speech.num_audio_tokens - 1
        return codes.numpy()

    sampler = CodeSampler(tiny_config().speech, draw=draw, never_end=True, quirks=quirks)
    stream = SpeechStream(tiny_tokenizer(), quirks=quirks, voice_checker=checker)
    pool = decoder.allocate(1)
    voice = decoder.project_speaker(torch.ones(1, tiny_config().speech.llm_dim))[0]
    pieces: list[SpeechPiece] = []
    with torch.inference_mode():
        for text in [*texts, None]:
            stream.finish_text() if text is None else stream.push_text(text)
            pieces += run_alone(stream, decoder, vocoder, pool, 0, sampler, voice)
            if isinstance(stream.work(), Finished):
                break
    return pieces, stream


def joined(pieces: list[SpeechPiece]) -> Tensor:
    return torch.cat([piece.wave for piece in pieces])


@given(st.integers(30, 150), st.lists(st.integers(1, 150), max_size=2))
@settings(deadline=None, max_examples=8)
def test_pieces_together_are_the_windows_decoded_at_once_and_cross_faded(
    n_draws: int, early: list[int]
) -> None:
    decoder, vocoder = networks()

    def real(codes: Tensor) -> Tensor:
        with torch.inference_mode():
            return vocode([codes], decoder.dvae, vocoder)[0]

    ends = {*(end for end in early if end > 10), *range(n_draws, 5000, 160)}
    run = ScriptedRun(SpeechStream(tiny_tokenizer()), ends, real).say(LONG_TEXT[:300])
    total = run.n_frames * SAMPLES_PER_FRAME
    expected, done = torch.zeros(total), 0
    rise = torch.arange(1, OVERLAP_SAMPLES + 1) / (OVERLAP_SAMPLES + 1)
    for window in run.windows:
        wave = real(window)
        overlap = min(done, OVERLAP_SAMPLES)
        start = done - overlap
        expected[start:done] *= 1 - rise[:overlap]
        wave = wave.clone()
        wave[:overlap] *= rise[:overlap]
        expected[start : start + len(wave)] += wave
        done = start + len(wave)
    assert done == total
    torch.testing.assert_close(run.wave, expected, atol=1e-5, rtol=0)


def test_audio_does_not_depend_on_when_the_text_came() -> None:
    text = "hello, I am a helpful assistant and I can see 23 small red houses near the river."
    at_once, _ = speak([text], force=[150])
    by_letter, _ = speak(list(text), force=[150])
    assert len(joined(at_once)) == 149 * SAMPLES_PER_FRAME
    torch.testing.assert_close(joined(by_letter), joined(at_once), atol=1e-4, rtol=0)


def test_product_and_reference_agree_where_no_fault_of_the_reference_shows() -> None:
    bursts = ["the quick ", "brown fox ", "jumps over the ", "lazy dog and I ", "can see the "]
    ours, _ = speak(bursts, force=[120])
    theirs, _ = speak(bursts, force=[120], quirks=FAITHFUL)
    torch.testing.assert_close(joined(ours), joined(theirs), atol=1e-5, rtol=0)
    assert len(ours[0].wave) < len(theirs[0].wave) == LATER_PIECE


def test_a_segment_join_is_heard_once() -> None:
    pieces, stream = speak([LONG_TEXT[:800]], force=[650, 1300])
    assert stream.n_frames == 1298
    assert len(joined(pieces)) == 1298 * SAMPLES_PER_FRAME


class BadAtFirst(VoiceChecker):
    """Finds the first and the third call bad."""

    n_calls = 0

    def is_bad(self, wave: object, piece_samples: int = 0) -> bool:
        self.n_calls += 1
        return self.n_calls in (1, 3)


@pytest.mark.parametrize("quirks", [PRODUCT, FAITHFUL], ids=["product", "faithful"])
def test_bad_audio_is_made_again(quirks: ReferenceQuirks) -> None:
    bursts = ["the quick ", "brown fox ", "jumps over the ", "lazy dog and I ", "can see the "]
    checker = BadAtFirst()
    pieces, stream = speak(bursts, force=[190], quirks=quirks, checker=checker)
    assert checker.n_calls > 3
    # 25 frames were made twice, then 50.
    assert stream.n_frames == 189 - 25 - 50
    assert all(len(piece.wave) for piece in pieces)


# --- the reference's behaviour


def test_the_reference_holds_a_whole_wave_and_loses_text_at_an_early_end() -> None:
    run = scripted(eos_at=[30], quirks=FAITHFUL)
    run.say("a a a a a ", "b b b b b b ", "c c c c c c c c c c c c ", "d")
    assert lengths(run) == [LATER_PIECE, 4 * SAMPLES_PER_FRAME]
    assert run.pieces[-1].text_end == len("a a a a a b b b b b b c c c c c c c c c c c c ")


def test_the_reference_drops_a_new_segment_whose_first_burst_is_empty() -> None:
    run = scripted(eos_at=[500], quirks=FAITHFUL)
    for burst in ["the quick brown fox jumps over the lazy dog. "] * 9:
        run.stream.push_text(burst)
        run.run()
    run.stream.push_text("<|tts_eos|>")
    assert isinstance(run.run(), Finished)
    assert len(run.carried) == 1
    assert run.n_frames == 499


def test_the_reference_decodes_the_last_frames_again_when_none_is_new() -> None:
    run = scripted(eos_at=[26], quirks=FAITHFUL).say("a " * 5, "a " * 5)
    assert [len(window) for window in run.windows] == [25, 4]
    assert lengths(run) == [LATER_PIECE]


def test_the_reference_hears_four_frames_twice_at_a_join() -> None:
    bursts = ["the quick brown fox jumps over the lazy dog. "] * 14
    run = ScriptedRun(SpeechStream(tiny_tokenizer(), quirks=FAITHFUL), range(420, 10_000, 420))
    for burst in bursts:
        run.stream.push_text(burst)
        run.run()
    run.stream.finish_text()
    run.run()
    heard = frames_heard(run)
    n_joins = sum(later < earlier for earlier, later in pairwise(heard))
    assert n_joins == 1
    assert len(heard) == run.n_frames + 4
