"""Tokenizers for checkpoints made here: the real layout and special tokens, any vocabulary size.

The published checkpoint brings its own files. A small checkpoint needs the same special tokens, the
same pre-tokenisation and a vocabulary of its own size; merges then come from a text corpus, or,
where nothing was trained, from letter pairs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, product
from pathlib import Path
from string import ascii_lowercase, digits, punctuation

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from tokenizers.pre_tokenizers import ByteLevel

SPLIT_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""Qwen2's pre-tokenisation: words with their leading space, single digits, runs of punctuation."""

SPACE = "Ġ"
"""How byte-level BPE writes a space."""
QWEN_TOKENS = [
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|object_ref_start|>",
    "<|object_ref_end|>",
    "<|box_start|>",
    "<|box_end|>",
    "<|quad_start|>",
    "<|quad_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
    "<tool_call>",
    "</tool_call>",
    "<|fim_prefix|>",
    "<|fim_middle|>",
    "<|fim_suffix|>",
    "<|fim_pad|>",
    "<|repo_name|>",
    "<|file_sep|>",
]
OMNI_TOKENS = [
    "<unk>",
    "<image>",
    "</image>",
    "<ref>",
    "</ref>",
    "<box>",
    "</box>",
    "<quad>",
    "</quad>",
    "<point>",
    "</point>",
    "<slice>",
    "</slice>",
    "<image_id>",
    "</image_id>",
    "<unit>",
    "</unit>",
    "<asr>",
    "</asr>",
    "<query>",
    "</query>",
    "<|audio_start|>",
    "<|audio|>",
    "<|audio_end|>",
    "<|spk_bos|>",
    "<|spk|>",
    "<|spk_eos|>",
    "<|tts_bos|>",
    "<|tts_eos|>",
    "<|listen|>",
    "<|speak|>",
    "<|interrupt|>",
    "<|vad_start|>",
    "<|vad_end|>",
    "<reserved_43>",
    "<reserved_53>",
]
SPECIAL_QWEN_TOKENS = frozenset(QWEN_TOKENS[:3])
N_SPECIAL_TEXT_TOKENS = len(QWEN_TOKENS) + len(OMNI_TOKENS)

BERT_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
CHATTTS_TOKENS = (
    *[
        "[Sasr]",
        "[Pasr]",
        "[Easr]",
        "[Stts]",
        "[Ptts]",
        "[Etts]",
        "[Sbreak]",
        "[Pbreak]",
        "[Ebreak]",
        "[uv_break]",
        "[v_break]",
        "[lbreak]",
        "[llbreak]",
        "[undefine]",
        "[laugh]",
        "[spk_emb]",
        "[empty_spk]",
        "[music]",
        "[pure]",
    ],
    *(f"[break_{n}]" for n in range(8)),
    *(f"[laugh_{n}]" for n in range(3)),
    *(f"[oral_{n}]" for n in range(10)),
    *(f"[speed_{n}]" for n in range(10)),
)


def letter_pieces() -> Iterator[tuple[str, str]]:
    """Merges that need no corpus: syllables, with and without a space before them, then longer."""
    vowels, consonants = "aeiou", "bcdfghjklmnpqrstvwxyz"
    syllables = [*product(consonants, vowels), *product(vowels, consonants)]
    yield from ((SPACE, letter) for letter in ascii_lowercase)
    yield from syllables
    yield from ((f"{SPACE}{first}", second) for first, second in syllables)
    for (first, second), third in product(syllables, "nrstlm"):
        yield first + second, third
        yield f"{SPACE}{first}{second}", third
    for left, right in product(syllables, repeat=2):
        yield "".join(left), "".join(right)
        yield f"{SPACE}{''.join(left)}", "".join(right)


def build_text_tokenizer(
    vocab_size: int, folder: Path, merges_of_corpus: Sequence[tuple[str, str]] = ()
) -> None:
    """Write a byte-level BPE ``tokenizer.json`` with the omni special tokens at its end.

    Args:
        vocab_size: Entries in all, special tokens included; rows of the embedding table.
        folder: Where ``tokenizer.json`` goes.
        merges_of_corpus: Merges to begin with; letter pairs fill what they leave.

    Raises:
        ValueError: Fewer entries than bytes and special tokens need, or more than pieces exist.
    """
    base_size = vocab_size - N_SPECIAL_TEXT_TOKENS
    vocabulary = {character: index for index, character in enumerate(sorted(ByteLevel.alphabet()))}
    merges: list[tuple[str, str]] = []
    for left, right in chain(merges_of_corpus, letter_pieces()):
        if len(vocabulary) >= base_size:
            break
        if left + right not in vocabulary:
            merges.append((left, right))
            vocabulary[left + right] = len(vocabulary)
    if len(vocabulary) != base_size:
        raise ValueError(
            f"cannot build a text vocabulary of {vocab_size}: it must hold 256 bytes, "
            f"{N_SPECIAL_TEXT_TOKENS} special tokens and at most {len(merges)} merges"
        )
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT_PATTERN), behavior="isolated"),
            ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    for content in [*QWEN_TOKENS, *OMNI_TOKENS]:
        special = content in SPECIAL_QWEN_TOKENS or content in OMNI_TOKENS
        token = AddedToken(content, special=special, normalized=False)
        (tokenizer.add_special_tokens if special else tokenizer.add_tokens)([token])
    tokenizer.save(str(folder / "tokenizer.json"))


def build_speech_tokenizer(
    vocab_size: int, folder: Path, pieces_of_corpus: Sequence[str] = ()
) -> dict[str, int]:
    """Write a WordPiece ``tokenizer.json`` with ChatTTS's tokens at its end.

    Args:
        vocab_size: Entries in all; rows of the speech decoder's text embedding.
        folder: Where ``tokenizer.json`` goes.
        pieces_of_corpus: Pieces to take before letter pairs, best first.

    Returns:
        Ids of all tokens, so that the checkpoint's config can name the special ones.

    Raises:
        ValueError: Fewer entries than letters and special tokens need, or more than pieces exist.
    """
    base_size = vocab_size - len(CHATTTS_TOKENS)
    characters = ascii_lowercase + digits + punctuation
    pieces = [*BERT_TOKENS, *characters, *(f"##{letter}" for letter in ascii_lowercase + digits)]
    pairs = [first + second for first, second in product(ascii_lowercase, repeat=2)]
    smallest = len(pieces)
    pieces += [*pieces_of_corpus, *pairs, *(f"##{pair}" for pair in pairs)]
    pieces = list(dict.fromkeys(pieces))
    if not smallest <= base_size <= len(pieces):
        raise ValueError(
            f"cannot build a speech vocabulary of {vocab_size}: between "
            f"{smallest + len(CHATTTS_TOKENS)} and {len(pieces) + len(CHATTTS_TOKENS)} are possible"
        )
    vocabulary = {piece: index for index, piece in enumerate(pieces[:base_size])}
    tokenizer = Tokenizer(models.WordPiece(vocab=vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.add_special_tokens(
        [AddedToken(name, special=True, normalized=False) for name in BERT_TOKENS + CHATTTS_TOKENS]
    )
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    return tokenizer.get_vocab()
