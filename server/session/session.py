"""One call: everything of it that is not inside the engine."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from functools import partial

from server.clock import Clock
from server.config import Config
from server.engine.client import EngineClient
from server.engine.interface import ImageFrame, SessionEvent, TextMessage
from server.errors import EngineError, OmnicallError, ProtocolError, SessionClosedError
from server.media.pcm import Samples
from server.media.voice_activity import SileroVoiceActivity, VoiceActivity, VoiceActivityError
from server.protocol.ids import new_id
from server.session.backlog import Backlog
from server.session.engine_events import EngineEvents
from server.session.engine_link import EngineLink
from server.session.events import (
    HistoryReset,
    Problem,
    ResponseTrigger,
    SessionEnded,
    SessionOutput,
)
from server.session.history import History
from server.session.input_line import InputLine
from server.session.input_path import InputPath
from server.session.microphone import Microphone
from server.session.options import ResponseOverrides, SessionOptions, check_fixed
from server.session.output_queue import OutputQueue
from server.session.playout import Playout
from server.session.responder import AUDIO_HIGH_WATER, Responder
from server.session.session_log import SessionLog, SessionSummary
from server.session.states import SessionState, next_state
from server.session.turn_taking import TurnTaking
from server.session.watchdog import Watchdog

logger = logging.getLogger("omnicall.session")

DRAINING_TEXT = "the server is shutting down"
FAULTS = ("engine_failed", "server_error")
"""Ends of a session that a response under way did not survive, rather than being cancelled."""


class Session:
    """One call. Owns all of its state but the model's.

    Every method but :meth:`run` and :meth:`outputs` is a plain function for the event loop's
    thread and never waits. What a client did wrong raises :class:`ProtocolError` and changes
    nothing; while earlier audio is still being worked off, it is told as a ``Problem`` instead.
    After the end every method but :meth:`close` raises :class:`SessionClosedError`.
    """

    def __init__(
        self,
        session_id: str,
        options: SessionOptions,
        config: Config,
        engine: EngineClient,
        clock: Clock,
        new_voice_activity: Callable[[], VoiceActivity] = SileroVoiceActivity,
    ) -> None:
        """The engine is asked for a row, and a detector is made, when they are first needed."""
        self.id = session_id
        self.options = options
        """What is in effect; replaced by :meth:`update`."""
        self._state = SessionState.CONNECTING
        self._clock = clock
        self._log = SessionLog(logger, session_id)
        self._admitted_at_s = clock.monotonic()
        self._ended: SessionEnded | None = None
        self._ending = asyncio.Event()
        self._is_draining = False
        self._playout_changed = asyncio.Event()
        on_unread = partial(self._end, "overload", "the session's events were not read fast enough")
        self._outputs = OutputQueue(clock, config.server.send_queue_events, on_unread)
        self._outputs.on_taken = self._on_output_taken
        self._engine = EngineLink(session_id, engine, self._tell_problem, self._on_engine_lost)
        self._history = History(session_id, self._engine.submit, config.session.max_backlog_s)
        self._responder = Responder(
            session_id,
            self._history,
            Playout(clock, config.playout.lead_s),
            self._outputs,
            self._on_response_finished,
        )
        self._engine_events = EngineEvents(
            self._history, self._responder, self._outputs, self._on_engine_lost
        )
        self._microphone = Microphone(Backlog(clock, config.session.max_backlog_s))
        self._turns = TurnTaking(
            InputPath(options, new_voice_activity),
            self._history,
            self._responder,
            self._outputs,
            clock,
            self._answer_turn,
        )
        self._line = InputLine(self._hear, self._tell_problem)
        self._watchdog = Watchdog(
            clock,
            self._outputs,
            idle_timeout_s=config.session.idle_timeout_s,
            send_timeout_s=config.server.send_timeout_s,
            on_idle=partial(self._end, "idle_timeout", "nothing happened for too long"),
            on_unread=on_unread,
        )

    # --- what can be seen

    @property
    def state(self) -> SessionState:
        """Where the session is in its life."""
        return self._state

    def summary(self) -> SessionSummary:
        """The session in numbers."""
        return SessionSummary(
            id=self.id,
            state=self._state,
            mode=self.options.mode,
            language=self.options.language,
            age_s=self._clock.monotonic() - self._admitted_at_s,
            units=self._engine_events.n_units,
            units_late=self._engine_events.n_units_late,
            turns=self._turns.n_turns,
            responses=self._responder.n_responses,
            interruptions=self._responder.n_interruptions,
            audio_in_s=self._microphone.received_s,
            audio_out_s=self._responder.audio_s,
            audio_dropped_s=self._history.dropped_s,
        )

    def outputs(self) -> AsyncIterator[SessionOutput]:
        """What the session says, in order, until its ``SessionEnded``; for one reader.

        Cancelling is safe: what was not handed out stays for the next reader.
        """
        return self._outputs.outputs()

    # --- what a client can do

    def update(self, options: SessionOptions) -> None:
        """Replace the options.

        Raises:
            ProtocolError: They change what the model was already told.
        """
        self._take_input()
        if self._engine.is_open:
            check_fixed(self.options, options)
        old, self.options = self.options, options
        has_new_words = options.instructions and options.instructions != old.instructions
        if self._engine.is_open and has_new_words:
            self._line.do(partial(self._instruct, options.instructions or ""))
        self._line.do(partial(self._turns.configure, options))

    def append_audio(self, pcm: bytes, rate_hz: int) -> None:
        """Take microphone audio, 16-bit little-endian mono at 8, 16, 24 or 48 kHz.

        Raises:
            ProtocolError: It is malformed, or too far ahead of real time; nothing was taken.
        """
        self._take_input()
        pieces = self._microphone.take(pcm, rate_hz)
        self._ensure_open()
        for piece in pieces:
            self._line.push_audio(piece, self._clock.monotonic())

    def append_image(self, frame: ImageFrame) -> None:
        """Take a camera frame; the newest one of a unit wins.

        Raises:
            ProtocolError: The session takes audio alone.
        """
        self._take_input()
        if self.options.mode == "audio":
            raise ProtocolError(
                "this session takes audio alone; choose session.mode 'omni' before the first input",
                code="image_not_accepted",
                param="session.mode",
            )
        self._ensure_open()
        self._line.do(partial(self._turns.see, frame))

    def commit(self) -> str:
        """End the user's turn; returns its id. No response by itself.

        Raises:
            ProtocolError: ``input_audio_buffer_commit_empty``.
        """
        self._take_input()
        if self.options.turn_detection is None:
            # The last milliseconds belong to this turn; a detected one has silence at its end.
            self._line.push_audio(self._microphone.flush(), self._clock.monotonic())
        turn_id = self._turns.turn_id or new_id("turn")
        self._line.do(partial(self._turns.commit, turn_id))
        return turn_id

    def clear(self) -> None:
        """Throw away the audio that was not committed."""
        self._take_input()
        self._microphone.clear()
        self._line.do(self._turns.clear)

    def add_message(self, message: TextMessage) -> None:
        """Add typed text to the conversation, after what was seen and heard until now."""
        self._take_input()
        self._ensure_open()
        self._line.do(partial(self._turns.type, message))

    def respond(self, overrides: ResponseOverrides | None = None) -> str:
        """Ask for a response; returns its id.

        Raises:
            ProtocolError: ``conversation_already_has_active_response``.
        """
        self._take_input()
        if self._is_draining:
            raise ProtocolError(DRAINING_TEXT, code="server_draining")
        self._ensure_open()
        response_id = new_id("resp")
        self._line.do(partial(self._respond, response_id, overrides))
        return response_id

    def cancel(self, response_id: str | None = None) -> None:
        """Stop the response under way; the model remembers what was heard of it.

        Raises:
            ProtocolError: ``response_cancel_not_active``.
        """
        self._take_input()
        cancel = partial(self._responder.cancel_for_client, response_id)
        if self._responder.active is None:
            self._line.do(cancel)
        else:
            cancel()

    def truncate(self, response_id: str, audio_end_s: float) -> None:
        """Make the model remember only the first ``audio_end_s`` seconds of the last response.

        Raises:
            ProtocolError: It is not the last response, is shorter, or too much was said since.
        """
        self._take_input()
        self._responder.truncate(response_id, audio_end_s)

    def reset(self) -> None:
        """Make the model forget everything but its system prompt."""
        self._take_input()
        if self._engine.is_open and not self._history.reset():
            return
        self._line.clear()
        self._microphone.clear()
        self._turns.reset()
        self._responder.forget()
        if not self._engine.is_open:
            self._outputs.put(HistoryReset())

    def close(self, code: str, message: str) -> None:
        """End the session; ``code`` and ``message`` are its last words. Safe to call twice."""
        self._end(code, message)

    def drain(self) -> None:
        """End the session once it is not responding; no further response is begun."""
        self._is_draining = True
        if self._responder.active is None:
            self._end("draining", DRAINING_TEXT)

    # --- life

    async def run(self) -> None:
        """Live until :meth:`close`, a time-out or a failure.

        Cancelling ends the session, too; nothing of it is left afterwards.
        """
        self._log.info("open mode=%s language=%s", self.options.mode, self.options.language)
        try:
            async with asyncio.TaskGroup() as group:
                jobs = {
                    "inputs": self._line.run(),
                    "engine events": self._engine.run(self._on_engine_event),
                    "playout": self._pump_playout(),
                    "watchdog": self._watchdog.run(),
                }
                tasks = [
                    group.create_task(job, name=f"{self.id} {name}") for name, job in jobs.items()
                ]
                await self._ending.wait()
                for task in tasks:
                    task.cancel()
        except* Exception:  # noqa: BLE001 - the session group is where a fault of ours ends
            self._log.exception("failed")
            self._end("server_error", "the server failed; place the call again")
        finally:
            self._end("closed", "the session was stopped")
            self._shut_down()

    def _shut_down(self) -> None:
        assert self._ended is not None
        self._responder.end(self._ended.code in FAULTS)
        self._engine.close()
        self._set_state(SessionState.CLOSED)
        self._outputs.close(self._ended)
        self._log.info("closed code=%s %s", self._ended.code, self.summary())

    async def _pump_playout(self) -> None:
        """Release speech whenever it is due."""
        while True:
            wait_s = self._responder.release_due()
            self._playout_changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._playout_changed.wait()

    # --- inputs, in order

    def _take_input(self) -> None:
        if self._ended is not None:
            raise SessionClosedError(f"the session has ended: {self._ended.message}")
        self._watchdog.touch()

    def _ensure_open(self) -> None:
        if self._engine.is_open:
            return
        try:
            self._engine.open(self.options.session_spec())
        except EngineError as error:
            self._end("engine_failed", f"the model cannot take this call: {error.message}")
            raise
        self._set_state(SessionState.LISTENING)

    def _hear(self, samples: Samples, received_at_s: float) -> None:
        try:
            self._turns.hear(samples, received_at_s)
        except VoiceActivityError as error:
            # Going on would leave the user talking to somebody who never notices the end.
            self._end("server_error", error.message)

    def _instruct(self, instructions: str) -> None:
        self._history.prefill(TextMessage("system", instructions), is_committed=True)

    def _respond(self, response_id: str, overrides: ResponseOverrides | None) -> None:
        self._responder.check_free()
        if overrides is not None and overrides.instructions:
            self._instruct(overrides.instructions)
        self._turns.flush_context()
        spec = self.options.response_spec(overrides)
        self._set_state(SessionState.RESPONDING)
        self._responder.begin(response_id, ResponseTrigger.REQUESTED, spec, None)

    def _answer_turn(self, eou_delay_s: float) -> None:
        if self._is_draining or self._ended is not None:
            return
        spec = self.options.response_spec(None)
        self._set_state(SessionState.RESPONDING)
        self._responder.begin(new_id("resp"), ResponseTrigger.TURN_ENDED, spec, eou_delay_s)

    # --- what happens to it

    def _on_engine_event(self, event: SessionEvent) -> None:
        self._engine_events.handle(event)
        self._watchdog.touch()
        self._playout_changed.set()

    def _on_response_finished(self) -> None:
        if self._state is SessionState.RESPONDING:
            self._set_state(SessionState.LISTENING)
        if self._is_draining:
            self._end("draining", DRAINING_TEXT)
        else:
            self._turns.on_response_finished()

    def _on_output_taken(self) -> None:
        self._watchdog.touch()
        if len(self._outputs) == AUDIO_HIGH_WATER - 1:
            self._playout_changed.set()

    def _on_engine_lost(self, reason: str) -> None:
        self._end("engine_failed", f"the model lost this call ({reason}); place it again")

    def _tell_problem(self, error: OmnicallError) -> None:
        self._outputs.put(Problem(error.code, error.message))

    def _end(self, code: str, message: str) -> None:
        """Begin the end; the first reason counts."""
        if self._ended is None:
            self._ended = SessionEnded(code, message)
            self._set_state(SessionState.CLOSING)
            self._line.clear()
            self._ending.set()

    def _set_state(self, state: SessionState) -> None:
        self._state = next_state(self._state, state)
