"""Offline answers: whole conversations in, texts out, several at once over packed rows.

Conversations of a batch have different lengths. Where the reference pads them on the left, each one
here is a row of its own from position 0, which is the same to every layer and costs no padding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from model.audio_features import (
    ENCODER_FRAME_SAMPLES,
    chunk_frames,
    log_mel,
    split_clip,
    token_count,
)
from model.beam_search import BeamSettings, beam_search
from model.config import OmniConfig
from model.image_slicing import SlicedImage, slice_image
from model.language_model import LanguageModel
from model.omni import OmniModel
from model.prompt import (
    AudioItem,
    ContentItem,
    ImageItem,
    Message,
    Prompt,
    Role,
    Template,
    encode_prompt,
    plain_template,
    speech_template,
)
from model.sampling import Categorical, draw_categorical, draw_tokens
from model.text_generation import FinishReason, GenerationSettings, TextGeneration, decode_answer


@dataclass(frozen=True, slots=True)
class ChatImage:
    """A picture in a message."""

    pixels: np.ndarray
    """``[H, W, 3]`` uint8 RGB."""


@dataclass(frozen=True, slots=True)
class ChatAudio:
    """A clip in a message."""

    samples: np.ndarray
    """``[n]`` float32 at 16 kHz in -1 .. 1."""


ChatContent = str | Template | ChatImage | ChatAudio


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One turn of a conversation."""

    role: Role
    content: tuple[ChatContent, ...]


@dataclass(frozen=True, slots=True)
class ChatOptions:
    """How conversations become prompts; None takes the checkpoint's own choice."""

    max_slices: int | None = None
    """Slices an image may be cut in."""
    image_ids: bool | None = None
    """Number the images of a conversation."""
    chunk_audio: bool | None = None
    """Cut audio placeholders in blocks of one second."""
    separator: str = "\n"
    """Between the items of a message; "" where units of a call are given as one message."""
    spoken: bool = False
    """Use the template of spoken answers even for a conversation without audio."""


@dataclass(frozen=True, slots=True)
class PreparedChat:
    """A conversation ready for the language model."""

    prompt: Prompt
    embeddings: Tensor
    """``[n, E]``, features in place."""
    slice_sizes: tuple[tuple[int, int], ...] = ()
    """(rows, columns) in patches of every image slice, in order."""


@dataclass(frozen=True, slots=True)
class ChatAnswer:
    """What came of one conversation."""

    ids: list[int]
    """Generated tokens, the terminator included where there is one."""
    text: str
    """Special tokens spelled out, as the reference returns it."""
    finish: FinishReason
    speaker: Tensor | None
    """Hidden state ``[E]`` at the prompt's last ``<|spk|>``: the voice of a spoken answer."""


def prepare_chats(
    model: OmniModel,
    conversations: Sequence[Sequence[ChatMessage]],
    options: ChatOptions | None = None,
) -> list[PreparedChat]:
    """Encode the images and audio of all conversations together, and embed their prompts.

    All audio of one message is one clip to the encoder, although each piece keeps its own
    placeholder: pieces of a message hear each other.

    Raises:
        ValueError: An image or a clip is empty or too large.
    """
    options = options or ChatOptions()
    config = model.config
    max_slices = config.max_slice_nums if options.max_slices is None else options.max_slices
    max_slices = max_slices if config.slice_mode else 1
    image_ids = config.use_image_id if options.image_ids is None else options.image_ids
    chunk_audio = config.chunk_input if options.chunk_audio is None else options.chunk_audio
    prompts, images = [], []
    for messages in conversations:
        pictures: list[SlicedImage] = []
        items = [_message_items(message, config, max_slices, pictures) for message in messages]
        spoken = options.spoken or any(_clips(message) for message in messages)
        template = speech_template if spoken else plain_template
        prompts.append(
            encode_prompt(
                template(items, options.separator),
                model.tokenizer,
                config,
                image_ids=image_ids,
                chunk_audio=chunk_audio,
            )
        )
        images.append([image_slice for picture in pictures for image_slice in picture.slices])
    vision = iter(model.encode_images([part for parts in images for part in parts]))
    audio = _encode_audio(model, conversations)
    return [
        PreparedChat(
            prompt,
            model.embed(prompt, [next(vision) for _ in parts], heard),
            tuple(part.size for part in parts),
        )
        for prompt, parts, heard in zip(prompts, images, audio, strict=True)
    ]


def answer_chats(
    model: OmniModel,
    chats: Sequence[PreparedChat],
    settings: GenerationSettings | BeamSettings,
    generators: Sequence[torch.Generator | None] | None = None,
    categorical: Categorical = draw_categorical,
) -> list[ChatAnswer]:
    """Answer prepared conversations, all at once.

    Args:
        model: All networks.
        chats: From :func:`prepare_chats`.
        settings: Greedy or sampled, or searched with beams.
        generators: Random numbers per conversation.
        categorical: The random draw, see :func:`model.sampling.draw_tokens`.
    """
    if isinstance(settings, BeamSettings):
        generated, speakers = _search(model, chats, settings)
    else:
        # Bursts are how calls are answered; the reference answers a chat in one go.
        quirks = replace(model.quirks, bursts_of_three=False, penalty_per_burst=False)
        answers = [
            TextGeneration(model.tokenizer, settings, generator=generator, quirks=quirks)
            for generator in generators or [None] * len(chats)
        ]
        speakers = _generate(model.llm, chats, answers, categorical)
        generated = [answer.ids for answer in answers]
    terminators = model.tokenizer.terminators
    return [
        ChatAnswer(
            ids=ids,
            text=decode_answer(ids, model.tokenizer, model.quirks),
            finish=FinishReason.STOP if ids[-1] in terminators else FinishReason.LENGTH,
            speaker=speaker,
        )
        for ids, speaker in zip(generated, speakers, strict=True)
    ]


