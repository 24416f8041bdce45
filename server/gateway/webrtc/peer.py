"""One peer connection of a call, from offer to close; a call that is taken up again gets another.

Everything aiortc is here and in the files this one imports.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from enum import StrEnum

from aiortc import (
    RTCConfiguration,
    RTCDataChannel,
    RTCDtlsTransport,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCSessionDescription,
)
from aiortc.exceptions import InternalError, InvalidAccessError, InvalidStateError, OperationError
from aiortc.rtcrtpparameters import RTCRtpCodecCapability
from aiortc.rtp import RtpPacket

from server.clock import Clock, epoch_s
from server.config import WebRtcConfig
from server.errors import ProtocolError
from server.gateway.webrtc.event_channel import LABEL, EventChannel
from server.gateway.webrtc.flood_guard import FloodGuard
from server.gateway.webrtc.ice import gathering_servers
from server.gateway.webrtc.liveness import PeerFate, watch
from server.gateway.webrtc.loopback import offer_loopback
from server.gateway.webrtc.offer import PARSER_ERRORS, Offer
from server.gateway.webrtc.receiver_tap import tap
from server.gateway.webrtc.speech_track import SpeechTrack
from server.gateway.webrtc.video_intake import VideoIntake
from server.media.audio_jitter_buffer import AudioPacket
from server.media.pcm import Samples
from server.media.video_decoder import VideoCodec

logger = logging.getLogger("omnicall.gateway")

AIORTC_ERRORS = (
    *PARSER_ERRORS,
    RuntimeError,
    OSError,
    InternalError,
    InvalidAccessError,
    InvalidStateError,
    OperationError,
)
AUDIO_CODECS = ("audio/opus",)
VIDEO_CODECS: dict[str, VideoCodec] = {"video/vp8": "vp8", "video/h264": "h264"}
RETRANSMISSION = "video/rtx"
MAX_AUDIO_PACKETS_PER_S = 250
"""Five times what a microphone sends; what a network held back and hands over at once is dropped
beyond that."""
FLOOD_PACKETS_PER_S = 1500
"""No network does this to a microphone."""
MAX_SOURCES = 16
"""Streams one microphone may number its packets by; aiortc remembers each of them."""
AIORTC_MESSAGE_SIZE = "a=max-message-size:65536"
MESSAGE_SIZE = "a=max-message-size:262144"
"""What browsers send at most; aiortc takes any size, and a picture needs more than it says."""


class PeerEnd(StrEnum):
    """Why a peer connection is over."""

    CLOSED = "closed"
    """The peer closed it."""
    VANISHED = "vanished"
    """The peer is silent."""
    FAILED = "failed"
    """It never came about."""
    FLOODING = "flooding"
    REPLACED = "replaced"
    """The call goes on over another one."""
    FINISHED = "finished"
    """The session is over."""


class _AudioSink:
    """Hands every packet of a microphone on; notices a caller that floods."""

    def __init__(
        self, take: Callable[[AudioPacket], None], clock: Clock, on_flood: Callable[[], None]
    ) -> None:
        self._take = take
        self._clock = clock
        self._on_flood = on_flood
        self._pace_guard = FloodGuard(MAX_AUDIO_PACKETS_PER_S)
        self._flood_guard = FloodGuard(FLOOD_PACKETS_PER_S)
        self._sources: set[int] = set()

    def add(self, packet: RtpPacket) -> tuple[bool, None]:
        self._sources.add(packet.ssrc)
        now_s = self._clock.monotonic()
        if self._flood_guard.is_flooded(now_s) or len(self._sources) > MAX_SOURCES:
            self._on_flood()
        elif not self._pace_guard.is_flooded(now_s) and packet.payload:
            self._take(AudioPacket(packet.sequence_number, packet.timestamp, packet.payload))
        return False, None


class Peer:
    """A peer connection with its track out, packets in and data channel.

    :meth:`answer` first; then :meth:`connected`, :attr:`channel` and :meth:`ended`; :meth:`close`
    at the end, whatever happened.
    """

    def __init__(
        self,
        config: WebRtcConfig,
        clock: Clock,
        pull_speech: Callable[[], Samples | None],
        on_audio: Callable[[AudioPacket], None],
    ) -> None:
        """
        Args:
            config: Addresses and time-outs.
            clock: Wall time.
            pull_speech: Gives 20 ms of speech for the track, or None.
            on_audio: Takes every packet of the microphone as it arrives.
        """
        self._config = config
        self._clock = clock
        self._track = SpeechTrack(pull_speech, clock)
        self._on_audio = on_audio
        self._connection = RTCPeerConnection(
            RTCConfiguration(iceServers=gathering_servers(config, epoch_s()))
        )
        self._connection.on("datachannel", self._take_channel)
        self._channel: EventChannel | None = None
        self._end: PeerEnd | None = None
        self._opened = asyncio.Event()
        self._ended = asyncio.Event()
        self.video: VideoIntake | None = None
        """The camera; None where none was offered."""

    async def answer(self, offer: Offer) -> str:
        """Answer an offer; the connection then comes about by itself.

        Cancelling leaves the peer to be closed.

        Raises:
            ProtocolError: ``invalid_offer``; the peer has to be closed.
        """
        connection = self._connection
        audio = connection.addTransceiver(self._track, direction="sendrecv")
        audio.setCodecPreferences(_capabilities("audio", AUDIO_CODECS))
        video = None
        if offer.has_video:
            video = connection.addTransceiver("video", direction="recvonly")
            video.setCodecPreferences(_capabilities("video", [*VIDEO_CODECS, RETRANSMISSION]))
        try:
            await connection.setRemoteDescription(RTCSessionDescription(offer.sdp, "offer"))
            tap(audio.receiver, _AudioSink(self._take_audio, self._clock, self._on_flood))
            if video is not None:
                codecs = {
                    codec.payloadType: VIDEO_CODECS[codec.mimeType.lower()]
                    for codec in video._codecs
                    if codec.mimeType.lower() in VIDEO_CODECS and codec.payloadType is not None
                }
                self.video = VideoIntake(codecs, self._clock)
                tap(video.receiver, self.video)
            transport = self._transport()
            transport.on("statechange", self._on_transport_state)
            if self._config.include_loopback:
                offer_loopback(transport.transport.iceGatherer)
            await connection.setLocalDescription()
        except AIORTC_ERRORS as error:
            logger.debug("an offer could not be answered", exc_info=True)
            raise ProtocolError(
                "the SDP offer cannot be answered; send what createOffer() returned",
                code="invalid_offer",
                param="sdp",
            ) from error
        return connection.localDescription.sdp.replace(AIORTC_MESSAGE_SIZE, MESSAGE_SIZE)

    async def connected(self) -> bool:
        """Wait until the data channel is open, as long as `connect_timeout_s`; whether it is.

        Cancelling is safe.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._config.connect_timeout_s):
                await self._opened.wait()
        if self._channel is None:
            self.end(PeerEnd.FAILED)
        return self._end is None

    @property
    def is_connected(self) -> bool:
        """Whether the data channel was ever open."""
        return self._channel is not None

    @property
    def channel(self) -> EventChannel:
        """The open data channel."""
        assert self._channel is not None, "the peer is not connected"
        return self._channel

    async def watch(self) -> None:
        """End the peer when it is silent for `dead_peer_s`, or floods. Cancelling is safe."""
        sctp = self._connection.sctp
        assert sctp is not None
        fate = await watch(sctp, self._clock, self._config.dead_peer_s)
        self.end(PeerEnd.VANISHED if fate is PeerFate.SILENT else PeerEnd.FLOODING)

    def end(self, end: PeerEnd) -> None:
        """Say that it is over; the first reason counts."""
        if self._end is None:
            self._end = end
        self._opened.set()
        self._ended.set()

    async def ended(self) -> PeerEnd:
        """Wait for the end; why it came. Cancelling is safe."""
        await self._ended.wait()
        assert self._end is not None
        return self._end

    async def close(self) -> None:
        """Close the connection; nothing of it is left. Cancelling leaves sockets behind."""
        self.end(PeerEnd.FINISHED)
        self._track.stop()
        await self._connection.close()
        self._connection.remove_all_listeners()

    def _transport(self) -> RTCDtlsTransport:
        sctp = self._connection.sctp
        assert sctp is not None, "an offer has a data channel"
        return sctp.transport

    def _on_transport_state(self) -> None:
        match self._transport().state:
            case "closed":
                self.end(PeerEnd.CLOSED)
            case "failed":
                self.end(PeerEnd.FAILED)
            case _:
                pass

    def _take_channel(self, channel: RTCDataChannel) -> None:
        if channel.label != LABEL or self._channel is not None:
            channel.close()
            return
        self._channel = EventChannel(
            channel,
            self._clock,
            on_flood=self._on_flood,
            on_close=lambda: self.end(PeerEnd.CLOSED),
        )
        self._opened.set()

    def _on_flood(self) -> None:
        self.end(PeerEnd.FLOODING)

    def _take_audio(self, packet: AudioPacket) -> None:
        if self._end is None:
            self._on_audio(packet)


def _capabilities(kind: str, mime_types: Sequence[str]) -> list[RTCRtpCodecCapability]:
    capabilities = RTCRtpReceiver.getCapabilities(kind)
    assert capabilities is not None
    return [codec for codec in capabilities.codecs if codec.mimeType.lower() in mime_types]
