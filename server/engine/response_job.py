"""One response: prompt, text tokens, speech, and what stays of it in the history.

What is urgent: until the first audio the user is waiting, so everything is due since ``Respond``
came; afterwards speech is due when the listener runs dry. Text is due when the speech waits for it
and has time otherwise; before the first audio it is made only as far as the speech needs it.

What stays: a completed response, whole. A cancelled one, up to the last text that left; a session
that wants to keep less rewinds to an earlier chunk's mark. One that failed, or was cancelled before
any text left: nothing, the history is what it was before it.
"""

from __future__ import annotations

import secrets
from typing import Any

import torch

from model.prompt import ContentItem, encode_prompt
from model.sampling import SamplingSettings
from model.text_generation import FinishReason, GenerationSettings, TextGeneration
from server.engine.engine_parts import EngineParts
from server.engine.eviction import SpanKind
from server.engine.history import ContextFullError, SessionHistory
from server.engine.inbox import Arrived
from server.engine.interface import (
    AudioChunk,
    Evicted,
    ImageFrame,
    Open,
    Respond,
    ResponseDone,
    ResponseStatus,
    ResponseTimings,
    TextChunk,
    Usage,
)
from server.engine.marks import Moment
from server.engine.preparation import PreparedContent, encode_wave
from server.engine.prompt_feed import PromptFeed
from server.engine.scheduler import NEVER_S, Stage, WorkItem
from server.engine.speech_output import SPEECH_HZ, SpeechOutput
from server.engine.stages import PrepareWork, TextWork
from server.errors import EngineError

TEXT_SLACK_S = 1.0
"""How much later than the speech text is due that the speech does not wait for."""
READING_S_PER_TOKEN = 0.05
"""A reader of a text-only response takes this long for a token: the rest is ahead of them."""


