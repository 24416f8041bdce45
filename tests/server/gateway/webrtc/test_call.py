"""Calls over real peer connections on loopback: what is said, heard, seen and interrupted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import numpy as np
import pytest

from server.engine.interface import Prefill
from server.media.pcm import bytes_from_samples
from tests.fakes.fake_engine import Piece, Reply, reply
from tests.fakes.opus_voice import tone
from tests.fakes.webrtc_caller import webrtc_call
from tests.fakes.webrtc_server import webrtc_server
from tests.server.gateway.live_server import LiveServer

pytestmark = pytest.mark.integration

TYPED = {
    "type": "message",
    "role": "user",
    "content": [{"type": "input_text", "text": "what is this?"}],
}
QUESTION = tone(300, 0.6)
SPOKEN = Reply(
    (
        Piece("Hello", pcm=bytes_from_samples(tone(500, 0.5))),
        Piece(" there.", pcm=bytes_from_samples(tone(500, 0.5))),
    )
)


async def eventually(is_so: Callable[[], bool]) -> None:
    """Wait for something that comes without an event."""
    async with asyncio.timeout(10):
        while not is_so():  # noqa: ASYNC110 - nothing announces it
            await asyncio.sleep(0.02)


def pictures_seen(server: LiveServer) -> int:
    units = [c.content for c in server.engine.commands if isinstance(c, Prefill)]
    return sum(getattr(unit, "image", None) is not None for unit in units)


def test_a_spoken_question_is_answered_with_speech_on_the_track() -> None:
    async def main() -> None:
        async with webrtc_server([SPOKEN]) as (_, http):
            async with webrtc_call(http) as caller:
                caller.microphone.say(QUESTION)
                await caller.until("output_audio_buffer.stopped")
                await asyncio.sleep(0.3)
            names = caller.names()
            started = names.index("output_audio_buffer.started")
            assert names[:started] == [
                "session.created",
                "input_audio_buffer.speech_started",
                "input_audio_buffer.speech_stopped",
                "input_audio_buffer.committed",
                "conversation.item.added",
                "conversation.item.done",
                "response.created",
                "response.output_item.added",
                "conversation.item.added",
                "response.content_part.added",
                "response.output_audio_transcript.delta",
            ]
            assert names[-2:] == ["response.done", "output_audio_buffer.stopped"]
            assert not caller.all("response.output_audio.delta"), "sound is on the track"
            done = caller.all("response.done")[0]["response"]
            assert done["output"][0]["content"][0]["transcript"] == "Hello there."
            levels = np.abs(
                caller.heard()[: caller.heard().size // 480 * 480].reshape(-1, 480)
            ).max(axis=1)
            assert (levels > 4000).sum() / 100 == pytest.approx(1.0, abs=0.05)

    asyncio.run(main())


def test_an_interruption_is_silent_and_says_what_was_heard() -> None:
    async def main() -> None:
        async with webrtc_server([reply("A long", *[1.0] * 20), reply("Yes", 0.2)]) as (_, http):
            async with webrtc_call(http) as caller:
                caller.microphone.say(QUESTION)
                await caller.until("output_audio_buffer.started")
                await asyncio.sleep(0.5)
                caller.microphone.say(QUESTION)
                cleared = await caller.until("output_audio_buffer.cleared")
                truncated = await caller.until("conversation.item.truncated")
                await caller.until("output_audio_buffer.stopped")
            first, second = caller.all("response.done")
            assert first["response"]["status_details"]["reason"] == "turn_detected"
            assert cleared["response_id"] == first["response"]["id"]
            assert truncated["item_id"] == first["response"]["output"][0]["id"]
            assert 300 < truncated["audio_end_ms"] < 5000
            assert second["response"]["status"] == "completed"
            names = [event["type"] for event in caller.events]
            assert names.index("conversation.item.truncated") > names.index("response.done")

    asyncio.run(main())


def test_the_client_can_ask_for_silence() -> None:
    async def main() -> None:
        async with webrtc_server([reply("A long", *[1.0] * 20)]) as (_, http):
            async with webrtc_call(http) as caller:
                caller.send("conversation.item.create", item=TYPED)
                caller.send("response.create")
                await caller.until("output_audio_buffer.started")
                caller.send("output_audio_buffer.clear")
                done = await caller.until("response.done")
                assert done["response"]["status_details"]["reason"] == "client_cancelled"
                await caller.until("conversation.item.truncated")
                await asyncio.sleep(0.5)
                n_frames = len(caller.frames)
                await asyncio.sleep(0.2)
                late = np.concatenate([f.to_ndarray().ravel() for f in caller.frames[n_frames:]])
                assert np.abs(late).max() < 50
            assert len(caller.all("output_audio_buffer.cleared")) == 1

    asyncio.run(main())


def test_what_the_camera_shows_is_in_the_units() -> None:
    async def main() -> None:
        async with webrtc_server() as (server, http):
            async with webrtc_call(http, {"mode": "omni"}, with_video=True):
                await eventually(lambda: pictures_seen(server) >= 2)
            async with webrtc_call(http, {"mode": "audio"}, with_video=True) as caller:
                before = pictures_seen(server)
                caller.microphone.say(QUESTION)
                await caller.until("response.done")
                assert pictures_seen(server) == before

    asyncio.run(main())


def test_wrong_messages_are_answered_and_the_call_goes_on() -> None:
    async def main() -> None:
        async with webrtc_server() as (_, http), webrtc_call(http) as caller:
            caller.channel.send(b"\x00\x01")
            caller.channel.send("{")
            caller.send("session.fly")
            await caller.until("error", 3)
            codes = [event["error"]["code"] for event in caller.all("error")]
            assert codes == ["invalid_message", "invalid_json", "unknown_event_type"]
            caller.send("session.update", session={"type": "realtime", "instructions": "x"})
            await caller.until("session.updated")

    asyncio.run(main())


def test_closing_the_connection_ends_the_session_at_once() -> None:
    async def main() -> None:
        async with webrtc_server() as (server, http):
            async with webrtc_call(http):
                assert len(server.app.state.manager.list()) == 1
            await eventually(lambda: not server.app.state.manager.list())

    asyncio.run(main())


def test_a_session_that_ends_says_why_and_closes_the_call() -> None:
    async def main() -> None:
        async with webrtc_server() as (server, http), webrtc_call(http) as caller:
            (session,) = server.app.state.manager.list()
            await http.delete(f"/v1/realtime/sessions/{session.id}")
            error = await caller.until("error")
            assert error["error"]["code"] == "deleted"
            async with asyncio.timeout(5):
                await caller.closed.wait()

    asyncio.run(main())


@pytest.mark.parametrize("message", ['{"type": "input_audio_buffer.clear"}', b"x" * 1000])
def test_a_flooded_channel_ends_its_call_and_no_other(
    message: str | bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The caller of this test is no faster than Python.
    monkeypatch.setattr("server.gateway.webrtc.event_channel.MAX_MESSAGES_PER_S", 8)

    async def main() -> None:
        async with webrtc_server() as (server, http), webrtc_call(http) as other:
            async with webrtc_call(http) as caller:
                async with asyncio.timeout(20):
                    while not caller.closed.is_set():
                        for _ in range(50):
                            if caller.channel.readyState == "open":
                                caller.channel.send(message)
                        await asyncio.sleep(0.5)
                await eventually(lambda: len(server.app.state.manager.list()) == 1)
            other.send("session.update", session={"type": "realtime", "instructions": "x"})
            await other.until("session.updated")

    asyncio.run(main())
