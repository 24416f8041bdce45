"""Golden checks d, r and the system prompts: prompts, tokens, offline answers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from model.audio_features import token_count
from model.beam_search import BeamSettings
from model.chat import (
    ChatAudio,
    ChatImage,
    ChatMessage,
    ChatOptions,
    PreparedChat,
    answer_chats,
    prepare_chats,
)
from model.config import SAMPLES_PER_UNIT
from model.loading import load_checkpoint
from model.omni import OmniModel
from model.prompt import (
    DEFAULT_SYSTEM_MESSAGE,
    AudioItem,
    Message,
    Template,
    prompt_pieces,
    speech_template,
    system_prompt,
)
from model.quirks import ReferenceQuirks
from model.sampling import GREEDY, SamplingSettings, TokenDraw, penalize, warp
from model.text_generation import GenerationSettings, decode_answer
from model.tokenizer import TextTokenizer
from tests.model.golden_checks.registry import (
    LOGITS_ATOL,
    VALUES_ATOL,
    Comparison,
    GoldenSet,
    golden_check,
)

CASES = "d_llm.json"
ARRAYS = "d_llm.npz"
WEIGHTS = ("config.json", "model.safetensors", "tokenizer.json")
IMAGE_TAG, AUDIO_TAG = "(<image>./</image>)", "(<audio>./</audio>)"
REAL_TOKENIZER = Path(__file__).parents[4] / "shared" / "golden" / "real_tokenizer"
OPTIONS = {
    "one": ChatOptions(max_slices=4, image_ids=True, chunk_audio=True, separator=""),
    "one_nochunk": ChatOptions(max_slices=1, image_ids=False, chunk_audio=False, separator=""),
    "batch": ChatOptions(max_slices=2, image_ids=True, chunk_audio=True, separator=""),
    "merge": ChatOptions(separator=""),
    "text": ChatOptions(),
}
"""How each case was prepared, as the fixtures' README says."""


@cache
def faithful_model(golden: GoldenSet) -> OmniModel:
    """The set's checkpoint, behaving as the reference does."""
    return load_checkpoint(golden.folder, "cpu", "float32", ReferenceQuirks.faithful())


# --- prompts


@golden_check("sys_prompts system prompts", "sys_prompts.json")
def check_system_prompts(golden: GoldenSet, compare: Comparison) -> None:
    """Every mode and language, with and without reference audio."""
    for key, expected in golden.json("sys_prompts.json").items():
        mode, language, reference = key.split("|")
        voice = AudioItem(SAMPLES_PER_UNIT) if reference == "ref" else None
        if expected == "ValueError":
            with pytest.raises(ValueError):
                system_prompt(mode, language, voice)
            continue
        content = [
            item.text if isinstance(item, Template) else "<AUDIO>"
            for item in system_prompt(mode, language, voice)
        ]
        compare.equal(key, {"role": "user", "content": content}, expected)


@golden_check("r prompts as text", "r_real_tokenizer.json")
def check_prompt_texts(golden: GoldenSet, compare: Comparison) -> None:
    """System prompts with a second of reference audio, in the speech template."""
    for case in golden.json("r_real_tokenizer.json"):
        if "mode" in case:
            content = system_prompt(case["mode"], case["lang"], AudioItem(SAMPLES_PER_UNIT))
            items = speech_template([Message("user", content)], separator="", generate=False)
            text = "".join(piece for piece, _ in prompt_pieces(items, golden.config))
            compare.equal(f"{case['mode']} {case['lang']}", text, _with_placeholders(golden, case))


@golden_check("r real tokenizer", "r_real_tokenizer.json")
def check_real_tokenizer(golden: GoldenSet, compare: Comparison) -> None:
    """Ids of the published tokenizer, which is too large for the repository."""
    if not REAL_TOKENIZER.is_dir():
        pytest.skip(f"the published tokenizer is not at {REAL_TOKENIZER}")
    tokenizer = TextTokenizer.from_folder(REAL_TOKENIZER)
    for case in golden.json("r_real_tokenizer.json"):
        text = _with_placeholders(golden, case)
        compare.equal(text[:40], tokenizer.encode(text), case["ids"])
        compare.equal(f"decoded {text[:40]}", tokenizer.decode(case["ids"]), text)


def _with_placeholders(golden: GoldenSet, case: dict[str, Any]) -> str:
    unit = "<unk>" * token_count(SAMPLES_PER_UNIT, golden.config)
    text = case.get("prompt") or case["text"]
    text = re.sub(r"\{UNK(\d+)\}", lambda match: "<unk>" * int(match[1]), text)
    return text.replace("{U}", "<unk>" * golden.config.query_num).replace("{A}", unit)


# --- offline answers


