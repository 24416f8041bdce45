"""Calls that reach the server through a relay only: coturn on loopback, over UDP and over TCP."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiortc import RTCConfiguration, RTCIceServer, RTCPeerConnection
from aiortc.rtcconfiguration import RTCIceTransportPolicy

from tests.fakes.opus_voice import tone
from tests.fakes.webrtc_caller import Caller
from tests.fakes.webrtc_server import webrtc_server

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(shutil.which("turnserver") is None, reason="coturn is not installed"),
]

SECRET = "shared"


@contextlib.contextmanager
def relay(folder: Path) -> Iterator[int]:
    """coturn on a free port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["turnserver", "-n", "--no-cli", "--no-tls", "--no-dtls", "--allow-loopback-peers"]
    command += ["--listening-ip", "127.0.0.1", "--relay-ip", "127.0.0.1", "-p", str(port)]
    command += ["--use-auth-secret", "--static-auth-secret", SECRET, "--realm", "omnicall"]
    command += ["--log-file", str(folder / "turn.log"), "--pidfile", str(folder / "turn.pid")]
    command += ["--userdb", str(folder / "turn.sqlite")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield port
    finally:
        process.terminate()
        process.wait()


async def reachable(port: int) -> None:
    """Wait until the relay listens."""
    async with asyncio.timeout(20):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.1)
            else:
                writer.close()
                await writer.wait_closed()
                return


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_call_through_a_relay(transport: str, tmp_path: Path) -> None:
    async def main(port: int) -> None:
        await reachable(port)
        url = f"turn:127.0.0.1:{port}?transport={transport}"
        webrtc = {"ice_servers": (url,), "turn_secret": SECRET}
        async with webrtc_server(webrtc=webrtc) as (_, http):
            listed = (await http.get("/v1/realtime/ice_servers")).json()["ice_servers"]
            servers = [RTCIceServer(**server) for server in listed]
            configuration = RTCConfiguration(
                iceServers=servers, iceTransportPolicy=RTCIceTransportPolicy.RELAY
            )
            caller = Caller(connection=RTCPeerConnection(configuration))
            response = await caller.dial(http)
            assert response.status_code == 201
            addresses = [
                line.split()[7]
                for line in str(caller.connection.localDescription.sdp).splitlines()
                if line.startswith("a=candidate")
            ]
            assert set(addresses) == {"relay"}
            await caller.opened()
            await caller.until("session.created")
            caller.microphone.say(tone(300, 0.6))
            await caller.until("output_audio_buffer.stopped")
            await caller.close()

    with relay(tmp_path) as port:
        asyncio.run(main(port))
