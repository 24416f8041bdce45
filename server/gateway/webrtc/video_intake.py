"""A caller's camera: packets in, the newest picture out, decoded only when somebody looks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from aiortc.rtp import RtpPacket

from server.clock import Clock
from server.engine.interface import ImageFrame
from server.media.video_assembler import VideoAssembler, VideoPacket
from server.media.video_chain import VideoChain, is_h264_key, is_vp8_key
from server.media.video_decoder import VideoCodec, VideoDecoder, VideoDecodingError

KEY_REQUEST_INTERVAL_S = 0.5
"""A caller is asked for a picture that stands alone at most this often."""
KEY_TESTS: dict[VideoCodec, Callable[[bytes], bool]] = {"vp8": is_vp8_key, "h264": is_h264_key}


class VideoIntake:
    """The packet sink of a video receiver.

    While nobody looks, pictures are dropped undecoded; the first look asks the caller for one that
    stands alone.
    """

    def __init__(self, codecs: Mapping[int, VideoCodec], clock: Clock) -> None:
        """
        Args:
            codecs: What each RTP payload type holds.
            clock: Paces requests.
        """
        self._codecs = codecs
        self._clock = clock
        self._assembler = VideoAssembler()
        self._codec: VideoCodec | None = None
        self._chain = VideoChain(is_vp8_key)
        self._decoder: VideoDecoder | None = None
        self._is_watched = False
        self._asked_at_s = -KEY_REQUEST_INTERVAL_S

    def add(self, packet: RtpPacket) -> tuple[bool, None]:
        """See :meth:`~server.gateway.webrtc.receiver_tap.PacketSink.add`."""
        codec = self._codecs.get(packet.payload_type)
        if codec is None:
            return False, None
        if codec != self._codec:
            self._codec = codec
            self._chain = VideoChain(KEY_TESTS[codec])
            self._decoder = None
        piece = VideoPacket(
            packet.sequence_number,
            packet.timestamp,
            bool(packet.marker),
            packet._data,  # type: ignore[attr-defined]  # set by aiortc's receiver
        )
        pictures = self._assembler.push(piece)
        if self._assembler.take_loss():
            self._chain.break_off()
        for picture in pictures:
            self._chain.push(picture)
        return self._needs_key(), None

    def look_away(self) -> None:
        """Nobody looks: what comes is dropped from here on."""
        self._is_watched = False
        self._chain.break_off()

    async def newest(self) -> ImageFrame | None:
        """The newest picture, decoded in a thread; None when there is nothing new.

        Cancelling loses the picture.
        """
        self._is_watched = True
        pictures = self._chain.take()
        if not pictures or self._codec is None:
            return None
        if self._decoder is None:
            self._decoder = VideoDecoder(self._codec)
        try:
            return await asyncio.to_thread(self._decoder.newest, pictures)
        except VideoDecodingError:
            self._chain.break_off()
            return None

    def _needs_key(self) -> bool:
        if not self._is_watched or not self._chain.is_broken:
            return False
        now_s = self._clock.monotonic()
        if now_s - self._asked_at_s < KEY_REQUEST_INTERVAL_S:
            return False
        self._asked_at_s = now_s
        return True
