from __future__ import annotations

import asyncio
import contextlib

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection
from hypothesis import given
from hypothesis import strategies as st

from server.errors import OmnicallError, ProtocolError, RequestTooLargeError
from server.gateway.webrtc.offer import MAX_CANDIDATES, read_offer
from tests.fakes.offers import BROWSER_OFFER

pytestmark = pytest.mark.unit

MAX_BYTES = 65_536


def without(start: str) -> str:
    """The offer without the lines that begin so."""
    lines = [line for line in BROWSER_OFFER.splitlines() if not line.startswith(start)]
    return "\r\n".join(lines) + "\r\n"


def candidate(address: str, transport: str = "udp") -> str:
    return f"a=candidate:1 1 {transport} 2130706431 {address} 50000 typ host\r\n"


def kept_addresses(sdp: str) -> list[str]:
    return [line.split()[4] for line in sdp.splitlines() if line.startswith("a=candidate:")]


def test_a_browser_s_offer_passes_as_it_is() -> None:
    offer = read_offer(BROWSER_OFFER, MAX_BYTES)
    assert offer.has_video
    assert offer.sdp.splitlines() == BROWSER_OFFER.splitlines()


def test_addresses_that_cannot_be_reached_are_left_out() -> None:
    sdp = BROWSER_OFFER + "".join(
        [
            candidate("3c1d-4b7f-8a2b.local"),
            candidate("192.0.2.7"),
            candidate("2001:db8::7"),
            candidate("192.0.2.8", "tcp"),
            candidate("example.org"),
            "a=candidate:broken\r\n",
        ]
    )
    assert kept_addresses(read_offer(sdp, MAX_BYTES).sdp) == ["192.0.2.7", "2001:db8::7"]


def test_only_so_many_addresses_are_tried() -> None:
    sdp = BROWSER_OFFER + candidate("192.0.2.7") * 500
    assert len(kept_addresses(read_offer(sdp, MAX_BYTES).sdp)) == MAX_CANDIDATES


def test_a_large_offer_is_refused_before_it_is_read() -> None:
    with pytest.raises(RequestTooLargeError, match="65536"):
        read_offer(BROWSER_OFFER + "a=x:y\r\n" * 200_000, MAX_BYTES)


ONLY_AV1 = BROWSER_OFFER.replace("VP8/90000", "AV1/90000").replace("H264/90000", "AV1/90000")
ANOTHER = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:{}\r\n"


@pytest.mark.parametrize(
    ("sdp", "message"),
    [
        ("", "v=0"),
        ("hello", "v=0"),
        ("v=0\r\n", "no audio"),
        (BROWSER_OFFER.replace("m=audio", "m=text"), "no audio"),
        (BROWSER_OFFER.replace("m=application", "m=text"), "no data channel"),
        (BROWSER_OFFER + "".join(ANOTHER.format(i + 3) for i in range(47)), "50 media"),
        (without("a=group:BUNDLE"), "BUNDLE"),
        (without("a=mid:1"), "BUNDLE"),
        (without("a=ice-ufrag"), "ice-ufrag"),
        (without("a=ice-pwd"), "ice-pwd"),
        (without("a=fingerprint"), "fingerprint"),
        (without("a=setup"), "setup"),
        (BROWSER_OFFER.replace("opus/48000/2", "speex/8000"), "none of the codecs taken: opus"),
        (ONLY_AV1, "none of the codecs taken: vp8 or h264"),
        (BROWSER_OFFER.replace("a=setup:actpass", "a=setup:maybe"), "cannot be read"),
        (BROWSER_OFFER.replace("a=rtpmap:111", "a=rtpmap:x11"), "opus|cannot be read"),
        (BROWSER_OFFER.replace("m=audio 9", "m=audio nine"), "cannot be read"),
        (BROWSER_OFFER + "a=fmtp:12 x=y\r\n", "cannot be read"),
    ],
)
def test_what_is_wrong_with_an_offer_is_said(sdp: str, message: str) -> None:
    with pytest.raises(ProtocolError, match=message) as caught:
        read_offer(sdp, MAX_BYTES)
    assert (caught.value.code, caught.value.param) == ("invalid_offer", "sdp")


@given(data=st.data())
def test_no_damage_does_more_than_refuse(data: st.DataObject) -> None:
    lines = BROWSER_OFFER.splitlines()
    for _ in range(data.draw(st.integers(1, 4))):
        index = data.draw(st.integers(0, len(lines) - 1))
        kind = data.draw(st.sampled_from(["drop", "cut", "double", "swap", "text"]))
        if kind == "drop":
            lines[index] = ""
        elif kind == "cut":
            lines[index] = lines[index][: data.draw(st.integers(0, 20))]
        elif kind == "double":
            lines.insert(index, lines[index])
        elif kind == "swap":
            lines[index], lines[0] = lines[0], lines[index]
        else:
            lines[index] = lines[index][:6] + data.draw(st.text(max_size=20))
    with contextlib.suppress(OmnicallError):
        read_offer("\r\n".join(lines), MAX_BYTES)


def test_the_recorded_offer_is_still_what_aiortc_offers() -> None:
    """A guard for the other tests: an offer made today passes, too."""

    async def offered() -> str:
        connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        connection.addTransceiver("audio")
        connection.createDataChannel("oai-events")
        try:
            return str((await connection.createOffer()).sdp)
        finally:
            await connection.close()

    sdp = asyncio.run(offered())
    for name in ("ice-ufrag:abcd", "ice-pwd:0123456789abcdef012345"):
        sdp = sdp.replace("a=setup:", f"a={name}\r\na=setup:")
    if "a=fingerprint" not in sdp:
        sdp = sdp.replace("a=setup:", "a=fingerprint:sha-256 AA:BB\r\na=setup:")
    assert not read_offer(sdp, MAX_BYTES).has_video
