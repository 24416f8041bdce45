"""A caller over WebSocket: sends a recording at real-time pace and keeps what comes back.

It speaks the same dialect as any OpenAI Realtime client, plus two opt-in events that tell how
punctual the server was.
"""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from server.cli.call_media import WIRE_RATE_HZ, Recording
from server.cli.call_report import CallReport, TurnRecord
from server.clock import Clock
from server.errors import EngineUnavailableError, OmnicallError

SEND_INTERVAL_S = 0.04
SAMPLES_PER_SEND = int(WIRE_RATE_HZ * SEND_INTERVAL_S)
FRAME_LEAD_S = 0.2
"""A second's picture is sent this long before the second is over, so that it joins that unit."""
PATIENCE_S = 4.0
"""Silence sent after the recording before the turn is committed by hand."""
DIAL_AGAIN_S = 0.5
ENGINE_UNAVAILABLE = EngineUnavailableError.code
MAX_MESSAGE_BYTES = 16 * 1024 * 1024
EXTENSIONS = ["unit.prefilled", "response.timings"]
SETTINGS_EVENT_ID = "settings"
"""Names the event that configures the session, so that an error can be told to be about it."""
MS_PER_S = 1000.0


class CallError(OmnicallError):
    """The call could not be placed, or broke off."""

    code = "call_failed"


@dataclass(frozen=True, slots=True)
class CallOptions:
    """How to place a call."""

    url: str
    mode: str = "omni"
    language: str | None = None
    voice: Any = None
    instructions: str | None = None
    text: str | None = None
    """Typed question, sent after the audio (or instead of it)."""
    manual_turn: bool = False
    """Commit and ask for the answer instead of letting the server hear the end of the turn."""
    repeat: int = 1
    """Turns: the recording is sent this many times in one session."""
    api_key: str = ""
    verify_certificate: bool = True
    sampling: dict[str, Any] | None = None
    max_output_tokens: int | None = None
    start_timeout_s: float = 60.0
    """Longest wait for a server that is still loading its model."""
    answer_timeout_s: float = 120.0
    """Longest wait for an answer to be complete."""


