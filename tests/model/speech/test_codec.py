"""The codec: codes, grid points, mel."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.config import CodecConfig, SpeechConfig
from model.speech.codec import LEVELS, Codec, ResidualQuantizer, grid_points, nearest_codes

pytestmark = pytest.mark.unit

CONFIG = SpeechConfig(codec=CodecConfig(dim=16, hidden=12, n_layer=2, bn_dim=8))
N_CODES = CONFIG.num_audio_tokens - 1


@pytest.fixture(scope="module")
def codec() -> Codec:
    torch.manual_seed(0)
    return Codec(CONFIG).eval()


def random_codes(seed: int, batch: int, length: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, N_CODES, (batch, length, CONFIG.num_vq), generator=generator)


def test_every_code_is_a_grid_point_of_its_own() -> None:
    points = grid_points(torch.arange(N_CODES))
    assert LEVELS ** points.shape[1] == N_CODES
    assert len(points.unique(dim=0)) == N_CODES
    assert points.abs().max() == 1
    assert points[0].tolist() == [-1.0] * 4
    assert points[1].tolist() == [-0.5, -1.0, -1.0, -1.0]


def test_the_code_nearest_to_a_grid_point_is_its_own() -> None:
    codes = torch.arange(N_CODES)
    reached = torch.atanh((grid_points(codes)).clamp(-0.99, 0.99))
    assert torch.equal(nearest_codes(reached), codes)


def test_the_second_code_of_a_group_moves_a_quarter_as_far() -> None:
    torch.manual_seed(1)
    quantizer = ResidualQuantizer(8)
    middle, top = N_CODES // 2, N_CODES - 1
    origin, coarse, fine = (
        quantizer(torch.tensor([[codes]]))
        for codes in ([middle, middle], [top, middle], [middle, top])
    )
    torch.testing.assert_close((coarse - origin) / 4, fine - origin)


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 1000), length=st.integers(1, 40), batch=st.integers(2, 4))
def test_windows_decoded_together_equal_windows_decoded_alone(
    codec: Codec, seed: int, length: int, batch: int
) -> None:
    codes = random_codes(seed, batch, length)
    with torch.inference_mode():
        together = codec.decode(codes)
        alone = torch.cat([codec.decode(codes[row : row + 1]) for row in range(batch)])
    assert together.shape == (batch, CONFIG.num_mel_bins, 2 * length)
    torch.testing.assert_close(together, alone, atol=2e-5, rtol=0)


def test_equal_windows_of_different_speech_give_equal_mel(codec: Codec) -> None:
    speech, other = random_codes(1, 1, 60), random_codes(2, 1, 80)
    other[:, 40:69] = speech[:, 10:39]
    with torch.inference_mode():
        assert torch.equal(codec.decode(speech[:, 10:39]), codec.decode(other[:, 40:69]))


def test_far_from_its_edges_a_window_equals_the_whole(codec: Codec) -> None:
    # Two blocks of dilation 2 and three convolutions of width 3 reach 15 mel frames.
    reach_frames = 8
    codes = random_codes(3, 1, 60)
    with torch.inference_mode():
        whole = codec.decode(codes)
        window = codec.decode(codes[:, 10:50])
    inner = whole[..., 2 * (10 + reach_frames) : 2 * (50 - reach_frames)]
    torch.testing.assert_close(
        window[..., 2 * reach_frames : -2 * reach_frames], inner, atol=2e-5, rtol=0
    )
    assert (window - whole[..., 20:100]).abs().max() > 1e-3


def test_the_first_half_of_the_channels_is_the_even_mel_frame(codec: Codec) -> None:
    codes = random_codes(4, 1, 5)
    with torch.inference_mode():
        features = codec.features(codes)  # [1, T, 2 dim]
        frames = torch.stack(features.chunk(2, dim=-1), dim=2).flatten(1, 2)  # [1, 2 T, dim]
        hidden = codec.decoder(frames.transpose(1, 2))
        assert torch.equal(codec.out_conv(hidden) * codec.coef, codec.decode(codes))


def test_encoding_gives_valid_codes_one_per_two_mel_frames(codec: Codec) -> None:
    torch.manual_seed(2)
    with torch.inference_mode():
        codes = codec.encode(torch.randn(2, CONFIG.num_mel_bins, 34))
    assert codes.shape == (2, 17, CONFIG.num_vq)
    assert codes.min() >= 0
    assert codes.max() < N_CODES


def test_narrow_weights_decode_close_to_float32(codec: Codec) -> None:
    torch.manual_seed(0)
    narrow = Codec(CONFIG).to(torch.bfloat16)
    codes = random_codes(5, 1, 12)
    with torch.inference_mode():
        mel = narrow.decode(codes)
        assert mel.dtype == torch.bfloat16
        torch.testing.assert_close(mel.float(), codec.decode(codes), atol=0.1, rtol=0.1)
