"""Golden checks c: what the model hears."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from model.audio_encoder import AudioEncoder, AudioProjection, chunk_mask
from model.audio_features import (
    PLACEHOLDER,
    audio_placeholder,
    chunk_frames,
    log_mel,
    split_clip,
    token_count,
)
from model.config import SAMPLES_PER_UNIT
from model.quirks import PRODUCT, ReferenceQuirks
from model.state import KVCachePool
from tests.model.golden_checks.registry import VALUES_ATOL, Comparison, GoldenSet, golden_check

CASES = "c_audio.json"
ARRAYS = "c_audio.npz"
DIGESTS = "inputs_sha256.json"
PAIR_SEEDS = (140, 141)
STREAM_SEED = 150
LONG_SEED = 160
"""Added to the set's seed, as the fixtures' README says."""


def _clip(golden: GoldenSet, seed: int) -> np.ndarray:
    """The set's synthetic clip of that seed; its length is in the names of the digests."""
    names = (re.fullmatch(rf"audio\((.+)s,seed={seed}\)", name) for name in golden.json(DIGESTS))
    seconds = next(match[1] for match in names if match)
    return golden.inputs.synth_audio(float(seconds), seed)


def _units(samples: np.ndarray) -> list[np.ndarray]:
    return [samples[i : i + SAMPLES_PER_UNIT] for i in range(0, len(samples), SAMPLES_PER_UNIT)]


def _numbered(golden: GoldenSet, prefix: str) -> Iterator[tuple[int, np.ndarray]]:
    """Arrays named ``<prefix><number>``."""
    for name, array in golden.npz(ARRAYS).items():
        match = re.fullmatch(rf"{prefix}(\d+)", name)
        if match:
            yield int(match[1]), array


def _cases(golden: GoldenSet) -> Iterator[tuple[int, dict[str, Any], list[torch.Tensor]]]:
    """Number, record and pieces' features of every clip."""
    for number, case in enumerate(golden.json(CASES)):
        samples = golden.inputs.synth_audio(case["seconds"], case["seed"])
        yield number, case, [log_mel(piece) for piece in split_clip(samples)]


class _Ears:
    """The set's encoder and projection."""

    def __init__(self, golden: GoldenSet) -> None:
        config = golden.config
        self.encoder = AudioEncoder(config.audio)
        self.encoder.load_state_dict(golden.part("apm."), strict=True)
        self.encoder.fuse()
        self.projection = AudioProjection(
            config.audio.d_model, config.language.hidden_size, config.audio_pool_step
        )
        self.projection.load_state_dict(golden.part("audio_projection_layer."), strict=True)
        self.chunk_frames = chunk_frames(config)

    def whole(
        self,
        mels: list[torch.Tensor],
        chunked: bool = True,
        quirks: ReferenceQuirks = PRODUCT,
    ) -> list[torch.Tensor]:
        """Features of whole clips."""
        chunk = self.chunk_frames if chunked else None
        return self.projection(self.encoder.encode_clips(mels, chunk, quirks))

    def stream(
        self, mel: torch.Tensor, pool: KVCachePool
    ) -> tuple[torch.Tensor, torch.Tensor, int]:
        """Hidden states and features of row 0's next unit, and what the row then holds."""
        hidden = self.encoder.encode_units([mel], [0], pool)
        return hidden[0], self.projection(hidden)[0], pool.lengths[0]


@golden_check("c audio inputs", CASES, DIGESTS)
def check_inputs(golden: GoldenSet, compare: Comparison) -> None:
    """The synthetic clips are those the reference heard."""
    digests = golden.json(DIGESTS)
    seeds = [case["seed"] for case in golden.json(CASES)]
    seeds += [golden.seed + offset for offset in (*PAIR_SEEDS, STREAM_SEED, LONG_SEED)]
    for seed in seeds:
        name = next(name for name in digests if re.fullmatch(rf"audio\(.+s,seed={seed}\)", name))
        compare.equal(name, golden.inputs.sha(_clip(golden, seed)), digests[name])


@golden_check("c log-mel features", CASES, ARRAYS)
def check_features(golden: GoldenSet, compare: Comparison) -> None:
    """Features of whole clips, padded as one batch, and of the streamed units."""
    arrays = golden.npz(ARRAYS)
    for number, case, mels in _cases(golden):
        compare.equal(f"mel_lens of clip {number}", [m.shape[1] for m in mels], case["mel_lens"])
        longest = max(mel.shape[1] for mel in mels)
        batch = torch.stack([torch.nn.functional.pad(m, (0, longest - m.shape[1])) for m in mels])
        compare.equal(f"mel_shape of clip {number}", list(batch.shape), case["mel_shape"])
        name = next(name for name in arrays if name.startswith(f"mel_{number}_framestride"))
        stride = int(name.rpartition("stride")[2])
        compare.close(name, batch[:, :, ::stride], arrays[name], VALUES_ATOL)
    units = _units(_clip(golden, golden.seed + STREAM_SEED))
    for number, mel in _numbered(golden, "stream_mel_"):
        compare.close(f"stream_mel_{number}", log_mel(units[number]), mel, VALUES_ATOL)


