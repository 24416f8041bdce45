"""Golden check e: calls of several sessions, driven as the engine drives them."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import torch
from torch import Tensor

from model.dialogue import Dialogue, DialogueStep
from model.image_slicing import ImageSlice, slice_image
from model.omni import AudioClip, OmniModel, OmniState
from model.prompt import AudioItem, ContentItem, ImageItem, Prompt, Template, encode_prompt
from model.sampling import GREEDY, SamplingSettings, TokenDraw, draw_categorical, draw_tokens
from model.text_generation import FinishReason, GenerationSettings, TextGeneration
from tests.model.golden_checks.language import AUDIO_TAG, IMAGE_TAG, WEIGHTS, faithful_model
from tests.model.golden_checks.registry import (
    LOGITS_ATOL,
    VALUES_ATOL,
    Comparison,
    GoldenSet,
    golden_check,
)

EVENTS = "e_streaming.json"
ARRAYS = "e_streaming.npz"
HEADROOM_TOKENS = 64
"""Room in a row beyond what the events record: an answer's last tokens."""


@dataclass
class _Media:
    """What a message carries besides text."""

    slices: list[ImageSlice]
    clips: list[Tensor]


class _Call:
    """One session: a row, its dialogue, and what the events say about it."""

    def __init__(self, golden: GoldenSet, model: OmniModel, state: OmniState, row: int) -> None:
        self.golden = golden
        self.model = model
        self.state = state
        self.row = row
        self.dialogue = Dialogue(model.quirks)

    def content(self, event: dict[str, Any]) -> tuple[list[ContentItem], _Media]:
        """The event's items, inputs made by the set's generator."""
        items: list[ContentItem] = []
        media = _Media([], [])
        inputs = self.golden.inputs
        for part in event["content"]:
            if match := re.fullmatch(r"image\((\d+)x(\d+),seed=(\d+)\)", part):
                pixels = inputs.synth_image(*map(int, match.groups()))
                max_slices = event["kwargs"].get("max_slice_nums", 1)
                sliced = slice_image(pixels, self.model.config, max_slices)
                media.slices += sliced.slices
                items.append(ImageItem(sliced.grid))
            elif match := re.fullmatch(r"audio\(([\d.]+)s,seed=(\d+)\)", part):
                samples = inputs.synth_audio(float(match[1]), int(match[2]))
                media.clips.append(torch.from_numpy(samples))
                items.append(AudioItem(len(samples)))
            else:
                items.append(Template(part))
        return items, media

    def append(self, step: DialogueStep, media: _Media) -> tuple[Prompt, Tensor, Tensor]:
        """Encode and prefill a step; its prompt, embeddings and hidden states."""
        model, state = self.model, self.state
        if step.clears_audio:
            state.audio.clear(self.row)
        prompt = encode_prompt(step.items, model.tokenizer, model.config)
        images = model.encode_images(media.slices)
        audio = [
            features
            for clip in media.clips
            for features in model.encode_audio([AudioClip(self.row, clip)], state)
        ]
        if step.clears_audio:
            state.audio.clear(self.row)
        embeddings = model.embed(prompt, images, audio)
        [hidden] = model.prefill([self.row], [embeddings], state)
        return prompt, embeddings, hidden


def _as_given(step: DialogueStep) -> str:
    """The prompt as the reference hands it to its processor: tags for images and audio."""
    tags = {ImageItem: IMAGE_TAG, AudioItem: AUDIO_TAG}
    return "".join(
        item.text if isinstance(item, Template) else tags[type(item)] for item in step.items
    )


def _check_prefill(call: _Call, number: int, event: dict[str, Any], compare: Comparison) -> None:
    arrays = call.golden.npz(ARRAYS)
    items, media = call.content(event)
    separator = "" if event["kwargs"].get("omni_input", True) else "\n"
    step = call.dialogue.prefill(event["role"], items, separator)
    prompt, embeddings, hidden = call.append(step, media)
    name = f"e{number}"
    ours = {
        "prompt": _as_given(step),
        "n_tokens": len(prompt.ids),
        "llm_kv": call.state.language.lengths[call.row],
        "apm_kv": call.state.audio.lengths[call.row] or None,
        "new_user_msg": not call.dialogue.user_turn_open,
    }
    compare.equal(name, ours, {key: event[key] for key in ours})
    compare.equal(f"{name} ids", [list(prompt.ids)], arrays[f"{name}_input_ids"])
    for key in arrays:
        if match := re.fullmatch(rf"{name}_embeds_stride(\d+)", key):
            compare.close(key, embeddings[None, :: int(match[1])], arrays[key], VALUES_ATOL)
    logits = call.model.llm.logits(hidden[-1:])
    compare.close(f"{name} logits", logits, arrays[f"{name}_last_logits"], LOGITS_ATOL)