@dataclass(frozen=True)
class _Case:
    """One prepared case and the arrays recorded for it."""

    name: str
    model: OmniModel
    chats: list[PreparedChat]
    arrays: dict[str, np.ndarray]

    def row(self, name: str, index: int) -> np.ndarray:
        """A recorded ``[B, L, ...]`` array's valid positions of one conversation.

        Shorter conversations are padded on the left; with a stride the positions kept of the padded
        sequence are those of :meth:`places`.
        """
        array = self.arrays[name][index]
        stride = _stride(name)
        return array[np.flatnonzero(self.mask(index)[::stride])]

    def mask(self, index: int) -> np.ndarray:
        return self.arrays["attention_mask"][index]

    def places(self, name: str, index: int) -> torch.Tensor:
        """Which of our positions :meth:`row` holds."""
        mask = self.mask(index)
        kept = np.arange(len(mask))[:: _stride(name)]
        return torch.from_numpy(kept[mask[kept] > 0] - self.padding(index))

    def padding(self, index: int) -> int:
        return int((self.mask(index) == 0).sum())


def _stride(name: str) -> int:
    match = re.search(r"_stride(\d+)$", name)
    return int(match[1]) if match else 1


@cache
def _case(golden: GoldenSet, name: str) -> _Case:
    model = faithful_model(golden)
    prefix = f"{name}_"
    others = [f"{other}_" for other in OPTIONS if other != name and other.startswith(prefix)]
    arrays = {
        key.removeprefix(prefix): array
        for key, array in golden.npz(ARRAYS).items()
        if key.startswith(prefix) and not any(key.startswith(other) for other in others)
    }
    conversations = _conversations(golden, name, arrays["input_ids"])
    chats = prepare_chats(model, conversations, OPTIONS[name])
    return _Case(name, model, chats, arrays)


def _conversations(golden: GoldenSet, name: str, ids: np.ndarray) -> list[list[ChatMessage]]:
    cases = golden.json(CASES)
    if name == "text":
        # Its prompt is recorded as ids only; the template's own system message is left out.
        text = faithful_model(golden).tokenizer.decode(ids[0])
        messages = _messages(golden, text, (), ())
        assert messages[0].content == (Template(DEFAULT_SYSTEM_MESSAGE),)
        return [messages[1:]]
    if name == "merge":
        return [_messages(golden, cases["merge_prompt"], (), cases["merge_audios"])]
    n_prompts = len(ids)
    return [
        _messages(golden, prompt, images, audios)
        for prompt, images, audios in zip(
            cases["prompts"][:n_prompts],
            cases["images"][:n_prompts],
            cases["audios"][:n_prompts],
            strict=True,
        )
    ]


def _messages(
    golden: GoldenSet, prompt: str, images: Sequence[Any], audios: Sequence[Any]
) -> list[ChatMessage]:
    """The messages of a prompt with tags; whatever follows the last ``<|im_end|>`` is dropped."""
    pictures: Iterator[Any] = iter(images)
    clips: Iterator[Any] = iter(audios)
    messages = []
    for role, text in re.findall(r"<\|im_start\|>(\w+)\n(.*?)<\|im_end\|>\n", prompt, re.DOTALL):
        content: list[Any] = []
        for part in re.split(f"({re.escape(IMAGE_TAG)}|{re.escape(AUDIO_TAG)})", text):
            if part == IMAGE_TAG:
                content.append(ChatImage(golden.inputs.synth_image(*next(pictures))))
            elif part == AUDIO_TAG:
                content.append(ChatAudio(golden.inputs.synth_audio(*next(clips))))
            elif part:
                content.append(Template(part))
        messages.append(ChatMessage(role, tuple(content)))
    return messages


def _compare_prompt(case: _Case, compare: Comparison) -> None:
    for index, chat in enumerate(case.chats):
        label = f"{case.name}[{index}]"
        padding = case.padding(index)
        compare.equal(f"{label} ids", list(chat.prompt.ids), case.row("input_ids", index))
        spans = {
            "image_bound": chat.prompt.image_spans,
            "audio_bounds": chat.prompt.audio_spans,
            "spk_bounds": chat.prompt.speaker_spans,
        }
        for name, ours in spans.items():
            shifted = [[start + padding, stop + padding] for start, stop in ours]
            compare.equal(f"{label} {name}", shifted, case.arrays[f"{name}_{index}"].tolist())
        sizes = [list(size) for size in chat.slice_sizes]
        compare.equal(f"{label} slice sizes", sizes, case.arrays[f"tgt_sizes_{index}"].tolist())


def _compare_embeddings(case: _Case, compare: Comparison) -> None:
    # The reference writes audio into the array it returned for vision, so both hold everything.
    names = [name for name in case.arrays if name.startswith(("emb_vision_only", "inputs_embeds"))]
    for index, chat in enumerate(case.chats):
        for name in names:
            ours = chat.embeddings[case.places(name, index)]
            label = f"{case.name}[{index}] {name}"
            compare.close(label, ours, case.row(name, index), VALUES_ATOL)


