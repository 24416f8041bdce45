"""A WebSocket server that answers a caller by script, on loopback."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

Event = dict[str, Any]
Handshake = Callable[[ServerConnection, Request], Response | None]
Script = Callable[["ScriptedCall", Event], Awaitable[None]]


@dataclass
class ScriptedCall:
    """One connection of a :func:`scripted_server`: what came in, and how to answer."""

    connection: ServerConnection
    received: list[Event] = field(default_factory=list)

    async def send(self, kind: str, **fields: Any) -> None:
        """Send one server event."""
        await self.connection.send(json.dumps({"type": kind, **fields}))

    async def answer(self, text: str, pcm: bytes, status: str = "completed") -> None:
        """Send a whole spoken answer."""
        await self.send("response.created", response={"id": "resp_1"})
        await self.send("response.output_audio_transcript.delta", delta=text)
        half = len(pcm) // 4 * 2
        for piece in (pcm[:half], pcm[half:]):
            await self.send("response.output_audio.delta", delta=base64.b64encode(piece).decode())
        await self.send("response.timings", eou_delay_ms=520, rtf=0.4)
        await self.send("response.done", response={"id": "resp_1", "status": status})

    def kinds(self) -> list[str]:
        """Types of the events that came in, runs of one type as one."""
        kinds: list[str] = []
        for event in self.received:
            if not kinds or kinds[-1] != event["type"]:
                kinds.append(event["type"])
        return kinds

    def audio(self) -> bytes:
        """All audio that came in."""
        return b"".join(
            base64.b64decode(event["audio"])
            for event in self.received
            if event["type"] == "input_audio_buffer.append"
        )


@asynccontextmanager
async def scripted_server(
    script: Script, process_request: Handshake | None = None
) -> AsyncIterator[tuple[str, list[ScriptedCall]]]:
    """Serve on a free loopback port.

    Args:
        script: Called with every event that comes in.
        process_request: Refuses handshakes; all are taken where None.

    Yields:
        The address to call, and the calls so far.
    """
    calls: list[ScriptedCall] = []

    async def handle(connection: ServerConnection) -> None:
        call = ScriptedCall(connection)
        calls.append(call)
        await call.send("session.created", session={"id": "sess_1", "model": "pocket-untrained"})
        async for message in connection:
            event = json.loads(message)
            call.received.append(event)
            await script(call, event)

    async with serve(handle, "127.0.0.1", 0, process_request=process_request) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield f"ws://127.0.0.1:{port}/v1/realtime", calls


@contextmanager
def scripted_server_thread(script: Script) -> Iterator[tuple[str, list[ScriptedCall]]]:
    """:func:`scripted_server` on a loop of its own, for a caller that brings its own loop too."""
    served: list[tuple[str, list[ScriptedCall]]] = []
    ready, over = threading.Event(), threading.Event()

    async def hold() -> None:
        async with scripted_server(script) as server:
            served.append(server)
            ready.set()
            await asyncio.to_thread(over.wait)

    thread = threading.Thread(target=asyncio.run, args=(hold(),), name="scripted-server")
    thread.start()
    try:
        assert ready.wait(10), "the scripted server did not start"
        yield served[0]
    finally:
        over.set()
        thread.join()