class CallClient:
    """One call: a session on the server and the turns held in it."""

    def __init__(
        self, options: CallOptions, clock: Clock, progress: Callable[[str], None] = lambda _: None
    ) -> None:
        """Prepare a call; nothing is sent before :meth:`place`."""
        self.options = options
        self.report = CallReport()
        self._clock = clock
        self._progress = progress
        self._connection: ClientConnection | None = None
        self._turn = TurnRecord()
        self._turn_over_s: float | None = None
        self._answered = asyncio.Event()
        self._turn_closed = asyncio.Event()
        self._response_active = False

    async def place(self, recording: Recording) -> CallReport:
        """Hold the call. Cancelling hangs up; what was received stays in ``report``.

        Raises:
            CallError: The server cannot be reached, refuses, or breaks the connection.
        """
        try:
            self._connection = await self._dial()
            async with self._connection:
                await self._hold(recording)
        except InvalidStatus as error:
            _, said = _refusal(error)
            status = error.response.status_code
            raise CallError(
                f"{self.options.url} refused the call with HTTP {status}: {said}"
            ) from error
        except InvalidURI as error:
            raise CallError(
                f"{self.options.url!r} is no address to call: it must look like "
                "wss://host:port/v1/realtime"
            ) from error
        except (OSError, InvalidHandshake, TimeoutError) as error:
            raise CallError(
                f"cannot reach {self.options.url}: {error}. Is the server running? "
                "Start it with 'omnicall serve' (or 'make run'); for a self-signed certificate "
                "add --insecure"
            ) from error
        except BaseExceptionGroup as group:
            raise call_error(group) from group
        return self.report

    async def _dial(self) -> ClientConnection:
        """Connect; a server that is still loading its model is waited for."""
        headers = {}
        if self.options.api_key:
            headers["Authorization"] = f"Bearer {self.options.api_key}"
        patience_s = self._clock.monotonic() + self.options.start_timeout_s
        while True:
            try:
                return await connect(
                    self.options.url,
                    additional_headers=headers,
                    ssl=_tls_context(self.options),
                    max_size=MAX_MESSAGE_BYTES,
                    compression=None,
                )
            except InvalidStatus as error:
                code, _ = _refusal(error)
                if code != ENGINE_UNAVAILABLE or self._clock.monotonic() > patience_s:
                    raise
            self._progress("the server is loading its model")
            await asyncio.sleep(DIAL_AGAIN_S)

    async def _hold(self, recording: Recording) -> None:
        async with asyncio.TaskGroup() as tasks:
            receiver = tasks.create_task(self._receive(), name="receive")
            try:
                await self._configure()
                for number in range(self.options.repeat):
                    self._progress(f"turn {number + 1}/{self.options.repeat}: sending")
                    await self._hold_turn(recording)
            finally:
                receiver.cancel()

    async def _configure(self) -> None:
        session: dict[str, Any] = {
            "type": "realtime",
            "mode": self.options.mode,
            "extensions": EXTENSIONS,
            "audio": {"input": {}, "output": {}},
        }
        if self.options.manual_turn or self.options.text:
            session["audio"]["input"]["turn_detection"] = None
        if self.options.language:
            session["language"] = self.options.language
        if self.options.voice:
            session["audio"]["output"]["voice"] = self.options.voice
        if self.options.instructions is not None:
            session["instructions"] = self.options.instructions
        if self.options.sampling is not None:
            session["sampling"] = self.options.sampling
        if self.options.max_output_tokens is not None:
            session["max_output_tokens"] = self.options.max_output_tokens
        await self._send("session.update", event_id=SETTINGS_EVENT_ID, session=session)

    async def _hold_turn(self, recording: Recording) -> None:
        self._turn = TurnRecord()
        self.report.turns.append(self._turn)
        self._turn_over_s = None
        self._answered.clear()
        self._turn_closed.clear()
        async with asyncio.TaskGroup() as tasks:
            sender = tasks.create_task(self._send_recording(recording), name="send")
            try:
                async with asyncio.timeout(recording.audio_s + self.options.answer_timeout_s):
                    await self._answered.wait()
            except TimeoutError:
                self.report.errors.append(
                    {"code": "answer_timeout", "message": "no complete answer came in time"}
                )
            # The server may answer before the recording ends: it took a pause for the turn's end.
            sender.cancel()

    async def _send_recording(self, recording: Recording) -> None:
        """Send the recording at real-time pace, then silence until the turn is over."""
        started_s = self._clock.monotonic()
        sent = 0
        frames = iter(enumerate(recording.frames))
        next_frame = next(frames, None)
        silence = np.zeros(SAMPLES_PER_SEND, np.int16)
        while True:
            sent_s = sent / WIRE_RATE_HZ
            while next_frame is not None and sent_s >= next_frame[0] + 1 - FRAME_LEAD_S:
                await self._send_frame(next_frame[1])
                next_frame = next(frames, None)
            over = sent >= len(recording.pcm)
            if over and (self.options.manual_turn or self.options.text or not len(recording.pcm)):
                await self._close_turn(recording)
                return
            if over and not self._turn_closed.is_set() and sent_s > recording.audio_s + PATIENCE_S:
                self._progress("no end of speech detected: committing the turn")
                await self._send("input_audio_buffer.commit")
                await self._close_turn(recording, committed=True)
                return
            piece = silence if over else recording.pcm[sent : sent + SAMPLES_PER_SEND]
            await self._send_audio(piece)
            sent += len(piece)
            await asyncio.sleep(max(0.0, started_s + sent / WIRE_RATE_HZ - self._clock.monotonic()))

    async def _close_turn(self, recording: Recording, *, committed: bool = False) -> None:
        if len(recording.pcm) and not committed:
            await self._send("input_audio_buffer.commit")
        if self.options.text:
            content = [{"type": "input_text", "text": self.options.text}]
            item = {"type": "message", "role": "user", "content": content}
            await self._send("conversation.item.create", item=item)
        self._turn_over_s = self._clock.monotonic()
        await self._send("response.create")

    async def _send_audio(self, pcm: np.ndarray) -> None:
        audio = base64.b64encode(pcm.astype("<i2").tobytes()).decode()
        await self._send("input_audio_buffer.append", audio=audio)

    async def _send_frame(self, jpeg: bytes) -> None:
        if self.options.mode == "omni":
            image = "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()
            await self._send("input_image_buffer.append", image=image)

    async def _send(self, kind: str, **fields: Any) -> None:
        assert self._connection is not None
        await self._connection.send(json.dumps({"type": kind, **fields}))

    async def _receive(self) -> None:
        assert self._connection is not None
        async for message in self._connection:
            try:
                event = json.loads(message)
                handler = getattr(self, "_on_" + event["type"].replace(".", "_"), None)
                if handler is not None:
                    handler(event)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise CallError(
                    f"{self.options.url} sent something that is no event of the Realtime API "
                    f"({error!r}): is it an Omnicall server of this version?"
                ) from error
        raise CallError("the server ended the call")

    # --- events, by their wire names

    def _on_session_created(self, event: dict[str, Any]) -> None:
        self.report.checkpoint = event["session"].get("model") or ""

    def _on_unit_prefilled(self, event: dict[str, Any]) -> None:
        self.report.units_sent += 1
        self.report.units_late += bool(event["late"])

    def _on_input_audio_buffer_speech_stopped(self, event: dict[str, Any]) -> None:
        self._turn_closed.set()
        self._turn_over_s = self._clock.monotonic()
        self._progress("end of turn heard")

    def _on_response_created(self, event: dict[str, Any]) -> None:
        self._response_active = True

    def _on_response_output_audio_transcript_delta(self, event: dict[str, Any]) -> None:
        if self._turn.ttft_s is None:
            self._turn.ttft_s = self._since_turn_over()
        self._turn.transcript += event["delta"]

    def _on_response_output_audio_delta(self, event: dict[str, Any]) -> None:
        if self._turn.ttfa_s is None:
            self._turn.ttfa_s = self._since_turn_over()
        self._turn.pcm += base64.b64decode(event["delta"])
        self._progress(f"answering: {self._turn.audio_s:.1f} s of speech")

    def _on_response_timings(self, event: dict[str, Any]) -> None:
        if event.get("eou_delay_ms") is not None:
            self._turn.eou_delay_s = event["eou_delay_ms"] / MS_PER_S
        self._turn.rtf = event.get("rtf")

    def _on_response_done(self, event: dict[str, Any]) -> None:
        response = event["response"]
        details = response.get("status_details") or {}
        self._turn.status = response["status"]
        self._response_active = False
        if response["status"] == "failed":
            self.report.errors.append(details.get("error") or {"code": "response_failed"})
        if details.get("reason") == "turn_detected":
            # The server took a pause for the end of the turn; the question goes on and so does
            # this turn's record.
            self._turn = self.report.turns[-1] = TurnRecord()
            return
        self._answered.set()

    def _on_error(self, event: dict[str, Any]) -> None:
        error = event["error"]
        if error.get("event_id") == SETTINGS_EVENT_ID:
            # Nothing of it was taken over: what follows would not be the call that was asked for.
            failure = CallError(f"the server refused the call's settings: {error.get('message')}")
            failure.code = error.get("code") or failure.code
            raise failure
        self.report.errors.append({"code": error.get("code"), "message": error.get("message")})
        self._progress(f"error: {error.get('message')}")
        if self._turn_over_s is not None and not self._response_active:
            # The request for an answer was refused; waiting for one would wait for nothing.
            self._answered.set()

    def _since_turn_over(self) -> float | None:
        if self._turn_over_s is None:
            return None
        return self._clock.monotonic() - self._turn_over_s


def call_error(group: BaseExceptionGroup[Any]) -> BaseException:
    """What a call that broke off is reported as: the first cause, however deep it is nested."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, ConnectionClosed):
        return CallError(f"the server closed the connection: {error}")
    return error


def _tls_context(options: CallOptions) -> ssl.SSLContext | None:
    if urlsplit(options.url).scheme != "wss":
        return None
    context = ssl.create_default_context()
    if not options.verify_certificate:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _refusal(error: InvalidStatus) -> tuple[str | None, str]:
    """Code and reason of an HTTP refusal, in the server's own words where it gives them."""
    body = error.response.body or b""
    try:
        said = json.loads(body)["error"]
        return said.get("code"), str(said["message"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return None, body.decode(errors="replace").strip()[:200] or "no reason given"
