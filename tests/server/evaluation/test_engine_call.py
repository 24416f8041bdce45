"""One session: every command is answered before the next, and trouble is said."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from server.engine.interface import (
    AudioChunk,
    Cancel,
    Close,
    Command,
    CommandRejected,
    Open,
    Opened,
    Prefill,
    Respond,
    ResponseDone,
    ResponseSpec,
    ResponseStatus,
    SessionEvent,
    SessionLost,
    SessionSpec,
    TextChunk,
    TextMessage,
    UnitPrefilled,
)
from server.errors import EngineError
from server.evaluation.engine_call import BYTES_PER_SECOND, LONGEST_REPLY_S, EngineCall, Reply

pytestmark = pytest.mark.unit

NAME = "s"


class ScriptedEngine:
    """Answers commands as told, at once."""

    def __init__(self, answer: Callable[[Command], list[SessionEvent]]) -> None:
        self.commands: list[Command] = []
        self._answer = answer
        self._sinks: dict[str, Any] = {}

    def attach(self, session_id: str, sink: Any) -> None:
        self._sinks[session_id] = sink

    def detach(self, session_id: str) -> None:
        self._sinks.pop(session_id, None)

    def submit(self, command: Command) -> None:
        self.commands.append(command)
        for event in self._answer(command):
            if event.session_id in self._sinks:
                self._sinks[event.session_id](event)


def polite(command: Command) -> list[SessionEvent]:
    match command:
        case Open():
            return [Opened(NAME, 1, 10)]
        case Prefill():
            return [UnitPrefilled(NAME, None, 2, 3, 13, 0.0, 0.0, False)]
        case Respond(response_id=response):
            return [
                TextChunk(NAME, response, "It is", 3),
                AudioChunk(NAME, response, b"ab", 5),
                TextChunk(NAME, response, " red.", 4),
                AudioChunk(NAME, response, b"cd", 10),
                ResponseDone(NAME, response, ResponseStatus.COMPLETED),
            ]
        case _:
            return []


def held(engine: ScriptedEngine) -> list[Reply]:
    async def hold() -> list[Reply]:
        async with asyncio.timeout(10):
            call = EngineCall(engine, NAME)  # type: ignore[arg-type]
            try:
                await call.open(SessionSpec())
                replies = []
                for _ in range(2):
                    await call.prefill(TextMessage("user", "hello"))
                    replies.append(await call.respond(ResponseSpec()))
                return replies
            finally:
                call.close()

    return asyncio.run(hold())


def test_what_is_streamed_is_joined_and_each_answer_has_its_own_name() -> None:
    engine = ScriptedEngine(polite)
    replies = held(engine)
    assert replies == [Reply("It is red.", b"abcd", ResponseStatus.COMPLETED)] * 2
    names = [command.response_id for command in engine.commands if isinstance(command, Respond)]
    assert len(set(names)) == 2
    assert isinstance(engine.commands[-1], Close)


def test_an_answer_without_end_is_cut_short() -> None:
    second = b"\0" * BYTES_PER_SECOND

    def endless(command: Command) -> list[SessionEvent]:
        match command:
            case Respond(response_id=response):
                return [AudioChunk(NAME, response, second, 1)] * (int(LONGEST_REPLY_S) + 1)
            case Cancel(response_id=response):
                return [ResponseDone(NAME, response, ResponseStatus.CANCELLED)]
            case _:
                return polite(command)

    reply = held(ScriptedEngine(endless))[0]
    assert reply.status is ResponseStatus.CANCELLED
    assert len(reply.pcm) == (int(LONGEST_REPLY_S) + 1) * BYTES_PER_SECOND


@pytest.mark.parametrize(
    ("kind", "event", "said"),
    [
        (Open, SessionLost(NAME, "no row is free"), "lost the session: no row is free"),
        (Prefill, CommandRejected(NAME, "Prefill", "bad", "odd bytes"), "Prefill was rejected"),
        (
            Respond,
            ResponseDone(NAME, f"{NAME}-1", ResponseStatus.FAILED, "context_full: too long"),
            "an answer failed: context_full",
        ),
    ],
)
def test_what_the_engine_cannot_do_is_an_error_and_the_row_is_given_back(
    kind: type, event: SessionEvent, said: str
) -> None:
    engine = ScriptedEngine(lambda c: [event] if isinstance(c, kind) else polite(c))
    with pytest.raises(EngineError, match=said):
        held(engine)
    assert isinstance(engine.commands[-1], Close)
