"""What happens to callers when the engine dies, a session is reset, or the server is stopped."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator

import pytest
from websockets.asyncio.client import ClientConnection

from tests.integration.conftest import (
    ServerProcess,
    ask,
    dial,
    greedy,
    ready_server,
    until,
    wait_until_ready,
)

pytestmark = pytest.mark.integration


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server of one test: these tests break it."""
    with ready_server(tmp_path_factory.mktemp("server")) as running:
        yield running


async def answer(call: ClientConnection, text: str) -> tuple[str, str]:
    """Ask, and wait for the whole answer: its transcript and status."""
    await ask(call, text, max_output_tokens=12)
    transcript = await until(call, "response.output_audio_transcript.done")
    done = await until(call, "response.done")
    return transcript["transcript"], done["response"]["status"]


def test_a_killed_engine_is_told_within_a_second_and_replaced(server: ServerProcess) -> None:
    async def hold() -> float:
        async with dial(server) as call:
            await greedy(call)
            await ask(call, "tell me a long story", max_output_tokens=400)
            await until(call, "response.output_audio.delta")
            killed_s = asyncio.get_running_loop().time()
            server.engine_process().kill()
            error = await until(call, "error")
            told_s = asyncio.get_running_loop().time() - killed_s
            assert "engine" in error["error"]["message"]
            await asyncio.wait_for(call.wait_closed(), 10)
            return told_s

    assert asyncio.run(hold()) < 1.0
    assert server.process.poll() is None, "the gateway outlives its engine"
    wait_until_ready(server)

    async def again() -> str:
        async with dial(server) as call:
            await greedy(call)
            return (await answer(call, "are you back?"))[0]

    assert asyncio.run(again())


def test_resetting_one_call_makes_it_forget_and_does_not_touch_the_other(
    server: ServerProcess,
) -> None:
    async def hold() -> None:
        async with dial(server) as one, dial(server) as other, dial(server) as fresh:
            first_id, _, _ = [await greedy(call) for call in (one, other, fresh)]
            before = [await answer(call, "remember the number four") for call in (one, other)]
            assert before[0] == before[1]
            response = await asyncio.to_thread(
                server.post, f"/v1/realtime/sessions/{first_id}/reset"
            )
            assert response.status_code == 200
            forgot = await answer(one, "which number?")
            remembers = await answer(other, "which number?")
            never_knew = await answer(fresh, "which number?")
            assert forgot == never_knew
            assert forgot != remembers

    asyncio.run(hold())


def test_a_stopped_server_lets_a_running_answer_finish_and_leaves_no_process(
    server: ServerProcess,
) -> None:
    engine = server.engine_process()

    async def hold() -> tuple[str, int]:
        async with dial(server) as call:
            await greedy(call)
            await ask(call, "hello", max_output_tokens=12)
            await until(call, "response.output_audio.delta")
            # As a service manager does: the server and everything under it.
            for process in (engine, server.process):
                process.send_signal(signal.SIGTERM)
            done = await until(call, "response.done")
            await asyncio.wait_for(call.wait_closed(), 20)
            assert call.close_code is not None
            return done["response"]["status"], call.close_code

    status, close_code = asyncio.run(hold())
    assert status in ("completed", "incomplete")
    assert close_code in (1001, 1012)
    assert server.process.wait(30) in (0, -signal.SIGTERM), "it ends as it was asked to"
    engine.wait(10)


def test_an_unknown_session_cannot_be_reset(server: ServerProcess) -> None:
    response = server.post("/v1/realtime/sessions/sess_nobody/reset")
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "session_not_found"