def _compare_hidden(case: _Case, compare: Comparison) -> None:
    """Hidden states and logits, where they were recorded."""
    if "hidden_last" not in case.arrays:
        return
    llm, [chat] = case.model.llm, case.chats
    pool = llm.allocate(1, len(chat.prompt.ids))
    first_layer: list[torch.Tensor] = []
    layer = llm.model.layers[0]
    hook = layer.register_forward_hook(lambda _module, _inputs, output: first_layer.append(output))
    # The recorded embeddings, so that this line of the table is the language model's own.
    embeddings = torch.from_numpy(case.row("inputs_embeds", 0))
    hidden = llm(embeddings, pool, pool.segments([0], [len(chat.prompt.ids)]))
    hook.remove()
    logits = llm.logits(hidden)
    for name in case.arrays:
        places = case.places(name, 0)
        if name == "hidden_last":
            compare.close(f"{case.name} {name}", hidden, case.row(name, 0), VALUES_ATOL)
        elif name.startswith("hidden_layer1"):
            ours = first_layer[0][places]
            compare.close(f"{case.name} {name}", ours, case.row(name, 0), VALUES_ATOL)
        elif name == "logits_last":
            compare.close(f"{case.name} {name}", logits[-1:], case.arrays[name], LOGITS_ATOL)
        elif name.startswith("logits"):
            compare.close(f"{case.name} {name}", logits[places], case.row(name, 0), LOGITS_ATOL)


def _settings(name: str, max_tokens: int) -> GenerationSettings | BeamSettings:
    """What a key like ``greedy_rp105_ids`` or ``beam3_rp12_ids`` says."""
    penalty_digits = re.search(r"_rp(\d)(\d+)", name)
    penalty = float(f"{penalty_digits[1]}.{penalty_digits[2]}") if penalty_digits else 1.0
    beams = re.match(r"beam(\d+)", name)
    if beams:
        return BeamSettings(int(beams[1]), penalty, max_tokens)
    return GenerationSettings(max_tokens, sampling=replace(GREEDY, repetition_penalty=penalty))


def _compare_answers(golden: GoldenSet, case: _Case, compare: Comparison) -> None:
    texts = golden.json(CASES)
    limit = max(
        array.shape[1]
        for key, array in golden.npz(ARRAYS).items()
        if re.search(r"_(greedy|beam)\w*_ids$", key)
    )
    for name in [name for name in case.arrays if re.match(r"(greedy|beam)\w*_ids$", name)]:
        answers = answer_chats(case.model, case.chats, _settings(name, limit))
        expected = case.arrays[name]
        padded = [answer.ids + [0] * (expected.shape[1] - len(answer.ids)) for answer in answers]
        compare.equal(f"{case.name} {name}", padded, expected.tolist())
        text_name = f"{case.name}_{name.removesuffix('_ids')}_text"
        compare.equal(text_name, [answer.text for answer in answers], texts[text_name])
        if "spk_embeds" in case.arrays and name == "greedy_ids":
            speaker = torch.stack([answer.speaker for answer in answers])
            compare.close(f"{case.name} speaker", speaker, case.arrays["spk_embeds"], VALUES_ATOL)
    if "sampled_ids" in case.arrays:
        seed = texts[f"{case.name}_sampled_seed"]
        generator = torch.Generator().manual_seed(seed)
        settings = GenerationSettings(limit, sampling=SamplingSettings())
        [answer] = answer_chats(case.model, case.chats, settings, [generator])
        compare.equal(f"{case.name} sampled", [answer.ids], case.arrays["sampled_ids"].tolist())


def _check_case(name: str) -> None:
    @golden_check(f"d {name}: prompt and embeddings", CASES, ARRAYS, *WEIGHTS)
    def check_prompt(golden: GoldenSet, compare: Comparison) -> None:
        _compare_prompt(_case(golden, name), compare)
        _compare_embeddings(_case(golden, name), compare)

    if name != "batch":

        @golden_check(f"d {name}: hidden states and logits", CASES, ARRAYS, *WEIGHTS)
        def check_hidden(golden: GoldenSet, compare: Comparison) -> None:
            _compare_hidden(_case(golden, name), compare)

    @golden_check(f"d {name}: answers", CASES, ARRAYS, *WEIGHTS)
    def check_answers(golden: GoldenSet, compare: Comparison) -> None:
        _compare_answers(golden, _case(golden, name), compare)


for _name in OPTIONS:
    _check_case(_name)


@golden_check("d sampling warpers", CASES, ARRAYS)
def check_warpers(golden: GoldenSet, compare: Comparison) -> None:
    """Penalty, temperature, top-k and top-p on given scores."""
    arrays = golden.npz(ARRAYS)
    settings = SamplingSettings()
    said = [TokenDraw(settings, ids.tolist()) for ids in arrays["warp_input_ids"]]
    scores = penalize(torch.from_numpy(arrays["warp_scores"]), said)
    probabilities = warp(scores, [settings] * len(said)).softmax(dim=-1)
    compare.close("probabilities", probabilities, arrays["warp_probs"], VALUES_ATOL)


@golden_check("d decoded text", CASES, "tokenizer.json")
def check_decoded_text(golden: GoldenSet, compare: Comparison) -> None:
    """Text of given ids, "!" dropped."""
    tokenizer = TextTokenizer.from_folder(golden.folder)
    for case in golden.json(CASES)["decode_text"]:
        ours = decode_answer(case["ids"], tokenizer, ReferenceQuirks.faithful())
        compare.equal(case["text"], ours, case["text"])
