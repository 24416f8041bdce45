"""The sentences of the domain: the corpus of both tokenizers, and the answers to be spoken."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import count, islice

from model.prompt import AudioItem, Template, system_prompt
from model.training.batches import PromptMode
from model.training.domain.call_script import compose_call
from model.training.domain.exchange import Exchange, Split, normal

N_CORPUS_CALLS = 6_000
MODES: tuple[PromptMode, ...] = ("default", "omni", "audio_assistant")
"""Modes a call is served in without instructions of its own."""
SECOND_SAMPLES = 16_000
PROMPT_WEIGHT = 200
"""How often a system prompt counts among the sentences."""


def corpus(n_calls: int = N_CORPUS_CALLS) -> list[str]:
    """Sentences as the model reads and writes them, and its system prompts; training's only."""
    sentences: list[str] = []
    for seed in range(n_calls):
        for turn in compose_call(seed, Split.TRAIN, manner="typed").turns:
            sentences += [turn.written, turn.exchange.answer]
    for mode in MODES:
        items = system_prompt(mode, "en", AudioItem(SECOND_SAMPLES), None)
        prompt = [item.text for item in items if isinstance(item, Template)]
        sentences += prompt * PROMPT_WEIGHT
    return [sentence for sentence in sentences if sentence]


def training_exchanges() -> Iterator[Exchange]:
    """Exchanges of endless training calls."""
    for seed in count():
        for turn in compose_call(seed, Split.TRAIN).turns:
            yield turn.exchange


def reply_texts(n_texts: int) -> list[str]:
    """The first answers that training calls meet, each once, as the model writes them."""
    texts: Counter[str] = Counter()
    for exchange in training_exchanges():
        texts[exchange.answer] += 1
        if len(texts) == n_texts:
            break
    return list(texts)


def replies_said(n_exchanges: int) -> Counter[str]:
    """How often the first exchanges of training calls are answered with each text.

    Of all right answers to a question one is learnt; the others are said by nobody but the voices.
    """
    return Counter(exchange.reply for exchange in islice(training_exchanges(), n_exchanges))


def question_texts(n_texts: int) -> list[str]:
    """The first questions that training calls meet, each once, as they are spoken."""
    texts: Counter[str] = Counter()
    for exchange in training_exchanges():
        if exchange.question:
            texts[normal(exchange.question)] += 1
        if len(texts) == n_texts:
            break
    return list(texts)
