"""The table of WebRTC calls: callers that vanish and come back, and ends that leave nothing."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable

import psutil
import pytest

from server.gateway.webrtc.call import Call
from server.gateway.webrtc.peer import Peer
from tests.fakes.fake_engine import reply
from tests.fakes.opus_voice import tone
from tests.fakes.webrtc_caller import Caller, cut_off, webrtc_call
from tests.fakes.webrtc_server import webrtc_server

pytestmark = pytest.mark.integration

IMPATIENT = {"dead_peer_s": 1.0, "resume_grace_s": 20.0}


async def eventually(is_so: Callable[[], bool]) -> None:
    """Wait for something that comes without an event."""
    async with asyncio.timeout(10):
        while not is_so():  # noqa: ASYNC110 - nothing announces it
            await asyncio.sleep(0.02)


def test_a_vanished_caller_comes_back_to_the_same_session() -> None:
    async def main() -> None:
        async with webrtc_server([reply("Hi", 0.1)], webrtc=IMPATIENT) as (server, http):
            async with webrtc_call(http, {"instructions": "Remember me."}) as gone:
                (session,) = server.app.state.manager.list()
                cut_off(gone)
                await asyncio.sleep(2.0)
                assert server.app.state.manager.list() == (session,), "it is kept"
                back = Caller()
                response = await back.dial(http, call_id=gone.call_id)
                assert response.status_code == 201
                assert back.call_id == gone.call_id
                await back.opened()
                created = await back.until("session.created")
                assert created["session"]["id"] == session.id
                assert created["session"]["instructions"] == "Remember me."
                assert back.events[0] == created, "before everything that was missed"
                back.microphone.say(tone(300, 0.6))
                await back.until("output_audio_buffer.stopped")
                await back.close()
            await eventually(lambda: not server.app.state.manager.list())

    asyncio.run(main())


def test_a_caller_that_comes_back_early_replaces_its_old_connection() -> None:
    async def main() -> None:
        async with webrtc_server() as (server, http), webrtc_call(http) as old:
            new = Caller()
            await new.dial(http, call_id=old.call_id)
            await new.opened()
            await new.until("session.created")
            async with asyncio.timeout(5):
                await old.closed.wait()
            assert len(server.app.state.manager.list()) == 1
            new.send("session.update", session={"type": "realtime", "instructions": "x"})
            await new.until("session.updated")
            await new.close()
            await eventually(lambda: not server.app.state.manager.list())

    asyncio.run(main())


def test_a_caller_that_stays_away_loses_its_session() -> None:
    async def main() -> None:
        impatient = {"dead_peer_s": 1.0, "resume_grace_s": 0.5}
        async with webrtc_server(webrtc=impatient) as (server, http), webrtc_call(http) as gone:
            cut_off(gone)
            await eventually(lambda: not server.app.state.manager.list())
            late = Caller()
            response = await late.dial(http, call_id=gone.call_id)
            assert response.status_code == 404
            await late.close()

    asyncio.run(main())


def test_a_session_that_ends_while_its_caller_is_away_ends_the_call() -> None:
    async def main() -> None:
        async with webrtc_server(webrtc=IMPATIENT) as (server, http), webrtc_call(http) as gone:
            cut_off(gone)
            await asyncio.sleep(1.5)
            hung_up = await http.post(f"/v1/realtime/calls/{gone.call_id}/hangup")
            assert hung_up.status_code == 200
            await eventually(lambda: not server.app.state.manager.list())

    asyncio.run(main())


def test_an_answer_that_is_never_taken_frees_its_session() -> None:
    async def main() -> None:
        async with webrtc_server(webrtc={"connect_timeout_s": 0.3}) as (server, http):
            caller = Caller()
            sdp = await caller.offer()
            headers = {"Content-Type": "application/sdp"}
            response = await http.post("/v1/realtime/calls", content=sdp, headers=headers)
            assert response.status_code == 201
            assert len(server.app.state.manager.list()) == 1
            await eventually(lambda: not server.app.state.manager.list())
            await caller.close()

    asyncio.run(main())


def test_a_stopping_server_closes_its_calls() -> None:
    async def main() -> None:
        caller = Caller()
        async with webrtc_server() as (_, http):
            await caller.dial(http)
            await caller.opened()
            await caller.until("session.created")
        assert caller.all("error")[-1]["error"]["code"] == "draining"
        async with asyncio.timeout(5):
            await caller.closed.wait()
        await caller.close()

    asyncio.run(main())


def test_nothing_is_left_of_a_call() -> None:
    async def main() -> None:
        async with webrtc_server() as (server, http):
            async with webrtc_call(http, with_video=True):
                pass
            await eventually(lambda: not server.app.state.manager.list())
            await asyncio.sleep(0.3)
            tasks, process = len(asyncio.all_tasks()), psutil.Process()
            files, threads = process.num_fds(), process.num_threads()
            for _ in range(4):
                async with webrtc_call(http, with_video=True):
                    pass
            await eventually(lambda: not server.app.state.manager.list())
            await eventually(lambda: len(asyncio.all_tasks()) <= tasks)
            await eventually(lambda: process.num_fds() <= files)
            gc.collect()
            # isinstance() would wake lazy objects of other libraries.
            assert not [left for left in gc.get_objects() if type(left) in (Call, Peer)]
            assert process.num_threads() <= threads + 4  # the pool for decoding grows by need

    asyncio.run(main())
