"""One call over WebRTC: a session, and the peer connection it has at the moment."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Sequence
from functools import partial

from server.errors import OmnicallError, ProtocolError
from server.gateway.outbox import Outbox, SlowClientError
from server.gateway.realtime_connection import GatewayContext, RealtimeConnection
from server.gateway.speaker import TrackSpeaker
from server.gateway.webrtc.peer import Peer, PeerEnd
from server.media.audio_jitter_buffer import AudioPacket
from server.media.caller_voice import CallerVoice
from server.media.opus_decoder import OPUS_HZ
from server.media.pcm import bytes_from_samples
from server.protocol.codec import encode_server_event
from server.protocol.ids import new_id
from server.protocol.server_events import ServerEvent
from server.protocol.session_object import SessionObject
from server.session.session import Session
from server.session.states import SessionState

logger = logging.getLogger("omnicall.gateway")

LAST_WORDS_S = 1.0
"""Time a caller gets to take the last events before the connection is closed."""
CLOSED = "closed"
LASTING_ENDS = {
    PeerEnd.VANISHED: "the caller did not come back",
    PeerEnd.FAILED: "no connection to the caller came about",
    PeerEnd.FLOODING: "the caller sent far more than a call needs",
    PeerEnd.CLOSED: "the caller hung up",
}
"""What the log says of a session that ended with its peer."""


class Call:
    """Keeps a session and its peers together; :meth:`run` is its whole life."""

    def __init__(
        self,
        call_id: str,
        session: Session,
        settings: SessionObject,
        model_names: Sequence[str],
        context: GatewayContext,
    ) -> None:
        """
        Args:
            call_id: Names the call to its client.
            session: Admitted with the options of ``settings``.
            settings: What is in effect at first.
            model_names: Names the client may call the model by.
            context: What every connection shares.
        """
        self.id = call_id
        self._session = session
        self._context = context
        self._config = context.config
        self._outbox = Outbox(self._config.server.send_queue_events)
        self._speaker = TrackSpeaker(self._send)
        self._connection = RealtimeConnection(
            session, settings, model_names, context, self._send, self._speaker
        )
        self._arrivals: deque[Peer] = deque()
        self._arrived = asyncio.Event()
        self._peer: Peer | None = None

    @property
    def is_over(self) -> bool:
        """Whether it is ending, or has ended."""
        return self._session.state in (SessionState.CLOSING, SessionState.CLOSED)

    def new_peer(self) -> Peer:
        """A peer connection for this call; :meth:`take` it once it has answered."""
        hear = partial(self._hear, CallerVoice())
        return Peer(self._config.webrtc, self._context.clock, self._speaker.pull, hear)

    def take(self, peer: Peer) -> None:
        """Go on over this peer connection; one that is there already is closed."""
        self._arrivals.append(peer)
        self._arrived.set()
        if self._peer is not None:
            self._peer.end(PeerEnd.REPLACED)

    def hang_up(self) -> None:
        """End the call."""
        self._session.close(CLOSED, "the call was hung up")

    async def run(self) -> None:
        """Live until the session is over, or its caller gone for good.

        This is where an unexpected error of one call ends, so that it ends no other. Cancelling
        ends the session and closes the connection.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._talk(), name=f"{self._session.id} events")
                await self._serve_peers()
        except* Exception:
            logger.exception("session %s: call %s failed", self._session.id, self.id)
        finally:
            self._session.close(CLOSED, "the connection ended")
            for peer in self._arrivals:
                await peer.close()

    # --- the session's side

    async def _talk(self) -> None:
        self._connection.greet()
        await self._connection.run()
        self._outbox.close()
        self._arrived.set()
        if self._peer is not None and not self._peer.is_connected:
            self._peer.end(PeerEnd.FINISHED)

    def _send(self, event: ServerEvent) -> None:
        try:
            self._outbox.put(event)
        except SlowClientError as error:
            self._give_up(error)

    def _give_up(self, error: SlowClientError) -> None:
        logger.warning("session %s: %s", self._session.id, error)
        self._session.close("overload", str(error))
        if self._peer is not None:
            self._peer.end(PeerEnd.FLOODING)

    def _hear(self, voice: CallerVoice, packet: AudioPacket) -> None:
        samples = voice.push(packet)
        if not samples.size or self.is_over:
            return
        try:
            self._session.append_audio(bytes_from_samples(samples), OPUS_HZ)
        except OmnicallError as error:
            # Told nobody: a client does not choose when its packets arrive.
            self._context.metrics.errors.labels(error.code).inc()

    # --- the peers

    async def _serve_peers(self) -> None:
        """One peer after the other, until the session or the last of them ends."""
        while (peer := await self._next_peer()) is not None:
            end = await self._serve(peer)
            logger.debug("session %s: peer %s", self._session.id, end)
            if self.is_over or self._arrivals:
                continue
            was_connected = peer.is_connected
            if end is not PeerEnd.VANISHED and not (end is PeerEnd.FAILED and was_connected):
                self._session.close(CLOSED, LASTING_ENDS.get(end, end))
                return
        if not self.is_over:
            self._session.close(CLOSED, LASTING_ENDS[PeerEnd.VANISHED])

    async def _next_peer(self) -> Peer | None:
        """The newest peer that came, waited for as long as a call is kept; else None."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._config.webrtc.resume_grace_s):
                while not self._arrivals and not self.is_over:
                    self._arrived.clear()
                    await self._arrived.wait()
        while len(self._arrivals) > 1:
            await self._arrivals.popleft().close()
        return self._arrivals.popleft() if self._arrivals else None

    async def _serve(self, peer: Peer) -> PeerEnd:
        is_return = self._peer is not None
        self._peer = peer
        try:
            if await peer.connected():
                if is_return:
                    self._outbox.put_first(self._connection.greeting())
                async with asyncio.TaskGroup() as tasks:
                    jobs = {
                        "reader": self._read(peer),
                        "writer": self._write(peer),
                        "camera": self._look(peer),
                        "watch": peer.watch(),
                    }
                    running = [
                        tasks.create_task(job, name=f"{self._session.id} {name}")
                        for name, job in jobs.items()
                    ]
                    await peer.ended()
                    for task in running:
                        task.cancel()
            return await peer.ended()
        finally:
            await peer.close()

    async def _read(self, peer: Peer) -> None:
        """Hand every message to the connection."""
        while True:
            message = await peer.channel.receive()
            if isinstance(message, str):
                await self._connection.receive(message)
            else:
                self._connection.report(
                    ProtocolError(
                        "binary messages are not part of the dialect; send JSON text",
                        code="invalid_message",
                    )
                )
            # A flood of small messages arrives in one piece: others get their turn in between.
            await asyncio.sleep(0)

    async def _write(self, peer: Peer) -> None:
        """Send what waits; at the session's end, end the peer once it has the last words."""
        timeout_s = self._config.server.send_timeout_s
        try:
            while (event := await self._outbox.get()) is not None:
                await peer.channel.send(encode_server_event(event, new_id("event")), timeout_s)
            await peer.channel.flush(LAST_WORDS_S)
            peer.end(PeerEnd.FINISHED)
        except SlowClientError as error:
            self._give_up(error)
        except ConnectionError:
            peer.end(PeerEnd.CLOSED)

    async def _look(self, peer: Peer) -> None:
        """Give the session the newest picture, at the pace it can use, while it listens."""
        video = peer.video
        if video is None:
            return
        while True:
            await asyncio.sleep(1 / self._config.webrtc.frames_per_s)
            if (
                self._session.options.mode != "omni"
                or self._session.state is SessionState.RESPONDING
            ):
                video.look_away()
                continue
            frame = await video.newest()
            if frame is not None:
                with contextlib.suppress(OmnicallError):  # it may end or change its mind meanwhile
                    self._session.append_image(frame)
