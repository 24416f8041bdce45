"""Prompts: system prompts, both chat templates, and what images and audio look like in them.

A prompt is a list of content items. Template text is ours and may name special tokens; a plain
``str`` is foreign text (a user's words, instructions, a transcript) and never does; images and
audio stand for their placeholder tokens. :func:`encode_prompt` turns the items into ids and says
where features go. See :mod:`model.tokenizer` for how borders between items are encoded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from model.audio_features import audio_placeholder
from model.config import OmniConfig
from model.image_slicing import image_placeholder
from model.tokenizer import TextTokenizer

Role = Literal["system", "user", "assistant"]
Language = Literal["en", "zh"]
SystemPromptMode = Literal["default", "omni", "audio_assistant", "audio_roleplay", "voice_cloning"]
Span = tuple[int, int]
"""Half-open range of positions in a prompt."""


@dataclass(frozen=True, slots=True)
class Template:
    """Text written by this package: special tokens in it count."""

    text: str


@dataclass(frozen=True, slots=True)
class ImageItem:
    """An image's place in a prompt."""

    grid: tuple[int, int] | None = None
    """(columns, rows) of its slices; None where there is only the overview."""


@dataclass(frozen=True, slots=True)
class AudioItem:
    """A clip's place in a prompt."""

    n_samples: int
    """Length at 16 kHz; it decides how many placeholder tokens there are."""


ContentItem = str | Template | ImageItem | AudioItem


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation that is given as a whole."""

    role: Role
    content: tuple[ContentItem, ...]


@dataclass(frozen=True, slots=True)
class Prompt:
    """Token ids and where image slices, audio and the speaker embedding are among them."""

    ids: tuple[int, ...]
    image_spans: tuple[Span, ...] = field(default=())
    """One per image slice, in order; each as long as a slice has vectors."""
    audio_spans: tuple[Span, ...] = field(default=())
    """One per block of audio; features are dealt out to them in order."""
    speaker_spans: tuple[Span, ...] = field(default=())
    """Where the hidden state of ``<|spk|>`` is the speaker embedding of what follows."""


UNIT = Template("<unit>")
"""Opens a unit of video."""
TURN_END = "<|im_end|>\n"
SPEECH_HEADER = "<|im_start|>assistant\n<|spk_bos|><|spk|><|spk_eos|><|tts_bos|>"
"""Opens an answer that will be spoken."""
TEXT_HEADER = "<|im_start|>assistant\n"
DEFAULT_SYSTEM_MESSAGE = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."
"""What the plain template puts before a conversation without a system message."""


def role_header(role: Role) -> str:
    """What opens a message."""
    return f"<|im_start|>{role}\n"


# --- system prompts

_BUILT_IN_VOICE = "Use the <reserved_53> voice."
_DEFAULT_TASK = (
    "You are a helpful assistant. You can accept audio and text input and output voice and text."
)
_OMNI_TASK = {
    "en": (
        "You are a helpful assistant. You can accept video, audio and text input and output voice "
        "and text. "
    ),
    "zh": "你是一个AI助手。你能接受视频，音频和文本输入并输出语音和文本。",
}
_CLONE_VOICE = {
    "en": "Clone the voice in the provided audio prompt.",
    "zh": "模仿输入音频中的声音特征。",
}
_SPEAK_IN_VOICE = {
    "en": "As an assistant, you will speak using this voice style.",
    "zh": "作为助手，你将使用这种声音风格说话。",
}
_ASSISTANT_VOICE = {
    "en": "Use the voice in the audio prompt to synthesize new content.",
    "zh": _CLONE_VOICE["zh"],
}
_ASSISTANT_TASK = {
    "en": "You are a helpful assistant with the above voice style.",
    "zh": _SPEAK_IN_VOICE["zh"],
}
_ROLEPLAY_TASK = {
    "en": "Try to role-play the character based on the audio prompt above.",
    "zh": "假装你是上述音频中的人物，与我进行对话。",
}


def system_prompt(
    mode: SystemPromptMode,
    language: Language,
    voice: AudioItem | None = None,
    instructions: str | None = None,
) -> tuple[ContentItem, ...]:
    """Content of the message that opens a session; its role is ``user``, its items join by "".

    Args:
        mode: What the model is to be.
        language: Of the prompt; ``default`` has one for both.
        voice: Reference audio whose voice the model takes on.
        instructions: Foreign text that replaces the mode's task sentence; the sentences about the
            voice stay.

    Raises:
        ValueError: ``voice_cloning`` without a voice to clone.
    """
    own_task: ContentItem | None = instructions
    if mode == "default":
        return (own_task or Template(_DEFAULT_TASK),)
    if mode == "omni":
        return _omni_prompt(language, voice, instructions)
    if mode == "voice_cloning":
        if voice is None:
            raise ValueError("voice_cloning needs reference audio: pass the voice to clone")
        content = (Template(_CLONE_VOICE[language]), voice)
        return (*content, instructions) if instructions else content
    if mode == "audio_assistant":
        sentence, task = _ASSISTANT_VOICE[language], _ASSISTANT_TASK[language]
    else:
        sentence, task = _CLONE_VOICE[language], _ROLEPLAY_TASK[language]
    task_item = own_task or Template(task)
    if voice is None:
        return (Template(_BUILT_IN_VOICE), task_item)
    return (Template(sentence), voice, task_item)


def _omni_prompt(
    language: Language, voice: AudioItem | None, instructions: str | None
) -> tuple[ContentItem, ...]:
    task = _OMNI_TASK[language]
    if not instructions:
        if voice is None:
            return (Template(task),)
        opening: tuple[ContentItem, ...] = (Template(task + _CLONE_VOICE[language]),)
    elif voice is None:
        return (instructions,)
    else:
        gap = " " if language == "en" else ""
        opening = (instructions, Template(gap + _CLONE_VOICE[language]))
    return (*opening, voice, Template(_SPEAK_IN_VOICE[language]))


# --- templates


def join_content(content: Sequence[ContentItem], separator: str = "") -> list[ContentItem]:
    """The items of one message, with ``separator`` between them ("" in calls, "\\n" in chats)."""
    if not separator:
        return list(content)
    joined: list[ContentItem] = []
    for item in content:
        joined += [Template(separator), item] if joined else [item]
    return joined


def speech_template(
    messages: Sequence[Message], separator: str = "\n", generate: bool = True
) -> list[ContentItem]:
    """The template of conversations with audio; it adds no system message of its own.

    Args:
        messages: The conversation.
        separator: Between the items of a message.
        generate: End with the header of a spoken answer.
    """
    return _template(messages, separator, SPEECH_HEADER if generate else "")


def plain_template(
    messages: Sequence[Message], separator: str = "\n", generate: bool = True
) -> list[ContentItem]:
    """Qwen2.5's own template, for conversations of text and images. Arguments as above."""
    if not messages or messages[0].role != "system":
        messages = [Message("system", (Template(DEFAULT_SYSTEM_MESSAGE),)), *messages]
    return _template(messages, separator, TEXT_HEADER if generate else "")


