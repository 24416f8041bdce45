"""A caller over WebRTC: aiortc on the other end of a real connection on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from fractions import Fraction
from typing import Any

import aioice.ice
import httpx
import numpy as np
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCSessionDescription,
    VideoStreamTrack,
)
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame, Packet

from server.media.opus_encoder import OpusEncoder
from server.media.pcm import Samples
from tests.server.protocol.openai_dialect import check_server_event

CALLS = "/v1/realtime/calls"
EXTENSION_EVENTS = ("unit.prefilled", "response.timings")
FRAME_S = 0.02
FRAME_SAMPLES = 480
"""At 24 kHz."""


class Microphone(MediaStreamTrack):
    """Says what it is given, 20 ms at a time, and is silent in between."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._encoder = OpusEncoder()
        self._waiting: list[Samples] = []
        self._started_at_s: float | None = None
        self._n_frames = 0

    def say(self, wave: Samples) -> None:
        """Speak a wave ``[n]`` at 24 kHz."""
        n_frames = -(-wave.size // FRAME_SAMPLES)
        padded = np.zeros(n_frames * FRAME_SAMPLES, dtype=np.int16)
        padded[: wave.size] = wave
        self._waiting += list(padded.reshape(n_frames, FRAME_SAMPLES))

    async def recv(self) -> Packet:
        if self.readyState != "live":
            raise MediaStreamError
        now_s = asyncio.get_running_loop().time()
        self._started_at_s = self._started_at_s if self._started_at_s is not None else now_s
        await asyncio.sleep(self._started_at_s + self._n_frames * FRAME_S - now_s)
        packet = Packet(self._encoder.encode(self._waiting.pop(0) if self._waiting else None))
        packet.pts, packet.time_base = self._n_frames * 960, Fraction(1, 48_000)
        self._n_frames += 1
        return packet


class Caller:
    """One peer connection to a server, with what came over it."""

    def __init__(
        self, *, with_video: bool = False, connection: RTCPeerConnection | None = None
    ) -> None:
        self.connection = connection or RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.microphone = Microphone()
        self.events: list[dict[str, Any]] = []
        self.frames: list[AudioFrame] = []
        self.call_id = ""
        self._came = asyncio.Event()
        self._opened = asyncio.Event()
        self.closed = asyncio.Event()
        """The server closed the data channel."""
        self.connection.addTrack(self.microphone)
        if with_video:
            self.connection.addTrack(VideoStreamTrack())
        self.channel = self.connection.createDataChannel("oai-events")
        self.channel.on("open", self._opened.set)
        self.channel.on("message", self._take)
        self.channel.on("close", self.closed.set)
        self.connection.on("track", self._listen)
        self._listener: asyncio.Task[None] | None = None

    def _take(self, message: str) -> None:
        event = json.loads(message)
        checked = event["type"] not in EXTENSION_EVENTS
        self.events.append(check_server_event(message) if checked else event)
        self._came.set()

    def _listen(self, track: MediaStreamTrack) -> None:
        async def listen() -> None:
            with contextlib.suppress(MediaStreamError):
                while True:
                    self.frames.append(await track.recv())

        self._listener = asyncio.get_running_loop().create_task(listen())

    async def offer(self) -> str:
        """The SDP offer, loopback included."""
        with loopback_offered():
            await self.connection.setLocalDescription()
        return str(self.connection.localDescription.sdp)

    async def dial(
        self,
        http: httpx.AsyncClient,
        session: dict[str, Any] | None = None,
        call_id: str | None = None,
        **options: Any,
    ) -> httpx.Response:
        """Place the call; the answer is taken when there is one."""
        sdp = await self.offer()
        url = CALLS if call_id is None else f"{CALLS}?call_id={call_id}"
        if session is None:
            headers = {"Content-Type": "application/sdp"} | options.pop("headers", {})
            response = await http.post(url, content=sdp, headers=headers, **options)
        else:
            files = {
                "sdp": (None, sdp.encode(), "application/sdp"),
                "session": (None, json.dumps(session).encode(), "application/json"),
            }
            response = await http.post(url, files=files, **options)
        if response.status_code == 201:
            self.call_id = response.headers["Location"].rpartition("/")[2]
            await self.connection.setRemoteDescription(
                RTCSessionDescription(response.text, "answer")
            )
        return response

    async def opened(self) -> None:
        """Wait for the data channel."""
        async with asyncio.timeout(20):
            await self._opened.wait()

    def send(self, name: str, **fields: Any) -> None:
        """Send one client event."""
        self.channel.send(json.dumps({"type": name, **fields}))

    async def until(self, name: str, count: int = 1) -> dict[str, Any]:
        """The ``count``-th event of this name, waited for."""
        async with asyncio.timeout(20):
            while len(self.all(name)) < count:
                self._came.clear()
                await self._came.wait()
        return self.all(name)[count - 1]

    def all(self, name: str) -> list[dict[str, Any]]:
        """Every event of this name so far."""
        return [event for event in self.events if event["type"] == name]

    def names(self) -> list[str]:
        """Names so far, runs of one name as one."""
        names: list[str] = []
        for event in self.events:
            if not names or names[-1] != event["type"]:
                names.append(event["type"])
        return names

    def heard(self) -> Samples:
        """What came out of the speaker, mono at 48 kHz."""
        pieces = [frame.to_ndarray().reshape(-1, 2)[:, 0] for frame in self.frames]
        return np.concatenate(pieces) if pieces else np.zeros(0, dtype=np.int16)

    async def close(self) -> None:
        """Hang up by closing the connection."""
        if self._listener is not None:
            self._listener.cancel()
            await asyncio.wait([self._listener])
        await self.connection.close()


@contextlib.contextmanager
def loopback_offered() -> Iterable[None]:  # type: ignore[misc]
    """Let the caller's side offer 127.0.0.1, as a browser may on a machine without a network."""
    original = aioice.ice.get_host_addresses
    aioice.ice.get_host_addresses = lambda *_, **__: ["127.0.0.1"]
    try:
        yield
    finally:
        aioice.ice.get_host_addresses = original


@asynccontextmanager
async def webrtc_call(
    http: httpx.AsyncClient, session: dict[str, Any] | None = None, **options: Any
) -> AsyncIterator[Caller]:
    """A connected call that was greeted; closed with the block."""
    caller = Caller(**options)
    try:
        response = await caller.dial(http, session)
        assert response.status_code == 201, response.text
        await caller.opened()
        await caller.until("session.created")
        yield caller
    finally:
        await caller.close()


def cut_off(caller: Caller) -> None:
    """Make a caller vanish: nothing it sends arrives any more."""

    async def lose(_: bytes) -> None:
        pass

    for transport in {caller.connection.sctp.transport, *_media_transports(caller)}:
        transport.transport._send = lose


def _media_transports(caller: Caller) -> list[Any]:
    return [sender.transport for sender in caller.connection.getSenders()]
