"""Callers that beep and listen for the echo.

    python -m tests.benchmarks.beeping_caller URL SECONDS [--calls N] [--silent]

Prints one line of JSON: when each beep's first sample was spoken and its echo's packet heard.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from fractions import Fraction

import httpx
import numpy as np
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError
from aiortc.rtp import RtpPacket
from av import Packet

from server.gateway.webrtc.receiver_tap import tap
from server.media.audio_jitter_buffer import AudioPacket
from server.media.caller_voice import CallerVoice
from server.media.opus_encoder import FRAME_S, OpusEncoder
from tests.benchmarks.echo_server import LOUD, QUIET_BEFORE_BEEP_S
from tests.fakes.opus_voice import tone

BEEP_S = 0.1
BEEP_EVERY_S = 1.1
FRAMES_PER_BEEP = round(BEEP_EVERY_S / FRAME_S)
FRAMES_LOUD = round(BEEP_S / FRAME_S)


class Beeper(MediaStreamTrack):
    """A microphone that hears a beep now and then."""

    kind = "audio"

    def __init__(self, *, silent: bool) -> None:
        super().__init__()
        self.beeps: list[float] = []
        self._silent = silent
        self._encoder = OpusEncoder()
        self._beep = tone(1000, BEEP_S, 20_000).reshape(FRAMES_LOUD, -1)
        self._started_at_s: float | None = None
        self._n_frames = 0

    async def recv(self) -> Packet:
        if self.readyState != "live":
            raise MediaStreamError
        now_s = time.monotonic()
        self._started_at_s = self._started_at_s if self._started_at_s is not None else now_s
        early_s = self._started_at_s + self._n_frames * FRAME_S - now_s
        if early_s < -FRAME_S:
            # What this process had no time for was never spoken; a burst would be no microphone's.
            self._n_frames += int(-early_s / FRAME_S)
        await asyncio.sleep(early_s)
        place = self._n_frames % FRAMES_PER_BEEP - FRAMES_PER_BEEP // 2
        is_loud = 0 <= place < FRAMES_LOUD and not self._silent
        if is_loud and place == 0:
            # The frame is spoken while it is recorded, and sent when it is complete.
            self.beeps.append(time.monotonic() - FRAME_S)
        packet = Packet(self._encoder.encode(self._beep[place] if is_loud else None))
        packet.pts, packet.time_base = self._n_frames * 960, Fraction(1, 48_000)
        self._n_frames += 1
        return packet


class Ear:
    """Hears echoes as a page would whose own jitter buffer were empty."""

    def __init__(self, *, decode: bool) -> None:
        self.echoes: list[float] = []
        self._voice = CallerVoice() if decode else None
        self._loud_at_s = 0.0

    def add(self, packet: RtpPacket) -> tuple[bool, None]:
        if self._voice is not None:
            now_s = time.monotonic()
            heard = self._voice.push(
                AudioPacket(packet.sequence_number, packet.timestamp, packet.payload)
            )
            if heard.size and np.abs(heard.astype(np.int32)).max() > LOUD:
                if now_s - self._loud_at_s > QUIET_BEFORE_BEEP_S:
                    self.echoes.append(now_s)
                self._loud_at_s = now_s
        return False, None


class BeepingCaller:
    """One call."""

    def __init__(self, *, silent: bool) -> None:
        self.microphone = Beeper(silent=silent)
        self.ear = Ear(decode=not silent)
        self.opened = asyncio.Event()
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._connection.addTrack(self.microphone)
        self.channel = self._connection.createDataChannel("oai-events")
        self.channel.on("open", self.opened.set)

    async def dial(self, http: httpx.AsyncClient) -> None:
        """Place the call; waits until events flow."""
        await self._connection.setLocalDescription()
        response = await http.post(
            "/v1/realtime/calls",
            content=self._connection.localDescription.sdp,
            headers={"Content-Type": "application/sdp"},
        )
        response.raise_for_status()
        tap(self._connection.getReceivers()[0], self.ear)
        await self._connection.setRemoteDescription(RTCSessionDescription(response.text, "answer"))
        async with asyncio.timeout(30):
            await self.opened.wait()

    async def close(self) -> None:
        """Hang up."""
        await self._connection.close()


async def call(url: str, length_s: float, n_calls: int, *, silent: bool) -> None:
    async with httpx.AsyncClient(base_url=url, timeout=30) as http:
        callers = [BeepingCaller(silent=silent) for _ in range(n_calls)]
        for caller in callers:
            await caller.dial(http)
        sys.stdout.write("connected\n")
        sys.stdout.flush()
        await asyncio.sleep(length_s)
        report = {
            "beeps": [beep for caller in callers for beep in caller.microphone.beeps],
            "echoes": [echo for caller in callers for echo in caller.ear.echoes],
            "open": sum(caller.channel.readyState == "open" for caller in callers),
        }
        sys.stdout.write(json.dumps(report) + "\n")
        sys.stdout.flush()
        for caller in callers:
            await caller.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("seconds", type=float)
    parser.add_argument("--calls", type=int, default=1)
    parser.add_argument("--silent", action="store_true")
    parser.add_argument("--repeat", type=int, default=1, help="hang up and call again")
    options = parser.parse_args()
    for _ in range(options.repeat):
        asyncio.run(call(options.url, options.seconds, options.calls, silent=options.silent))


if __name__ == "__main__":
    main()
