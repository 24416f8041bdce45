"""Runs one batch of one stage on the model.

The payload of a work item says what to do; its type belongs to the stage:

=================  =======================================  ================================
stage              payload                                  result
=================  =======================================  ================================
PREPARE            ``PrepareWork``                          ``PreparedContent``
ENCODE_IMAGES      ``ImageWork``                            ``Tensor [query_num, E]``
ENCODE_AUDIO       ``AudioClip``                            ``Tensor [n_tokens, E]``
PREFILL            ``PrefillWork``                          ``PrefillResult``
DECODE_TEXT        ``TextWork``                             next token id
SPEECH_PREFILL     ``TextPrefill`` or ``AudioPrefill``      None
DECODE_SPEECH      ``SpeechWork``                           ``(codes [4], ends)``
VOCODE             codes ``[T, 4]``                         wave ``[512 T]``
=================  =======================================  ================================

In place of a result there may be an :class:`EngineError`: that item failed, and only that one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from model.omni import OmniModel, OmniState
from model.sampling import draw_tokens
from model.speech.code_sampling import CodeSampler, draw_batch
from model.speech.speech_decoder import SpeechStep, TextPrefill
from model.text_generation import TextGeneration
from server.engine.interface import ImageFrame, InputUnit, Mode, SessionSpec, TextMessage
from server.engine.preparation import prepare
from server.engine.prompt_feed import PrefillResult
from server.engine.scheduler import Batch, Stage, WorkItem
from server.errors import EngineError


class NotFiniteError(EngineError):
    """The model's output for one session is NaN or infinite."""

    code = "model_output_not_finite"


@dataclass(frozen=True, slots=True)
class PrepareWork:
    """Content to check and lay out."""

    content: InputUnit | TextMessage | SessionSpec | ImageFrame
    mode: Mode


@dataclass(frozen=True, slots=True)
class TextWork:
    """One token to append, and the answer that draws the next."""

    row: int
    token_id: int
    generation: TextGeneration


@dataclass(frozen=True, slots=True)
class AudioPrefill:
    """Frames that a new segment of speech starts with."""

    row: int
    frames: Tensor
    """Codes ``[n, 4]``."""
    n_text: int
    bidirectional: bool


@dataclass(frozen=True, slots=True)
class SpeechWork:
    """One frame to make, and who draws it."""

    step: SpeechStep
    sampler: CodeSampler


class Stages:
    """The model's stages over the rows of one state."""

    def __init__(self, model: OmniModel, state: OmniState) -> None:
        self._model = model
        self._state = state
        self._functions: dict[Stage, Callable[[Sequence[WorkItem]], Sequence[Any]]] = {
            Stage.PREPARE: self._prepare,
            Stage.ENCODE_IMAGES: self._encode_images,
            Stage.ENCODE_AUDIO: self._encode_audio,
            Stage.PREFILL: self._prefill,
            Stage.DECODE_TEXT: self._decode_text,
            Stage.SPEECH_PREFILL: self._prefill_speech,
            Stage.DECODE_SPEECH: self._decode_speech,
            Stage.VOCODE: self._vocode,
        }

    def run(self, batch: Batch) -> Sequence[Any]:
        """One result (or :class:`EngineError`) per item, in order.

        Raises:
            Exception: Something unforeseen; the rows of the whole batch are in an unknown state.
        """
        return self._functions[batch.stage](batch.items)

    def _prepare(self, items: Sequence[WorkItem]) -> Sequence[Any]:
        results: list[Any] = []
        for item in items:
            work: PrepareWork = item.payload
            try:
                results.append(prepare(work.content, work.mode, self._model.config))
            except EngineError as error:
                results.append(error)
        return results

    def _encode_images(self, items: Sequence[WorkItem]) -> Sequence[Any]:
        return self._model.encode_images([item.payload.image_slice for item in items])

    def _encode_audio(self, items: Sequence[WorkItem]) -> Sequence[Any]:
        return self._model.encode_audio([item.payload for item in items], self._state)

    def _prefill(self, items: Sequence[WorkItem]) -> Sequence[Any]:
        work = [item.payload for item in items]
        hidden = self._model.prefill(
            [part.row for part in work], [part.embeddings for part in work], self._state
        )
        generations = [part.generation for part in work if part.generation is not None]
        if not generations:
            return [PrefillResult(part) for part in hidden]
        last = [
            states[-1]
            for states, part in zip(hidden, work, strict=True)
            if part.generation is not None
        ]
        drawn = iter(self._draw(self._model.llm.logits(torch.stack(last)), generations))
        results: list[Any] = []
        for states, part in zip(hidden, work, strict=True):
            token = next(drawn) if part.generation is not None else None
            failed = isinstance(token, EngineError)
            results.append(token if failed else PrefillResult(states, token))
        return results

    def _decode_text(self, items: Sequence[WorkItem]) -> Sequence[Any]:
        work: list[TextWork] = [item.payload for item in items]
        logits, _ = self._model.decode_text(
            [step.row for step in work], [step.token_id for step in work], self._state
        )
        return self._draw(logits, [step.generation for step in work])

    def _draw(self, logits: Tensor, generations: Sequence[TextGeneration]) -> list[Any]:
        """Next token id per row ``[B, vocab]``, or why there is none."""
        finite = torch.isfinite(logits).all(dim=-1).tolist()
        if all(finite):
            return list(draw_tokens(logits, [each.draw() for each in generations]))
        good = [index for index, is_finite in enumerate(finite) if is_finite]
        results: list[Any] = [
            NotFiniteError("the language model's output is not finite") for _ in finite
        ]
        if good:
            draws = [generations[index].draw() for index in good]
            for index, token in zip(good, draw_tokens(logits[good], draws), strict=True):
                results[index] = token
        return results

    def _prefill_speech(self, items: Sequence[WorkItem]) -> Sequence[Any]:
        texts = [item.payload for item in items if isinstance(item.payload, TextPrefill)]
        if texts:
            self._model.tts.prefill_text(texts, self._state.speech)
        for item in items:
            if isinstance(item.payload, AudioPrefill):
                work = item.payload
                self._model.tts.prefill_audio(
                    work.row,
                    work.frames,
                    work.n_text,
                    self._state.speech,
                    bidirectional=work.bidirectional,
                )
        return [None] * len(items)

    def _decode_speech(self, items: Sequence[WorkItem]) -> Sequence[Any]:
        work: list[SpeechWork] = [item.payload for item in items]
        logits = self._model.tts.step([each.step for each in work], self._state.speech)
        starts = [each.step.codes is None for each in work]
        finite = torch.isfinite(logits).flatten(1).all(dim=-1).tolist()
        # A draw from NaN raises; what stands in for it is thrown away below.
        drawn = draw_batch([each.sampler for each in work], torch.nan_to_num(logits), starts)
        return [
            frame if is_finite else NotFiniteError("the speech decoder's output is not finite")
            for frame, is_finite in zip(drawn, finite, strict=True)
        ]

    def _vocode(self, items: Sequence[WorkItem]) -> Sequence[Any]:
        windows = [item.payload for item in items]
        if self._model.device.type != "cpu":
            return self._model.vocode(windows)
        # A batch rounds differently from a single window, by a bit of the 16. On CPU it saves next
        # to nothing, and without it a call sounds the same, to the bit, whoever else is calling.
        return [self._model.vocode([window])[0] for window in windows]