def _template(messages: Sequence[Message], separator: str, ending: str) -> list[ContentItem]:
    items: list[ContentItem] = []
    for message in messages:
        items.append(Template(role_header(message.role)))
        items += join_content(message.content, separator)
        items.append(Template(TURN_END))
    return [*items, Template(ending)] if ending else items


# --- ids


def prompt_pieces(
    items: Sequence[ContentItem],
    config: OmniConfig,
    *,
    image_ids: bool = False,
    chunk_audio: bool = True,
) -> list[tuple[str, bool]]:
    """The prompt as text: pieces and whether special tokens in them count.

    Args:
        items: What a template, a system prompt or a dialogue step is made of.
        config: Says how many tokens images and audio take.
        image_ids: Number the images (``<image_id>``), from 0.
        chunk_audio: Cut audio in blocks of one second.
    """
    pieces: list[tuple[str, bool]] = []
    n_images = 0
    for item in items:
        match item:
            case str():
                pieces.append((item, False))
            case Template(text):
                pieces.append((text, True))
            case ImageItem(grid):
                index = n_images if image_ids else None
                pieces.append((image_placeholder(grid, index, config.query_num), True))
                n_images += 1
            case AudioItem(n_samples):
                pieces.append((audio_placeholder(n_samples, config, chunk_audio), True))
    return pieces


def encode_prompt(
    items: Sequence[ContentItem],
    tokenizer: TextTokenizer,
    config: OmniConfig,
    *,
    image_ids: bool = False,
    chunk_audio: bool = True,
) -> Prompt:
    """Ids of a prompt and the places of its features. Arguments as :func:`prompt_pieces`."""
    pieces = prompt_pieces(items, config, image_ids=image_ids, chunk_audio=chunk_audio)
    ids = tokenizer.encode_pieces(pieces)
    return Prompt(
        ids=tuple(ids),
        image_spans=_spans(
            ids,
            {tokenizer.image_start, tokenizer.slice_start},
            {tokenizer.image_end, tokenizer.slice_end},
        ),
        audio_spans=_spans(ids, {tokenizer.audio_start}, {tokenizer.audio_end}),
        speaker_spans=_spans(ids, {tokenizer.spk_bos}, {tokenizer.spk_eos}),
    )


def _spans(ids: Sequence[int], starts: set[int], ends: set[int]) -> tuple[Span, ...]:
    """What lies between each start token and the end token after it.

    Only template text can hold these tokens, so they always come in pairs.
    """
    spans = []
    opened = 0
    for position, token_id in enumerate(ids):
        if token_id in starts:
            opened = position + 1
        elif token_id in ends:
            spans.append((opened, position))
    return tuple(spans)
