"""Golden checks of the speech networks: streaming mask, decoder, code sampling, codec, vocoder."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from model.quirks import ReferenceQuirks
from model.speech.code_sampling import (
    TEMPERATURES,
    CodeSampler,
    penalize_repetition,
    warp,
)
from model.speech.codec import LEVELS, N_RESIDUALS, RESIDUAL_SCALE, Codec, grid_points
from model.speech.speech_decoder import FRAMES_PER_CALL, SpeechDecoder, SpeechStep, TextPrefill
from model.speech.streaming_mask import StreamingMask
from model.speech.vocoder import Vocoder, vocode
from model.state import KVCachePool
from tests.model.golden_checks.registry import (
    LOGITS_ATOL,
    VALUES_ATOL,
    WAVE_ATOL,
    Comparison,
    GoldenSet,
    golden_check,
)

MASKS, TTS, TTS_ARRAYS, CODEC = (
    "f_tts_masks.json",
    "f_tts.json",
    "f_tts.npz",
    "g_dvae_vocos.npz",
)


def load_decoder(golden: GoldenSet) -> SpeechDecoder:
    """The set's speech decoder, ready to serve."""
    decoder = SpeechDecoder(golden.config.speech)
    decoder.load_state_dict(golden.part("tts."), strict=True)
    decoder.fuse()
    return decoder.eval()


class Speaker:
    """One row that speaks the fixture's text by the fixture's rule."""

    def __init__(
        self, golden: GoldenSet, decoder: SpeechDecoder, sampler: CodeSampler, pool: KVCachePool
    ) -> None:
        arrays = golden.npz(TTS_ARRAYS)
        self.decoder, self.sampler, self.pool = decoder, sampler, pool
        self.ids = arrays["tts_input_ids"][0].tolist()
        self.n_text = golden.json(TTS)["tts_tokens_len"]
        self.voice = decoder.project_speaker(torch.from_numpy(arrays["spk_embeds"]))[0]
        self.codes: Tensor | None = None
        self.frames: list[Tensor] = []
        self.logits: list[Tensor] = []
        self.finished = False

    def prefill(self, chunk: int) -> Tensor:
        """Text of a chunk; hidden states ``[n, D]``."""
        mask = self.decoder.mask
        begin = chunk * mask.text_chunk_tokens + mask.prefix_length if chunk else 0
        end = (chunk + 1) * mask.text_chunk_tokens + mask.prefix_length
        voice = self.voice if chunk == 0 else None
        item = TextPrefill(0, begin, self.ids[begin:end], voice)
        return self.decoder.prefill_text([item], self.pool)[0]

    def call(self, n_text: int | None = None) -> Tensor:
        """One call of frames; hidden states ``[steps, D]``."""
        self.sampler.begin_call()
        n_text = self.n_text if n_text is None else n_text
        hidden = []
        for _ in range(FRAMES_PER_CALL):
            step = SpeechStep(0, self.codes, n_text)
            hidden.append(self.decoder.step_hidden([step], self.pool))
            logits = self.decoder.logits(hidden[-1])[0]
            self.logits.append(logits)
            self.codes, self.finished = self.sampler.draw(logits, start=step.codes is None)
            if self.finished:
                break
            self.frames.append(self.codes)
        return torch.cat(hidden)


def faithful_sampler(golden: GoldenSet, **settings: object) -> CodeSampler:
    """A sampler with the reference's faults."""
    return CodeSampler(golden.config.speech, quirks=ReferenceQuirks.faithful(), **settings)


def begun_pool(decoder: SpeechDecoder) -> KVCachePool:
    """A pool of one row that is ready for text."""
    pool = decoder.allocate(1)
    decoder.begin(pool, 0)
    return pool


