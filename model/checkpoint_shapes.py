"""Named shapes of models made here; the published checkpoint brings its own ``config.json``."""

from __future__ import annotations

from model.config import (
    AudioConfig,
    CodecConfig,
    LanguageConfig,
    OmniConfig,
    SpeechConfig,
    VisionConfig,
    VocoderConfig,
)

POCKET = OmniConfig(
    language=LanguageConfig(
        hidden_size=256,
        num_hidden_layers=6,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=960,
        vocab_size=1024,
    ),
    vision=VisionConfig(
        hidden_size=128,
        num_hidden_layers=4,
        num_attention_heads=8,
        intermediate_size=512,
        image_size=294,
    ),
    audio=AudioConfig(
        d_model=192, encoder_layers=4, encoder_attention_heads=3, encoder_ffn_dim=768
    ),
    speech=SpeechConfig(
        llm_dim=256,
        hidden_size=256,
        intermediate_size=1024,
        num_attention_heads=4,
        num_hidden_layers=6,
        num_text_tokens=512,
        vocab_size=64,
        codec=CodecConfig(dim=256, hidden=192, n_layer=6, bn_dim=64),
    ),
    vocoder=VocoderConfig(dim=224, intermediate_dim=672, num_layers=6),
    # A quarter of the published pixels and queries: coloured shapes need no more, and a picture
    # costs a quarter of the time in training and in a call.
    image_size=224,
    query_num=16,
    torch_dtype="float32",
    checkpoint_name="pocket",
)
"""Small enough for a call on a laptop CPU, and for a repository: under 50 MB in bfloat16. Training
begins with it; what ships was given a fifth layer of the audio encoder on the way."""

BENCH_SMALL = OmniConfig(
    language=LanguageConfig(
        hidden_size=384,
        num_hidden_layers=8,
        num_attention_heads=6,
        num_key_value_heads=2,
        intermediate_size=1536,
        vocab_size=4096,
    ),
    vision=VisionConfig(
        hidden_size=192, num_hidden_layers=4, num_attention_heads=3, intermediate_size=768
    ),
    audio=AudioConfig(
        d_model=192, encoder_layers=4, encoder_attention_heads=3, encoder_ffn_dim=768
    ),
    speech=SpeechConfig(
        llm_dim=384,
        hidden_size=320,
        intermediate_size=1024,
        num_attention_heads=5,
        num_hidden_layers=8,
        num_text_tokens=1024,
        vocab_size=64,
        codec=CodecConfig(dim=512, hidden=256, n_layer=6, bn_dim=128),
    ),
    vocoder=VocoderConfig(dim=256, intermediate_dim=768, num_layers=6),
    torch_dtype="float32",
    checkpoint_name="bench-small",
)
"""The shape the reference was measured at."""

SHAPES = {shape.checkpoint_name: shape for shape in (POCKET, BENCH_SMALL)}
"""Shapes that can be asked for by name."""