class _Draw:
    """The random draw of a generate event: none, or the set's noise sampler."""

    def __init__(self, golden: GoldenSet, event: dict[str, Any]) -> None:
        match = re.match(r"noise seed (\d+)", event.get("sampler", ""))
        self.sampler = golden.inputs.NoiseSampler("noise", seed=int(match[1])) if match else None

    def __call__(self, probabilities: Tensor, draws: list[TokenDraw]) -> Tensor:
        if self.sampler is None:
            return draw_categorical(probabilities, draws)
        return torch.from_numpy(self.sampler(probabilities.numpy())[:, 0])


def _settings(kwargs: dict[str, Any]) -> GenerationSettings:
    penalty = kwargs.get("repetition_penalty")
    sampling = SamplingSettings() if kwargs.get("sampling") else GREEDY
    if penalty is not None:
        sampling = replace(sampling, repetition_penalty=penalty)
    return GenerationSettings(
        max_tokens=kwargs["max_new_tokens"],
        min_tokens=kwargs.get("min_new_tokens", 0),
        sampling=sampling,
    )


def _check_generate(call: _Call, number: int, event: dict[str, Any], compare: Comparison) -> None:
    arrays = call.golden.npz(ARRAYS)
    model, state = call.model, call.state
    prompt, _, hidden = call.append(call.dialogue.respond(), _Media([], []))
    generation = TextGeneration(
        model.tokenizer, _settings(event["kwargs"]), prompt_ids=prompt.ids, quirks=model.quirks
    )
    draw = _Draw(call.golden, event)
    stop_after = event["stopped_by_consumer_after"]
    fed, texts = [list(prompt.ids)], []
    steps = [model.llm.logits(hidden[-1:])]
    while True:
        [token_id] = draw_tokens(steps[-1], [generation.draw()], draw)
        text = generation.accept(token_id)
        if text is not None:
            texts.append(text)
        if generation.done or len(texts) == stop_after:
            break
        fed.append([token_id])
        steps.append(model.decode_text([call.row], [token_id], state)[0])
    completed = generation.finish is FinishReason.STOP and len(texts) != stop_after
    if completed:
        call.dialogue.complete()
    name = f"e{number}"
    ours = {
        "texts": texts,
        "fed_ids_per_forward": fed,
        "llm_kv": state.language.lengths[call.row],
        "completed": completed,
    }
    compare.equal(name, ours, {key: event[key] for key in ours})
    logits = torch.cat(steps)
    compare.close(f"{name} logits", logits, arrays[f"{name}_step_logits"], LOGITS_ATOL)
    best = logits.topk(2, dim=-1).values
    margin = (best[:, 0] - best[:, 1]).min()
    compare.close(f"{name} margin", margin, event["min_top2_logit_margin"], LOGITS_ATOL)
    compare.close(f"{name} hidden", hidden, arrays[f"{name}_prompt_hidden_last"], VALUES_ATOL)
    place = prompt.speaker_spans[-1][0]
    speaker = hidden[place : place + 1]
    compare.close(f"{name} speaker", speaker, arrays[f"{name}_spk_embeds"], VALUES_ATOL)


@golden_check("e streaming: all sessions of a day", EVENTS, ARRAYS, *WEIGHTS)
def check_streaming(golden: GoldenSet, compare: Comparison) -> None:
    """Every prefill and answer, in order; each session is a row of one state."""
    model = faithful_model(golden)
    events = golden.json(EVENTS)["events"]
    capacity = max(event["llm_kv"] for event in events) + HEADROOM_TOKENS
    # The reference holds one session; one that comes back after another starts anew.
    runs = [list(run) for _, run in groupby(enumerate(events), lambda item: item[1]["session"])]
    state = model.allocate(len(runs), capacity)
    for row, run in enumerate(runs):
        call = _Call(golden, model, state, row)
        for number, event in run:
            check = _check_prefill if event["kind"] == "prefill" else _check_generate
            check(call, number, event, compare)
