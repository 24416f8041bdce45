"""Peer connections with callers that do not behave."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from aiortc.rtp import RtpPacket

from server.clock import SystemClock
from server.config import WebRtcConfig
from server.errors import ProtocolError
from server.gateway.webrtc.offer import read_offer
from server.gateway.webrtc.peer import (
    FLOOD_PACKETS_PER_S,
    MAX_AUDIO_PACKETS_PER_S,
    MAX_SOURCES,
    Peer,
    PeerEnd,
    _AudioSink,
)
from server.media.audio_jitter_buffer import AudioPacket
from tests.fakes.offers import BROWSER_OFFER
from tests.fakes.set_clock import SetClock
from tests.fakes.webrtc_caller import Caller, webrtc_call
from tests.fakes.webrtc_server import webrtc_server

pytestmark = pytest.mark.integration

MAX_BYTES = 65_536


def new_peer(heard: list[AudioPacket], **settings: object) -> Peer:
    config = WebRtcConfig.model_validate({"include_loopback": True} | settings)
    return Peer(config, SystemClock(), lambda: None, heard.append)


def test_packets_of_the_microphone_arrive_and_the_end_is_told() -> None:
    async def main() -> None:
        heard: list[AudioPacket] = []
        peer, caller = new_peer(heard), Caller()
        answer = await peer.answer(read_offer(await caller.offer(), MAX_BYTES))
        assert peer.video is None
        await caller.connection.setRemoteDescription(
            type(caller.connection.localDescription)(answer, "answer")
        )
        assert await peer.connected()
        await asyncio.sleep(0.3)
        assert len(heard) >= 5
        await caller.close()
        async with asyncio.timeout(5):
            assert await peer.ended() is PeerEnd.CLOSED
        await peer.close()
        await peer.close()

    asyncio.run(main())


def test_a_handshake_that_never_comes_is_given_up() -> None:
    async def main() -> None:
        peer = new_peer([], connect_timeout_s=0.2)
        await peer.answer(read_offer(BROWSER_OFFER, MAX_BYTES))
        assert not await peer.connected()
        assert await peer.ended() is PeerEnd.FAILED
        await peer.close()

    asyncio.run(main())


def test_the_answer_takes_what_is_spoken_here_only() -> None:
    async def main() -> None:
        peer = new_peer([])
        answer = await peer.answer(read_offer(BROWSER_OFFER, MAX_BYTES))
        await peer.close()
        assert peer.video is not None
        names = {line.split()[1] for line in answer.splitlines() if line.startswith("a=rtpmap")}
        assert names == {"opus/48000/2", "VP8/90000", "rtx/90000", "H264/90000"}
        sections = answer.split("m=")[1:]
        assert "a=sendrecv" in sections[0]
        assert "a=recvonly" in sections[1]

    asyncio.run(main())


def test_an_offer_that_cannot_be_answered_is_refused() -> None:
    async def main() -> None:
        peer = new_peer([])
        offer = read_offer(BROWSER_OFFER.replace("a=rtcp-mux\r\n", ""), MAX_BYTES)
        with pytest.raises(ProtocolError, match="cannot be answered"):
            await peer.answer(offer)
        await peer.close()

    asyncio.run(main())


def test_a_burst_is_taken_as_far_as_it_can_be_spoken() -> None:
    taken: list[AudioPacket] = []
    floods: list[None] = []
    clock = SetClock(100.0)
    sink = _AudioSink(taken.append, clock, lambda: floods.append(None))

    def send(n_packets: int, ssrc: int = 1) -> None:
        for _ in range(n_packets):
            packet = RtpPacket(payload=b"\xf8\xff\xfe")
            packet.ssrc = ssrc
            assert sink.add(packet) == (False, None)

    send(FLOOD_PACKETS_PER_S)
    assert (len(taken), floods) == (MAX_AUDIO_PACKETS_PER_S, [])
    send(1)
    assert len(floods) == 1
    clock.now_s += 1.0
    send(1)
    assert (len(taken), len(floods)) == (MAX_AUDIO_PACKETS_PER_S + 1, 1)
    for ssrc in range(MAX_SOURCES):
        send(1, ssrc)
    assert len(floods) == 1
    send(1, 99)
    assert len(floods) == 2


async def send_rtp(caller: Caller, sequence: int, ssrc: int) -> None:
    """One packet of silence, past everything that would number it properly."""
    header = bytes([0x80, 96]) + sequence.to_bytes(2, "big")
    header += (sequence * 960).to_bytes(4, "big") + ssrc.to_bytes(4, "big")
    with contextlib.suppress(ConnectionError):
        await caller.connection.getSenders()[0].transport._send_rtp(header + b"\xf8\xff\xfe")


def test_a_flood_of_sources_ends_the_call_and_no_other() -> None:
    async def main() -> None:
        async with webrtc_server() as (server, http), webrtc_call(http) as other:
            async with webrtc_call(http) as caller, asyncio.timeout(20):
                sequence = 0
                while not caller.closed.is_set():
                    for index in range(MAX_SOURCES + 2):
                        sequence += 1
                        await send_rtp(caller, sequence, 1000 + index)
                    await asyncio.sleep(0.2)
            async with asyncio.timeout(5):
                while len(server.app.state.manager.list()) > 1:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            other.send("session.update", session={"type": "realtime", "instructions": "x"})
            await other.until("session.updated")

    asyncio.run(main())