class ResponseJob:
    """One response under way."""

    def __init__(
        self,
        parts: EngineParts,
        history: SessionHistory,
        arrived: Arrived,
        opening: Open,
        frame: ImageFrame | None,
    ) -> None:
        """Begin to answer.

        Args:
            parts: The engine.
            history: Of the session.
            arrived: The ``Respond``.
            opening: How the session began.
            frame: A frame to look at in high resolution before answering.
        """
        command = arrived.command
        assert isinstance(command, Respond)
        self.session_id = command.session_id
        self.response_id = command.response_id
        self.done = False
        """Its ``ResponseDone`` was sent."""
        self.wake_s = NEVER_S
        """When a response that is far enough ahead goes on."""
        self._parts = parts
        self._history = history
        self._mode = opening.spec.mode
        self._language = opening.spec.language
        self._spec = command.spec
        self._arrived_s = arrived.at_s
        self._started_s: float | None = None
        self._ttft_s: float | None = None
        self._ttfa_s: float | None = None
        self._first_audio_s = 0.0
        self._audio_samples = 0
        self._input_tokens = 0
        self._before: Moment = history.moment()
        self._said: Moment | None = None
        """The history with all text that left."""
        self._text_over = False
        self._cut_reason: str | None = None
        """Why the answer is shorter than the model wanted it."""
        sampling = command.spec.sampling
        seed = secrets.randbits(63) if sampling.seed is None else sampling.seed
        self._seed = seed
        model = parts.model
        self._generation = TextGeneration(
            model.tokenizer,
            GenerationSettings(
                max_tokens=command.spec.max_output_tokens,
                sampling=SamplingSettings(
                    sampling.temperature,
                    sampling.top_p,
                    sampling.top_k,
                    sampling.repetition_penalty,
                ),
            ),
            generator=torch.Generator(model.device).manual_seed(seed),
            quirks=model.quirks,
        )
        self._frame = frame if history.dialogue.user_turn_open else None
        self._seen_tokens = 0
        self._feed: PromptFeed | None = None
        self._speech: SpeechOutput | None = None

    # --- work

    def work(self, now_s: float) -> list[WorkItem]:
        """What can be done next; ends the response when there is nothing left."""
        self.wake_s = NEVER_S
        if self._feed is None and self._frame is not None:
            work = PrepareWork(self._frame, self._mode)
            return [WorkItem(Stage.PREPARE, self, work, self._arrived_s)]
        if self._feed is None:
            self._begin_feed(None)
        if self.done or self._feed is None:
            return []
        if not self._feed.done:
            return self._feed.work(self, self._arrived_s)
        return self._generate(now_s)

    def deliver(self, item: WorkItem, result: Any, compute_s: float) -> None:
        """Take the result of an item that was run."""
        now_s = self._parts.clock.monotonic()
        if self._started_s is None:
            self._started_s = now_s - compute_s
        if isinstance(result, EngineError):
            self.fail(result)
        elif item.stage is Stage.PREPARE:
            self._begin_feed(result)
        elif item.stage is Stage.DECODE_TEXT:
            self._accept(result, now_s)
        elif self._speech is not None:
            self._speech.deliver(item, result)
            self._hand_out(self._speech, now_s)
        elif self._feed is not None:
            self._feed.deliver(item, result)
            if self._feed.done:
                self._begin_generation(now_s)

    # --- endings

    def cancel(self) -> None:
        """Stop now. Text that left stays in the history, nothing else does."""
        if self.done:
            return
        if self._said is None:
            self._history.restore(self._before)
            self._end(ResponseStatus.CANCELLED, keeps_history=False)
            return
        if self._generation.finish is not FinishReason.STOP:
            self._history.restore(self._said)
        self._end(ResponseStatus.CANCELLED)

    def fail(self, error: EngineError) -> None:
        """End without a trace in the history."""
        self._history.restore(self._before)
        self._end(ResponseStatus.FAILED, f"{error.code}: {error.message}", keeps_history=False)

    def _end(
        self, status: ResponseStatus, reason: str | None = None, *, keeps_history: bool = True
    ) -> None:
        self.done = True
        mark = None
        if keeps_history:
            self._history.note(SpanKind.CLOSED)
            mark = self._history.mark()
        started_s = self._arrived_s if self._started_s is None else self._started_s
        self._parts.emit(
            ResponseDone(
                session_id=self.session_id,
                response_id=self.response_id,
                status=status,
                reason=reason,
                usage=Usage(
                    input_tokens=self._input_tokens,
                    text_tokens=len(self._generation.ids),
                    audio_tokens=self._speech.n_frames if self._speech is not None else 0,
                ),
                timings=ResponseTimings(
                    queue_s=max(0.0, started_s - self._arrived_s),
                    ttft_s=self._ttft_s,
                    ttfa_s=self._ttfa_s,
                    total_s=self._parts.clock.monotonic() - self._arrived_s,
                    audio_s=self._audio_samples / SPEECH_HZ,
                ),
                mark=mark,
            )
        )

    # --- prompt

    def _begin_feed(self, seen: PreparedContent | None) -> None:
        """Lay out the prompt: a frame in high resolution, if asked for, and the answer's header."""
        history, model = self._history, self._parts.model
        dialogue = history.dialogue
        before = dialogue.snapshot()
        items: tuple[ContentItem, ...] = ()
        if seen is not None:
            items = dialogue.prefill(seen.role, seen.items).items
            self._seen_tokens = len(encode_prompt(items, model.tokenizer, model.config).ids)
        step = dialogue.respond()
        after = dialogue.snapshot()
        dialogue.restore(before)
        prompt = encode_prompt((*items, *step.items), model.tokenizer, model.config)
        try:
            evicted = history.make_room(len(prompt.ids))
        except ContextFullError as error:
            self.fail(error)
            return
        if evicted:
            self._parts.emit(Evicted(self.session_id, evicted, history.length))
        # After the eviction: what was evicted stays so, whatever becomes of the response.
        self._before = history.moment()
        dialogue.restore(after)
        history.clear_audio()
        self._feed = PromptFeed(
            model,
            history,
            history.take_tail(prompt),
            slices=seen.slices if seen is not None else (),
            generation=self._generation,
        )

    def _begin_generation(self, now_s: float) -> None:
        feed = self._feed
        assert feed is not None and feed.first_token_id is not None
        self._history.timeline.append(SpanKind.UNIT, self._seen_tokens)
        self._input_tokens = self._history.length
        if self._spec.audio:
            assert feed.speaker is not None
            self._speech = SpeechOutput(
                self._parts.model,
                self._parts.state,
                self._history.row,
                feed.speaker,
                language=self._language,
                greedy=self._spec.sampling.speech_greedy,
                seed=self._seed,
            )
        self._accept(feed.first_token_id, now_s)

    # --- text and speech

    def _generate(self, now_s: float) -> list[WorkItem]:
        if not self._text_over and self._history.is_full:
            self._cut_reason = "context_full"
            self._end_text()
        text_wanted = not self._text_over
        speech = self._speech
        if speech is None or speech.done:
            if text_wanted:
                deadline_s = self._arrived_s + len(self._generation.ids) * READING_S_PER_TOKEN
                return [self._text_item(deadline_s)]
            self._complete()
            return []
        ahead_s = self._seconds_ahead(now_s) - self._parts.config.engine.speech_lead_s
        if ahead_s > 0:
            self.wake_s = now_s + ahead_s
            return []
        due_s = self._listener_dry_s
        work = speech.work(self, due_s)
        if speech.done:
            self._hand_out(speech, now_s)
            return self._generate(now_s)
        if work is None:
            return [self._text_item(due_s)]
        if text_wanted and self._ttfa_s is not None:
            return [work, self._text_item(due_s + TEXT_SLACK_S)]
        return [work]

    @property
    def _listener_dry_s(self) -> float:
        """When the listener has heard everything that left; the beginning, before any did."""
        if self._ttfa_s is None:
            return self._arrived_s
        return self._first_audio_s + self._audio_samples / SPEECH_HZ

    def _seconds_ahead(self, now_s: float) -> float:
        return self._listener_dry_s - now_s if self._ttfa_s is not None else 0.0

    def _text_item(self, deadline_s: float) -> WorkItem:
        work = TextWork(self._history.row, self._generation.ids[-1], self._generation)
        return WorkItem(Stage.DECODE_TEXT, self, work, deadline_s)

    def _accept(self, token_id: int, now_s: float) -> None:
        """Take a drawn token: hand its text out, and to the speech."""
        generation = self._generation
        was_spoken = generation.spoken
        text = generation.accept(token_id)
        if self._ttft_s is None:
            self._ttft_s = now_s - self._arrived_s
        if generation.finish is FinishReason.STOP:
            self._history.dialogue.complete()
        if text:
            self._say(text, is_spoken=was_spoken)
        if generation.done:
            if generation.finish is FinishReason.LENGTH:
                self._cut_reason = "max_output_tokens"
            self._end_text()

    def _say(self, text: str, *, is_spoken: bool) -> None:
        unfed_id = self._generation.unfed_id
        self._said = self._history.moment(() if unfed_id is None else (unfed_id,))
        mark = self._history.marks.give_out(self._said)
        self._parts.emit(TextChunk(self.session_id, self.response_id, text, mark))
        if self._speech is not None and is_spoken:
            self._speech.push_text(text)

    def _end_text(self) -> None:
        """No more text comes: what is left of it goes to the history's tail and to the speech."""
        self._text_over = True
        unfed_id = self._generation.unfed_id
        self._history.tail = () if unfed_id is None else (unfed_id,)
        if self._speech is not None:
            self._speech.finish_text()

    def _hand_out(self, speech: SpeechOutput, now_s: float) -> None:
        for piece in speech.take_pieces():
            if self._ttfa_s is None:
                self._ttfa_s = now_s - self._arrived_s
                self._first_audio_s = now_s
            self._audio_samples += piece.wave.shape[0]
            pcm = encode_wave(piece.wave)
            self._parts.emit(AudioChunk(self.session_id, self.response_id, pcm, piece.text_end))

    def _complete(self) -> None:
        reason = self._cut_reason
        if reason is None and self._speech is not None and self._speech.was_cut_short:
            reason = "speech_limit"
        status = ResponseStatus.COMPLETED if reason is None else ResponseStatus.INCOMPLETE
        self._end(status, reason)