def _generate(
    model: LanguageModel,
    chats: Sequence[PreparedChat],
    answers: Sequence[TextGeneration],
    categorical: Categorical,
) -> list[Tensor | None]:
    """Run ``answers`` to their ends, one packed batch a step; returns the speaker embeddings."""
    counts = [chat.embeddings.shape[0] for chat in chats]
    room = max(answer.settings.max_tokens for answer in answers)
    pool = model.allocate(len(chats), max(counts) + room)
    segments = pool.segments(range(len(chats)), counts)
    hidden = model(torch.cat([chat.embeddings for chat in chats]), pool, segments).split(counts)
    speakers = [_speaker(chat.prompt, part) for chat, part in zip(chats, hidden, strict=True)]
    logits = model.logits(torch.stack([part[-1] for part in hidden]))
    active = list(range(len(chats)))
    while active:
        drawn = draw_tokens(logits, [answers[row].draw() for row in active], categorical)
        for row, token_id in zip(active, drawn, strict=True):
            answers[row].accept(token_id)
        active = [row for row in active if not answers[row].done]
        if active:
            ids = torch.tensor([answers[row].ids[-1] for row in active], device=logits.device)
            segments = pool.segments(active, [1] * len(active))
            logits = model.logits(model(model.embed(ids), pool, segments))
    return speakers


def _search(
    model: OmniModel, chats: Sequence[PreparedChat], settings: BeamSettings
) -> tuple[list[list[int]], list[Tensor | None]]:
    """Answers with beams, one conversation after the other, and the speaker embeddings."""
    llm = model.llm
    generated, speakers = [], []
    for chat in chats:
        count = chat.embeddings.shape[0]
        pool = llm.allocate(settings.n_beams, count + settings.max_tokens)
        hidden = llm(chat.embeddings, pool, pool.segments([0], [count]))
        logits = llm.logits(hidden[-1:])[0]
        terminators = model.tokenizer.terminators
        generated.append(beam_search(llm, logits, settings, terminators, pool))
        speakers.append(_speaker(chat.prompt, hidden))
    return generated, speakers


def _speaker(prompt: Prompt, hidden: Tensor) -> Tensor | None:
    return hidden[prompt.speaker_spans[-1][0]] if prompt.speaker_spans else None


def _clips(message: ChatMessage) -> list[np.ndarray]:
    return [item.samples for item in message.content if isinstance(item, ChatAudio)]


def _message_items(
    message: ChatMessage, config: OmniConfig, max_slices: int, pictures: list[SlicedImage]
) -> Message:
    """The message as prompt items; its images, sliced, are appended to ``pictures``."""
    items: list[ContentItem] = []
    for item in message.content:
        match item:
            case ChatImage(pixels):
                pictures.append(slice_image(pixels, config, max_slices))
                items.append(ImageItem(pictures[-1].grid))
            case ChatAudio(samples):
                items.append(AudioItem(len(samples)))
            case _:
                items.append(item)
    return Message(message.role, tuple(items))


def _encode_audio(
    model: OmniModel, conversations: Sequence[Sequence[ChatMessage]]
) -> list[list[Tensor]]:
    """Per conversation, the features of its messages' audio, as many as it has placeholders."""
    config = model.config
    clips: list[Tensor] = []
    parts: list[list[tuple[int, int]]] = []  # per conversation and message: (clips, features)
    for messages in conversations:
        parts.append([])
        for message in messages:
            pieces = _clips(message)
            if pieces:
                n_features = sum(token_count(len(piece), config) for piece in pieces)
                split = split_clip(_one_clip(pieces, n_features, config))
                parts[-1].append((len(split), n_features))
                clips += split
    if not clips:
        return [[] for _ in conversations]
    mels = [log_mel(clip).to(model.device, model.dtype) for clip in clips]
    hidden = model.apm.encode_clips(mels, chunk_frames(config), model.quirks)
    features = iter(model.audio_projection_layer(hidden))
    return [
        [
            torch.cat([next(features) for _ in range(n_clips)])[:n_features]
            for n_clips, n_features in counts
        ]
        for counts in parts
    ]


def _one_clip(pieces: Sequence[np.ndarray], n_features: int, config: OmniConfig) -> np.ndarray:
    """The pieces of a message as one clip, with silence after it where rounding would leave it a
    feature short of the placeholders that the pieces have one by one.
    """
    clip = np.concatenate(pieces)
    if token_count(len(clip), config) >= n_features:
        return clip
    needed = n_features * config.audio_pool_step * ENCODER_FRAME_SAMPLES
    return np.pad(clip, (0, needed - len(clip)))