@golden_check("f streaming mask", MASKS)
def check_masks(golden: GoldenSet, compare: Comparison) -> None:
    """Visible positions of every recorded text length and cache length."""
    mask = StreamingMask(golden.config.speech)
    for case in golden.json(MASKS):
        length, n_new = case["past_seen_tokens"], case["new_tokens"]
        seen = mask.visible(length, n_new, case["tts_tokens_len"])
        name = f"{case['tts_tokens_len']} tokens at {length}+{n_new}"
        compare.equal(f"{name} shape", [1, 1, 1, len(seen)], case["mask_shape"])
        compare.equal(f"{name} count", int(seen.sum()), case["n_visible"])
        in_condition = seen[: mask.condition_length].nonzero().flatten().tolist()
        compare.equal(f"{name} condition", in_condition, listed(case["visible_in_condition"]))
        audio_seen = bool(seen[mask.condition_length :].all())
        compare.equal(f"{name} audio", audio_seen, case["all_audio_visible"])
        digest = hashlib.sha256(seen.to(torch.uint8).numpy().tobytes()).hexdigest()
        compare.equal(f"{name} digest", digest, case["sha256"])
        if n_new == 1:
            low, high = mask.window(length, case["tts_tokens_len"])
            compare.equal(f"{name} window", high - low, case["n_visible"])


def listed(positions: list[int] | str) -> list[int]:
    """Positions written out, or as ``first..last``."""
    if not isinstance(positions, str):
        return positions
    first, last = (int(number) for number in re.findall(r"\d+", positions))
    return list(range(first, last + 1))


@golden_check("f speech text and speaker", TTS, TTS_ARRAYS)
def check_condition(golden: GoldenSet, compare: Comparison) -> None:
    """What goes into the condition before any layer runs."""
    arrays, facts = golden.npz(TTS_ARRAYS), golden.json(TTS)
    decoder = load_decoder(golden)
    speaker = Speaker(golden, decoder, faithful_sampler(golden), begun_pool(decoder))
    mask, n_text = decoder.mask, speaker.n_text
    compare.equal("condition length", mask.condition_length, len(speaker.ids))
    padding = mask.reserved_length - n_text - 1
    compare.equal("padding", padding, facts["prepared_len_pads"])
    compare.equal("[Ptts]", decoder.config.audio_bos_token_id, speaker.ids[mask.start_position])
    end = decoder.config.text_eos_token_id
    compare.equal("[Etts]", end, speaker.ids[mask.prefix_length + n_text])
    compare.equal("text mask", mask.text_mask(n_text).to(torch.int8), arrays["streaming_mask"])
    for name, (begin, stop) in spans(arrays, r"merged_embeds_(\d+)_(\d+)"):
        merged = decoder.embed_text(speaker.ids[begin:stop], speaker.voice)
        compare.close(name, merged[None], arrays[name], VALUES_ATOL)