@golden_check("c audio placeholders", CASES)
def check_placeholders(golden: GoldenSet, compare: Comparison) -> None:
    """Sample and token counts and the text a clip stands for."""
    for number, case in enumerate(golden.json(CASES)):
        samples = golden.inputs.synth_audio(case["seconds"], case["seed"])
        n_samples = len(samples)
        compare.equal(f"n_samples {number}", n_samples, case["n_samples"])
        tokens = [token_count(len(piece), golden.config) for piece in split_clip(samples)]
        compare.equal(f"tokens_per_segment {number}", tokens, case["tokens_per_segment"])
        compare.equal(f"tokens {number}", token_count(n_samples, golden.config), sum(tokens))
        for name, chunked in (("placeholder_chunked", True), ("placeholder_whole", False)):
            text = audio_placeholder(n_samples, golden.config, chunked)
            compare.equal(f"{name} {number}", text.replace(PLACEHOLDER, "~"), case[name])


@golden_check("c whole clips", CASES, ARRAYS)
def check_whole_clips(golden: GoldenSet, compare: Comparison) -> None:
    """Pooled features with full attention and with the 1 s chunk mask, and hidden states."""
    ears = _Ears(golden)
    arrays = golden.npz(ARRAYS)
    # A clip of several pieces is a padded batch, which the reference masks wrongly.
    quirks = ReferenceQuirks(padding_mask_in_mel_frames=True)
    for number, _, mels in _cases(golden):
        for name, chunked in ((f"emb_full_{number}", False), (f"emb_chunk1_{number}", True)):
            features = torch.cat(ears.whole(mels, chunked, quirks))
            stride = -(-len(features) // len(arrays[name]))
            compare.close(name, features[::stride], arrays[name], VALUES_ATOL)
        first, last = f"apm_hidden_layer0_{number}", f"apm_hidden_full_{number}"
        if last in arrays:
            hidden = ears.encoder.encode_clips(mels, None, quirks)
            compare.close(last, torch.stack(hidden), arrays[last], VALUES_ATOL)
        if first in arrays:
            frames = ears.encoder.convolve(mels)
            frames = frames + ears.encoder.embed_positions.weight[: len(frames)]
            compare.close(first, frames[None], arrays[first], VALUES_ATOL)


@golden_check("c chunk mask", CASES, ARRAYS)
def check_chunk_mask(golden: GoldenSet, compare: Comparison) -> None:
    """Which frames see each other; ``chunk_mask_<frames>_<chunk>``."""
    for name, mask in golden.npz(ARRAYS).items():
        match = re.fullmatch(r"chunk_mask_(\d+)_(\d+)", name)
        if match:
            ours = chunk_mask(int(match[1]), int(match[2]), torch.device("cpu"))
            compare.equal(name, ours.to(torch.uint8), mask)


@golden_check("c padded pair, reference mask", ARRAYS, DIGESTS)
def check_padded_pair(golden: GoldenSet, compare: Comparison) -> None:
    """Two clips in one padded batch, where the reference leaves padding visible."""
    ears = _Ears(golden)
    mels = [log_mel(_clip(golden, golden.seed + offset)) for offset in PAIR_SEEDS]
    features = ears.whole(mels, quirks=ReferenceQuirks(padding_mask_in_mel_frames=True))
    for number, expected in _numbered(golden, "pair_chunk1_"):
        compare.close(f"pair_chunk1_{number}", features[number], expected, VALUES_ATOL)


@golden_check("c streaming units", ARRAYS, DIGESTS, "meta.json")
def check_streaming(golden: GoldenSet, compare: Comparison) -> None:
    """One clip in units through the cache, and the same clip whole."""
    ears = _Ears(golden)
    arrays = golden.npz(ARRAYS)
    samples = _clip(golden, golden.seed + STREAM_SEED)
    compare.equal("stream_nsamples", len(samples), int(arrays["stream_nsamples"]))
    pool = ears.encoder.allocate(1)
    held, streamed = [], []
    for number, unit in enumerate(_units(samples)):
        hidden, features, length = ears.stream(log_mel(unit), pool)
        streamed.append(features)
        held.append(length)
        compare.close(f"stream_apm_{number}", hidden, arrays[f"stream_apm_{number}"], VALUES_ATOL)
        compare.close(f"stream_emb_{number}", features, arrays[f"stream_emb_{number}"], VALUES_ATOL)
    compare.equal("stream_kvlen", held, arrays["stream_kvlen"])
    whole = ears.whole([log_mel(samples)])[0]
    name = "stream_same_clip_whole_chunk1"
    compare.close(name, whole, arrays[name], VALUES_ATOL)
    meta = golden.json("meta.json")
    difference = (torch.cat(streamed) - whole).abs()
    for key, value in (
        ("c_stream_vs_whole_maxdiff", difference.max()),
        ("c_stream_vs_whole_meandiff", difference.mean()),
        ("c_emb_std", whole.std()),
    ):
        if key in meta:
            compare.close(key, value, meta[key], VALUES_ATOL)


@golden_check("c streaming past 30 s", ARRAYS, DIGESTS)
def check_long_stream(golden: GoldenSet, compare: Comparison) -> None:
    """The cache is dropped when it would reach the last position."""
    ears = _Ears(golden)
    arrays = golden.npz(ARRAYS)
    expected = dict(_numbered(golden, "long_emb_"))
    pool = ears.encoder.allocate(1)
    held = []
    for number, unit in enumerate(_units(_clip(golden, golden.seed + LONG_SEED))):
        _, features, length = ears.stream(log_mel(unit), pool)
        held.append(length)
        if number in expected:
            compare.close(f"long_emb_{number}", features, expected[number], VALUES_ATOL)
    compare.equal("long_kvlen", held, arrays["long_kvlen"])
