"""Golden checks u (text and voice), g (cross-fade) and h (streaming speech from given text)."""

from __future__ import annotations

import itertools
import math
import re
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from model.config import SPEECH_SAMPLE_RATE_HZ
from model.quirks import ReferenceQuirks
from model.speech.code_sampling import CodeSampler, Draw
from model.speech.crossfade import OVERLAP_SAMPLES, SAMPLES_PER_FRAME, WaveJoiner, crossfade
from model.speech.speech_decoder import MAX_FRAMES, SpeechDecoder
from model.speech.streaming_mask import StreamingMask
from model.speech.synthesizer import (
    Finished,
    PrefillAudio,
    PrefillText,
    SpeechPiece,
    SpeechStream,
    Step,
    run_alone,
)
from model.speech.text import SpeechTokenizer, detect_language, read_numbers, sentence_end
from model.speech.voice_check import VoiceChecker
from tests.model.golden_checks.registry import (
    VALUES_ATOL,
    WAVE_ATOL,
    Comparison,
    GoldenSet,
    golden_check,
)
from tests.model.golden_checks.speech_networks import load_decoder, load_vocoder

TEXT, CODEC, SPEECH, SPEECH_ARRAYS = (
    "u_utils.json",
    "g_dvae_vocos.npz",
    "h_speech.json",
    "h_speech.npz",
)
SPEECH_FILES = (SPEECH, SPEECH_ARRAYS, "assets/Vocos.pt")
NEAR_TIE_MARGIN = 5e-4
"""A case whose closest draw was decided by less is compared by its structure."""
LANGUAGE_NAMES = {"en": "english", "zh": "chinese"}


def load_speech_tokenizer(golden: GoldenSet) -> SpeechTokenizer:
    """The set's speech tokenizer."""
    folder = golden.folder / "assets" / "chattts_tokenizer"
    return SpeechTokenizer.from_folder(folder, golden.config.speech)


@golden_check("u numbers read aloud", TEXT)
def check_numbers(golden: GoldenSet, compare: Comparison) -> None:
    """Language of a text, and its digits in either language."""
    for case in golden.json(TEXT)["numbers"]:
        text = case["text"]
        language = detect_language(text)
        compare.equal(f"language of {text!r}", LANGUAGE_NAMES[language], case["lang"])
        compare.equal(f"{text!r} by itself", read_numbers(text, language), case["auto"])
        for code, name in LANGUAGE_NAMES.items():
            compare.equal(f"{text!r} in {name}", read_numbers(text, code), case[name])


@golden_check("u ends of sentences", TEXT)
def check_sentence_ends(golden: GoldenSet, compare: Comparison) -> None:
    """The mark that ends a sentence."""
    for case in golden.json(TEXT)["sentence_end"]:
        compare.equal(f"end of {case['text']!r}", sentence_end(case["text"]), case["out"])