def spans(arrays: dict[str, np.ndarray], pattern: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Names that match, with the numbers in them."""
    for name in arrays:
        if match := re.fullmatch(pattern, name):
            yield name, tuple(int(number) for number in match.groups())


def check_run(golden: GoldenSet, compare: Comparison, mode: str) -> None:
    """Chunks of text and calls of frames, by one of the recorded samplers."""
    arrays, facts = golden.npz(TTS_ARRAYS), golden.json(TTS)
    decoder = load_decoder(golden)
    noise = golden.inputs.NoiseSampler(mode, facts[f"{mode}_noise_seed"])
    forced = mode == "noise" and facts["noise_mode_has_force_no_stop"]
    sampler = faithful_sampler(golden, draw=noise, never_end=forced)
    speaker = Speaker(golden, decoder, sampler, begun_pool(decoder))
    finished = []
    for chunk in range(len(facts[f"{mode}_finished"])):
        prefilled = speaker.prefill(chunk)
        name = f"{mode}_prefill_hidden_{chunk}"
        compare.close(name, prefilled[None], arrays[name], VALUES_ATOL)
        if chunk == 0:
            compare_cache(compare, arrays, mode, decoder, speaker.pool)
        hidden = speaker.call()
        name = f"{mode}_step_hidden_{chunk}"
        compare.close(name, hidden[None], arrays[name], VALUES_ATOL)
        name = f"{mode}_new_ids_after_{chunk}"
        compare.equal(name, torch.stack(speaker.frames)[None], arrays[name])
        finished.append(speaker.finished)
    compare.equal("finished", finished, facts[f"{mode}_finished"])
    for name, (count,) in spans(arrays, rf"{mode}_step_logits_first(\d+)"):
        logits = torch.stack(speaker.logits[:count]).transpose(1, 2)
        compare.close(name, logits, arrays[name], LOGITS_ATOL)


def compare_cache(
    compare: Comparison,
    arrays: dict[str, np.ndarray],
    mode: str,
    decoder: SpeechDecoder,
    pool: KVCachePool,
) -> None:
    """Keys and values of the condition, in order of time."""
    for part, cache in (("k", pool.keys), ("v", pool.values)):
        pattern = rf"{mode}_kv_l(\d+)_{part}_(\d+)_(\d+)"
        for name, (layer, begin, stop) in spans(arrays, pattern):
            stored = [decoder.mask.storage_index(position) for position in range(begin, stop)]
            compare.close(name, cache[layer, :, :, stored], arrays[name], VALUES_ATOL)


@golden_check("f speech decoder, greedy", TTS, TTS_ARRAYS)
def check_greedy(golden: GoldenSet, compare: Comparison) -> None:
    """Most likely codes."""
    check_run(golden, compare, "greedy")


@golden_check("f speech decoder, noise", TTS, TTS_ARRAYS)
def check_noise(golden: GoldenSet, compare: Comparison) -> None:
    """Codes drawn with recorded noise."""
    check_run(golden, compare, "noise")


@golden_check("f speech decoder, multinomial", TTS, TTS_ARRAYS)
def check_multinomial(golden: GoldenSet, compare: Comparison) -> None:
    """Codes drawn by torch from a seed."""
    expected = golden.npz(TTS_ARRAYS)["multinomial_seeded_new_ids"]
    generator = torch.Generator().manual_seed(golden.json(TTS)["multinomial_seed"])
    decoder = load_decoder(golden)
    sampler = faithful_sampler(golden, generator=generator)
    speaker = Speaker(golden, decoder, sampler, begun_pool(decoder))
    chunk = 0
    while not speaker.finished and len(speaker.frames) < expected.shape[1]:
        speaker.prefill(chunk)
        speaker.call()
        chunk += 1
    compare.equal("new ids", torch.stack(speaker.frames)[None], expected)


@golden_check("f code penalty and warpers", TTS_ARRAYS)
def check_warpers(golden: GoldenSet, compare: Comparison) -> None:
    """Repetition penalty and the top-p, top-k cut on given scores."""
    arrays = {name: torch.from_numpy(array) for name, array in golden.npz(TTS_ARRAYS).items()}
    scores, history, penalized = arrays["rp_scores"], arrays["rp_input_ids"], arrays["rp_out"]
    # The factor is not recorded: it is the ratio at the least repeated of the changed scores.
    changed = scores != penalized
    ratios = torch.where(scores < 0, penalized / scores, scores / penalized)[changed]
    penalty = float(ratios.min())
    ours = penalize_repetition(scores, history, penalty)
    compare.close("repetition penalty", ours, penalized, VALUES_ATOL)
    temperatures = torch.tensor(TEMPERATURES)[:, None]
    for name in arrays:
        if match := re.fullmatch(r"warped_out_topP([\d.]+)_topK(\d+)", name):
            expected, kept = arrays[name], arrays[name].isfinite()
            # Nor is it recorded which of the two went in: what was kept tells.
            before = torch.where(kept, expected * temperatures, 0)
            distance = [
                float((torch.where(kept, s, 0) - before).abs().max()) for s in (ours, scores)
            ]
            source = (ours, scores)[int(np.argmin(distance))]
            warped = warp(source / temperatures, float(match[1]), int(match[2]))
            compare.equal(f"{name} kept", warped.isfinite(), kept)
            values = [torch.where(kept, array, 0) for array in (warped, expected)]
            compare.close(name, *values, VALUES_ATOL)


@golden_check("f new segment with carried audio", TTS, TTS_ARRAYS)
def check_segment(golden: GoldenSet, compare: Comparison) -> None:
    """Carried text and frames, prefilled in both directions, then greedy frames."""
    arrays = golden.npz(TTS_ARRAYS)
    decoder = load_decoder(golden)
    pool = begun_pool(decoder)
    speaker = Speaker(golden, decoder, faithful_sampler(golden, greedy=True), pool)
    text = arrays["seg_prev_text_ids"][0].tolist()
    prefix = speaker.ids[: decoder.mask.prefix_length]
    decoder.prefill_text([TextPrefill(0, 0, prefix + text, speaker.voice)], pool)
    carried = torch.from_numpy(arrays["seg_prev_audio_ids"][0])
    hidden = decoder.prefill_audio(0, carried[:-1], len(text), pool, bidirectional=True)
    expected = arrays["seg_prefill_hidden"]
    compare.close("seg_prefill_hidden", hidden[None], expected, VALUES_ATOL)
    compare.equal("seg_kv_len", pool.lengths[0], golden.json(TTS)["seg_kv_len"])
    speaker.codes, speaker.frames = carried[-1], list(carried)
    speaker.call(len(text))
    compare.equal("seg_new_ids", torch.stack(speaker.frames)[None], arrays["seg_new_ids"])


def code_lengths(golden: GoldenSet) -> list[int]:
    """Frames of each recorded code window."""
    return [length for _, (length,) in spans(golden.npz(CODEC), r"codes_(\d+)")]


@golden_check("g codec", CODEC)
def check_codec(golden: GoldenSet, compare: Comparison) -> None:
    """Codes to quantised features to mel, and mel back to codes."""
    arrays = golden.npz(CODEC)
    codec = load_codec(golden)
    points = grid_points(torch.arange(len(arrays["fsq_codebook_625"])))
    compare.close("codebook", points, arrays["fsq_codebook_625"], VALUES_ATOL)
    scales = [[RESIDUAL_SCALE**index] * points.shape[1] for index in range(N_RESIDUALS)]
    compare.equal("scales", scales, arrays["fsq_scales"].tolist())
    compare.equal("codes", LEVELS ** points.shape[1], len(points))
    for length in code_lengths(golden):
        codes = torch.from_numpy(arrays[f"codes_{length}"])
        features = codec.features(codes).transpose(1, 2)
        compare.close(f"vq_{length}", features, arrays[f"vq_{length}"], VALUES_ATOL)
        mel = codec.decode(codes)
        compare.close(f"mel_{length}", mel, arrays[f"mel_{length}"], VALUES_ATOL)
    for name, (length,) in spans(arrays, r"encode_ind_(\d+)"):
        codes = codec.encode(torch.from_numpy(arrays[f"mel_{length}"]))
        compare.equal(name, codes.transpose(1, 2), arrays[name])


def load_codec(golden: GoldenSet) -> Codec:
    """The set's codec."""
    codec = Codec(golden.config.speech)
    codec.load_state_dict(golden.part("tts.dvae."), strict=True)
    return codec.eval()


def load_vocoder(golden: GoldenSet) -> Vocoder:
    """The set's vocoder."""
    vocoder = Vocoder(golden.config.vocoder)
    weights = torch.load(golden.folder / "assets" / "Vocos.pt", weights_only=True)
    vocoder.load_state_dict(weights, strict=True)
    return vocoder.eval()


@golden_check("g vocoder", CODEC, "assets/Vocos.pt")
def check_vocoder(golden: GoldenSet, compare: Comparison) -> None:
    """Recorded mel spectrograms to waves."""
    arrays, vocoder = golden.npz(CODEC), load_vocoder(golden)
    for name, (length,) in spans(arrays, r"wav_(\d+)"):
        wave = vocoder(torch.from_numpy(arrays[f"mel_{length}"]))[0]
        compare.close(name, wave, arrays[name], WAVE_ATOL)


@golden_check("g codes to wave", CODEC, "assets/Vocos.pt")
def check_vocode(golden: GoldenSet, compare: Comparison) -> None:
    """Recorded codes to waves, all windows in one call."""
    arrays = golden.npz(CODEC)
    lengths = [length for _, (length,) in spans(arrays, r"wav_(\d+)")]
    windows = [torch.from_numpy(arrays[f"codes_{length}"][0]) for length in lengths]
    waves = vocode(windows, load_codec(golden), load_vocoder(golden))
    for length, wave in zip(lengths, waves, strict=True):
        compare.close(f"wav_{length}", wave, arrays[f"wav_{length}"], WAVE_ATOL)