@golden_check("u voice checker", TEXT)
def check_voice_checker(golden: GoldenSet, compare: Comparison) -> None:
    """Counts over loud and silent noise; one random sequence, cut into equal waves."""
    cases = golden.json(TEXT)["voice_checker"]
    pattern = re.compile(r"amp (\S+) \* RandomState\((\d+)\) sequence")
    settings = [pattern.fullmatch(case["wav"]) for case in cases]
    amplitudes = [float(match[1]) for match in settings if match]
    noise = np.random.RandomState(int(settings[0][2])).randn(len(cases) * SPEECH_SAMPLE_RATE_HZ)
    length = wave_length(noise, amplitudes, [case["max_abs"] for case in cases])
    # The piece length is not recorded; how many pieces a silent wave adds is.
    counts = [case["zeros"] for case in cases]
    pieces_per_wave = next(count for count in counts if count)
    checker = VoiceChecker()
    for index, (case, amplitude) in enumerate(zip(cases, amplitudes, strict=True)):
        wave = amplitude * noise[index * length : (index + 1) * length]
        peak = float(np.abs(wave).max())
        compare.close(f"wave {index}", [peak], [case["max_abs"]], WAVE_ATOL)
        bad = checker.is_bad(wave, length // pieces_per_wave)
        ours = {"bad": bad, "zeros": checker.n_silent, "low": checker.n_same}
        compare.equal(f"wave {index} judged", ours, {name: case[name] for name in ours})


def wave_length(noise: np.ndarray, amplitudes: list[float], peaks: list[float]) -> int:
    """The length, not recorded, of which every wave has its recorded peak."""
    step = 32
    for length in range(step, SPEECH_SAMPLE_RATE_HZ, step):
        waves = noise[: len(peaks) * length].reshape(len(peaks), length)
        ours = (
            np.abs(wave).max() * amplitude
            for wave, amplitude in zip(waves, amplitudes, strict=True)
        )
        if all(math.isclose(*pair, rel_tol=1e-6) for pair in zip(ours, peaks, strict=True)):
            return length
    raise AssertionError("no length of wave gives the recorded peaks")


@golden_check("g cross-fade", CODEC)
def check_crossfade(golden: GoldenSet, compare: Comparison) -> None:
    """Two tones: what leaves and what is held."""
    arrays = golden.npz(CODEC)
    first_length, held_length = arrays["ola_lens"].tolist()
    time_s = torch.arange(held_length + OVERLAP_SAMPLES) / SPEECH_SAMPLE_RATE_HZ
    first = torch.sin(2 * math.pi * 220 * time_s)[:first_length]
    second = torch.cos(2 * math.pi * 330 * time_s)
    joiner = WaveJoiner(holds_whole_wave=True)
    compare.equal("leaves at first", len(joiner.join(first, 0)), 0)
    leaving = joiner.join(second, OVERLAP_SAMPLES)
    compare.equal("lengths", [len(leaving), len(joiner.held)], arrays["ola_lens"].tolist())
    tail, head = arrays["ola_out0_tail4096"], arrays["ola_out1_head256"]
    compare.close("tail", leaving[-len(tail) :], tail, WAVE_ATOL)
    compare.close("head", joiner.held[: len(head)], head, WAVE_ATOL)


class RecordedStream(SpeechStream):
    """Writes down calls of the decoder as the fixtures do."""

    def __init__(self, tokenizer: SpeechTokenizer, **settings: Any) -> None:
        super().__init__(tokenizer, **settings)
        self.calls: list[list[Any]] = []
        self.segments: list[list[Tensor]] = [[]]
        self._condition = StreamingMask(tokenizer.config)

    def did_prefill(self) -> None:
        work = self.work()
        if isinstance(work, PrefillText):
            self.calls.append(
                ["prefill_text", work.begin, work.begin + len(work.ids), list(work.ids)]
            )
        elif isinstance(work, PrefillAudio):
            self.calls.append(["prefill_audio_ids", len(work.frames)])
        super().did_prefill()

    def did_step(self, codes: Tensor, is_eos: bool) -> None:
        step = self.work()
        assert isinstance(step, Step)
        if step.begins_call:
            before = self._condition.condition_length + len(self._frames)
            mask_sum = int(self._condition.text_mask(step.n_text).sum())
            segment = sum(call[0] == "prefill_audio_ids" for call in self.calls)
            self.calls.append(
                ["generate", before, step.frames_left, before, False, mask_sum, segment]
            )
        call = self.calls[-1]
        call[3] += 1
        call[4] = is_eos
        if call[6] == len(self.segments):
            self.segments.append([])
        super().did_step(codes, is_eos)
        self.segments[call[6]] = list(self._frames)


class ForcedChecker(VoiceChecker):
    """Finds the calls bad that the fixture says."""

    def __init__(self, bad_calls: list[int]) -> None:
        super().__init__()
        self._bad_calls = bad_calls
        self._n_calls = 0

    def is_bad(self, wave: np.ndarray, piece_samples: int = 0) -> bool:
        self._n_calls += 1
        return self._n_calls in self._bad_calls


def quiet(noise: Draw) -> Draw:
    """A noise sampler whose 0 / 0 is no warning: an exponential deviate can be 0 in float32."""

    def draw(probabilities: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore", divide="ignore"):
            return noise(probabilities)

    return draw


def run_case(
    golden: GoldenSet, case: dict[str, Any], decoder: SpeechDecoder, speaker: Tensor
) -> tuple[RecordedStream, list[SpeechPiece], int, int]:
    """Speak a case; the stream, its pieces, the bursts taken and the draws made."""
    noise = golden.inputs.NoiseSampler(
        case["sampler"],
        case["noise_seed"],
        case["no_eos_before_draw"],
        case["force_eos_at_draws"],
    )
    quirks = ReferenceQuirks.faithful()
    sampler = CodeSampler(
        golden.config.speech, draw=quiet(noise), never_end=case["force_no_stop"], quirks=quirks
    )
    # The fixtures name every call that was made anew, also where the checker was the reference's.
    bad_calls = case["voice_checker_forced_bad_at_calls"]
    stream = RecordedStream(
        load_speech_tokenizer(golden),
        quirks=quirks,
        voice_checker=ForcedChecker(bad_calls) if case["enable_regenerate"] else None,
    )
    vocoder, pool = load_vocoder(golden), decoder.allocate(1)
    pieces: list[SpeechPiece] = []
    n_taken = 0
    for burst in [*case["pieces"], None]:
        if isinstance(stream.work(), Finished):
            break
        if burst is None:
            stream.finish_text()
        else:
            stream.push_text(burst)
            n_taken += 1
        pieces += run_alone(stream, decoder, vocoder, pool, 0, sampler, speaker)
    return stream, pieces, n_taken, noise.n


def check_case(golden: GoldenSet, compare: Comparison, case: dict[str, Any]) -> None:
    """Everything recorded of one case."""
    name, arrays = case["name"], golden.npz(SPEECH_ARRAYS)
    decoder = load_decoder(golden)
    speaker = decoder.project_speaker(torch.from_numpy(arrays[f"{name}_spk_embeds"]))[0]
    stream, pieces, n_taken, n_draws = run_case(golden, case, decoder, speaker)
    shown = "".join(piece.split("<|tts_eos|>")[0] for piece in case["pieces"])
    ends = [0, *(piece.text_end for piece in pieces)]
    captions = [shown[start:end] for start, end in itertools.pairwise(ends)]
    chunks = case["chunks"]
    compare.equal(f"{name} calls", stream.calls, case["calls"])
    compare.equal(f"{name} captions", captions, [chunk["text"] for chunk in chunks])
    lengths = [len(piece.wave) for piece in pieces]
    compare.equal(f"{name} samples", lengths, [chunk["n_samples"] for chunk in chunks])
    compare.equal(f"{name} total", sum(lengths), case["total_samples"])
    compare.equal(f"{name} bursts", n_taken, case["pieces_consumed"])
    compare.equal(f"{name} draws", n_draws, case["sampler_draws"])
    compare.equal(f"{name} error", None, case["error"])
    rates = {chunk["sampling_rate"] for chunk in chunks}
    compare.equal(f"{name} rate", {SPEECH_SAMPLE_RATE_HZ}, rates)
    if compares_structure(case):
        compare.notes.append(f"{name}: structure only, nearest draw {case['min_log_margin']:.1g}")
        return
    for index, frames in enumerate(stream.segments):
        key = f"{name}_seg{index}_new_ids"
        compare.equal(key, torch.stack(frames)[None], arrays[key])
    compare_waves(compare, name, [piece.wave for piece in pieces], arrays)
    loudness = [
        (float(piece.wave.square().mean().sqrt()), float(piece.wave.abs().max()))
        for piece in pieces
    ]
    expected = [(chunk["rms"], chunk["peak"]) for chunk in chunks]
    compare.close(f"{name} rms and peak", loudness, expected, WAVE_ATOL)


def compare_waves(
    compare: Comparison, name: str, waves: list[Tensor], arrays: dict[str, np.ndarray]
) -> None:
    """The whole wave, every N-th sample of it where the name says so, and its first piece."""
    whole = torch.cat(waves)
    for key in arrays:
        if match := re.fullmatch(rf"{name}_wav(?:_stride(\d+))?", key):
            compare.close(key, whole[:: int(match[1] or 1)], arrays[key], WAVE_ATOL)
        elif key == f"{name}_wav_first_chunk":
            compare.close(key, waves[0], arrays[key], WAVE_ATOL)


def has_segments(case: dict[str, Any]) -> bool:
    """Whether audio was carried over."""
    return any(call[0] == "prefill_audio_ids" for call in case["calls"])


def compares_structure(case: dict[str, Any]) -> bool:
    """Whether rounding may decide a draw otherwise: every code after that differs."""
    runs_to_limit = case["total_samples"] > MAX_FRAMES * SAMPLES_PER_FRAME
    return runs_to_limit or case["min_log_margin"] < NEAR_TIE_MARGIN


def kind_of(case: dict[str, Any]) -> str:
    """Which line of the parity table a case belongs to."""
    if compares_structure(case):
        return "structure"
    if case["enable_regenerate"]:
        return "made anew"
    return "segments" if has_segments(case) else "plain"


def check_cases(golden: GoldenSet, compare: Comparison, kind: str) -> None:
    """All cases of one kind that are made of given text pieces."""
    cases = [case for case in golden.json(SPEECH) if "pieces" in case and kind_of(case) == kind]
    if not cases:
        pytest.skip(f"{golden.folder.name} has no case of kind {kind!r}")
    for case in cases:
        check_case(golden, compare, case)


@golden_check("h streaming speech", *SPEECH_FILES)
def check_plain(golden: GoldenSet, compare: Comparison) -> None:
    """Cases of one segment, nothing made anew."""
    check_cases(golden, compare, "plain")


@golden_check("h streaming speech, new segments", *SPEECH_FILES)
def check_segments(golden: GoldenSet, compare: Comparison) -> None:
    """Cases long enough for another segment."""
    check_cases(golden, compare, "segments")


@golden_check("h streaming speech, made anew", *SPEECH_FILES)
def check_regenerated(golden: GoldenSet, compare: Comparison) -> None:
    """Cases with the voice checker on."""
    check_cases(golden, compare, "made anew")


@golden_check("h streaming speech, structure", *SPEECH_FILES)
def check_structure(golden: GoldenSet, compare: Comparison) -> None:
    """Calls, captions and lengths of cases with near ties: the frame limit."""
    check_cases(golden, compare, "structure")


@golden_check("h whole text at once", *SPEECH_FILES)
def check_whole(golden: GoldenSet, compare: Comparison) -> None:
    """The reference's one-shot path: all text known, one decode of all frames."""
    arrays = golden.npz(SPEECH_ARRAYS)
    for case in golden.json(SPEECH):
        if "mel_frames" not in case:
            continue
        name = case["name"].split("_")[0]
        decoder = load_decoder(golden)
        speaker = decoder.project_speaker(torch.from_numpy(arrays[f"{name}_spk"]))[0]
        quirks = ReferenceQuirks(eos_barred_every_call=True, discard_text_at_audio_eos=True)
        noise = golden.inputs.NoiseSampler("noise", case["noise_seed"])
        sampler = CodeSampler(golden.config.speech, draw=quiet(noise), quirks=quirks)
        stream = RecordedStream(load_speech_tokenizer(golden), quirks=quirks)
        stream.push_text(re.sub(r"<\|tts_[be]os\|>", "", case["text"]))
        stream.finish_text()
        vocoder, pool = load_vocoder(golden), decoder.allocate(1)
        pieces = run_alone(stream, decoder, vocoder, pool, 0, sampler, speaker)
        codes = torch.cat([torch.stack(frames) for frames in stream.segments])
        mel = decoder.dvae.decode(codes[None])
        compare.equal("draws", noise.n, case["sampler_draws"])
        compare.equal("mel frames", mel.shape[-1], case["mel_frames"])
        compare.close("mel", mel, arrays[f"{name}_mel"], VALUES_ATOL)
        wave = vocoder(mel)[0]
        compare.equal("samples", len(wave), case["n_samples"])
        n_streamed = sum(len(piece.wave) for piece in pieces)
        compare.equal("samples streamed", n_streamed, len(codes) * SAMPLES_PER_FRAME)
        compare.close("cross-fade of nothing", crossfade(wave[:0], wave, 0), wave, WAVE_ATOL)
