"""Calls over real WebSockets on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import Callable
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from server.engine.client import EngineStatus
from server.engine.interface import Command, Open, Respond
from server.gateway.websocket import Outbox, SlowClientError
from server.protocol.server_events import InputAudioBufferCleared
from tests.fakes.fake_engine import FakeEngine, reply
from tests.server.gateway.live_server import (
    LiveServer,
    live_server,
    local_config,
    next_event,
    send,
    until,
)
from tests.server.gateway.wire_call import base64_of, sound

pytestmark = pytest.mark.integration

TYPED = {
    "type": "message",
    "role": "user",
    "content": [{"type": "input_text", "text": "what is this?"}],
}


async def eventually(is_so: Callable[[], bool]) -> None:
    """Wait for something that comes without an event."""
    async with asyncio.timeout(10):
        while not is_so():  # noqa: ASYNC110 - nothing announces it
            await asyncio.sleep(0.01)


async def refusal(
    server: LiveServer, query: str = "", **options: Any
) -> tuple[int, dict[str, Any]]:
    """Status and body of a call that is not taken."""
    with pytest.raises(InvalidStatus) as caught:
        async with server.call(query, **options):
            pass
    body = json.loads(caught.value.response.body or b"")
    assert set(body) == {"error"}
    return caught.value.response.status_code, body["error"]


# --- a call


@pytest.mark.asyncio
async def test_a_call_is_greeted_and_answered() -> None:
    async with live_server() as server, server.call("?model=fake") as call:
        greeting = await next_event(call)
        assert greeting["type"] == "session.created"
        assert greeting["session"]["model"] == "fake"
        await send(call, "conversation.item.create", item=TYPED)
        await send(call, "response.create")
        done = await until(call, "response.done")
        assert done["response"]["status"] == "completed"
        assert server.metric("omnicall_sessions_open") == 1
        assert server.metric("omnicall_sessions_total") == 1


@pytest.mark.asyncio
async def test_two_calls_at_once_get_each_their_own_answer() -> None:
    engine = FakeEngine(lambda number: [reply(f"You are caller {number}.")])
    async with live_server(engine) as server, server.call() as first, server.call() as second:
        for call in (first, second):
            await until(call, "session.created")
            await send(call, "session.update", session={"type": "realtime"})
            await send(call, "conversation.item.create", item=TYPED)
            await send(call, "response.create")
        texts = [
            (await until(call, "response.output_audio_transcript.done"))["transcript"]
            for call in (first, second)
        ]
        assert texts == ["You are caller 0.", "You are caller 1."]


@pytest.mark.asyncio
async def test_hanging_up_ends_the_session_at_once() -> None:
    async with live_server() as server:
        async with server.call() as call:
            await until(call, "session.created")
            await send(call, "input_audio_buffer.append", audio=base64_of(sound(0.5)))
            await eventually(lambda: bool(server.engine.commands))
        await eventually(lambda: server.metric("omnicall_sessions_open") == 0)
        await eventually(lambda: not server.engine.holds(server.engine.commands[0].session_id))


@pytest.mark.asyncio
async def test_losing_the_connection_without_goodbye_ends_the_session_too() -> None:
    async with live_server() as server:
        async with server.call() as call:
            await until(call, "session.created")
            call.transport.abort()
            with contextlib.suppress(ConnectionClosed):
                await call.recv()
        await eventually(lambda: server.metric("omnicall_sessions_open") == 0)


# --- refused before the upgrade


@pytest.mark.asyncio
async def test_a_wrong_key_is_a_401_before_the_upgrade() -> None:
    async with live_server(config=local_config(server={"api_key": "sesame"})) as server:
        status, error = await refusal(server)
        assert (status, error["code"]) == (401, "invalid_api_key")
        wrong = {"additional_headers": {"Authorization": "Bearer wrong"}}
        assert (await refusal(server, **wrong))[0] == 401
        async with server.call(additional_headers={"Authorization": "Bearer sesame"}) as call:
            assert (await next_event(call))["type"] == "session.created"
        refused = server.metric("omnicall_sessions_refused_total", code="invalid_api_key")
        assert refused == 2


@pytest.mark.asyncio
async def test_a_browser_brings_its_key_as_a_subprotocol_and_gets_realtime_back() -> None:
    async with live_server(config=local_config(server={"api_key": "sesame"})) as server:
        offered = ["realtime", "openai-insecure-api-key.sesame"]
        async with server.call(subprotocols=offered) as call:
            assert call.subprotocol == "realtime"


@pytest.mark.asyncio
async def test_a_call_with_a_secret_begins_with_what_the_secret_was_made_for() -> None:
    session = {
        "type": "realtime",
        "instructions": "be brief",
        "mode": "audio",
        "audio": {"input": {"turn_detection": {"type": "server_vad", "threshold": 0.25}}},
    }
    async with live_server(config=local_config(server={"api_key": "sesame"})) as server:
        async with server.http(headers={"Authorization": "Bearer sesame"}) as http:
            made = await http.post("/v1/realtime/client_secrets", json={"session": session})
        offered = ["realtime", f"openai-insecure-api-key.{made.json()['value']}"]
        for _ in range(2):
            async with server.call(subprotocols=offered, origin="https://shop.example") as call:
                told = (await next_event(call))["session"]
                assert (told["instructions"], told["mode"]) == ("be brief", "audio")
                assert told["audio"]["input"]["turn_detection"]["threshold"] == 0.25
                assert call.subprotocol == "realtime"
                await send(call, "conversation.item.create", item=TYPED)
                await until(call, "conversation.item.done")
                opened = server.engine.submitted(told["id"], Open)
                assert opened[0].spec.instructions == "be brief"


@pytest.mark.asyncio
async def test_a_secret_that_is_not_valid_is_a_401_with_and_without_a_key() -> None:
    for key in ("", "sesame"):
        async with live_server(config=local_config(server={"api_key": key})) as server:
            offered = ["realtime", "openai-insecure-api-key.ek_stale"]
            status, error = await refusal(server, subprotocols=offered)
            assert (status, error["code"]) == (401, "invalid_api_key")
            assert "ek_stale" not in error["message"]


@pytest.mark.asyncio
async def test_a_page_of_another_site_is_a_403_before_the_upgrade() -> None:
    async with live_server() as server:
        status, error = await refusal(server, origin="https://evil.example")
        assert (status, error["code"]) == (403, "origin_not_allowed")
        async with server.call(origin=server.http_url) as call:
            assert (await next_event(call))["type"] == "session.created"
        refused = server.metric("omnicall_sessions_refused_total", code="origin_not_allowed")
        assert refused == 1
    allowed = local_config(access={"allowed_origins": ["https://shop.example"]})
    async with (
        live_server(config=allowed) as server,
        server.call(origin="https://shop.example") as call,
    ):
        assert (await next_event(call))["type"] == "session.created"


@pytest.mark.asyncio
@pytest.mark.parametrize("model", ["gpt-realtime", "gpt-realtime-mini", "nonsense"])
async def test_an_unknown_model_is_a_404_before_the_upgrade(model: str) -> None:
    async with live_server() as server:
        status, error = await refusal(server, f"?model={model}")
        assert (status, error["code"]) == (404, "model_not_found")


@pytest.mark.asyncio
async def test_a_refusal_is_no_error_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async with live_server() as server:
        await refusal(server, "?model=nonsense")
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == []


@pytest.mark.asyncio
@pytest.mark.parametrize("query", ["", "?model=fake", "?model=omnicall", "?model=pocket"])
async def test_the_model_s_names_and_no_name_are_taken(query: str) -> None:
    async with live_server() as server, server.call(query) as call:
        assert (await next_event(call))["type"] == "session.created"


@pytest.mark.asyncio
async def test_a_full_server_is_a_503_and_the_calls_on_it_go_on() -> None:
    config = local_config(session={"max_sessions": 1})
    async with live_server(config=config) as server, server.call() as call:
        await until(call, "session.created")
        status, error = await refusal(server)
        assert (status, error["code"]) == (503, "server_full")
        await send(call, "session.update", session={"type": "realtime"})
        assert (await next_event(call))["type"] == "session.updated"


@pytest.mark.asyncio
async def test_an_engine_that_is_not_ready_is_a_503() -> None:
    async with live_server() as server:
        server.engine.set_status(EngineStatus.RESTARTING)
        status, error = await refusal(server)
        assert (status, error["code"]) == (503, "engine_unavailable")


@pytest.mark.asyncio
async def test_another_path_is_a_404() -> None:
    async with live_server() as server:
        server_path = server.realtime_url.replace("/v1/realtime", "/v1/nothing")
        with pytest.raises(InvalidStatus) as caught:
            async with connect(server_path):
                pass
        assert caught.value.response.status_code == 404


# --- bad input


@pytest.mark.asyncio
async def test_what_is_not_a_text_event_is_an_error_and_the_call_goes_on() -> None:
    async with live_server() as server, server.call() as call:
        await until(call, "session.created")
        await call.send(b"\x00\x01")
        assert (await next_event(call))["error"]["code"] == "invalid_message"
        await call.send("{")
        assert (await next_event(call))["error"]["code"] == "invalid_json"
        await call.send(
            json.dumps({"type": "input_audio_buffer.append", "audio": "A" * 20_000_000})
        )
        assert (await next_event(call))["error"]["param"] == "audio"
        await send(call, "session.update", session={"type": "realtime"})
        assert (await next_event(call))["type"] == "session.updated"
        assert server.metric("omnicall_errors_total", code="invalid_json") == 1


@pytest.mark.asyncio
async def test_a_message_beyond_the_limit_closes_with_1009_and_harms_nobody_else() -> None:
    config = local_config(server={"max_message_bytes": 65_536})
    async with live_server(config=config) as server, server.call() as other:
        async with server.call() as call:
            await until(call, "session.created")
            await call.send("x" * 100_000)
            with pytest.raises(ConnectionClosed) as caught:
                await call.recv()
            assert caught.value.rcvd is not None
            assert caught.value.rcvd.code == 1009
        assert (await next_event(other))["type"] == "session.created"


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("settings", "n_messages"),
    [({"send_timeout_s": 0.3}, 600), ({"send_queue_events": 16, "send_timeout_s": 20}, 600)],
    ids=["takes nothing for too long", "leaves too much waiting"],
)
async def test_a_client_that_never_reads_is_dropped_and_others_are_not(
    settings: dict[str, float], n_messages: int
) -> None:
    async with live_server(config=local_config(server=settings)) as server:
        raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.setblocking(False)
        await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", server.port))
        async with server.call() as other:
            async with server.call(sock=raw, max_queue=1, ping_interval=None) as mute:
                with contextlib.suppress(ConnectionClosed):
                    for _ in range(n_messages):
                        await send(mute, "nonsense" * 8)
                await eventually(lambda: server.metric("omnicall_sessions_open") == 1)
                await eventually(lambda: len(server.server.server_state.connections) == 1)
                mute.transport.abort()
            await until(other, "session.created")
            await send(other, "conversation.item.create", item=TYPED)
            await send(other, "response.create")
            assert (await until(other, "response.done"))["response"]["status"] == "completed"


class BrokenEngine(FakeEngine):
    def submit(self, command: Command) -> None:
        if isinstance(command, Respond):
            raise KeyError("secret internals")
        super().submit(command)


@pytest.mark.asyncio
async def test_a_fault_of_ours_ends_one_call_with_a_plain_word() -> None:
    async with live_server(BrokenEngine()) as server, server.call() as other:
        async with server.call() as call:
            await until(call, "session.created")
            await send(call, "response.create")
            with pytest.raises(ConnectionClosed) as caught:
                while True:
                    assert "secret" not in str(await call.recv())
            assert caught.value.rcvd is not None
            assert caught.value.rcvd.code == 1011
            assert "secret" not in caught.value.rcvd.reason
        assert (await next_event(other))["type"] == "session.created"


# --- the end


async def closing(call: Any) -> tuple[list[str], int, str]:
    """Error codes until the connection closes, and how it does."""
    codes = []
    try:
        while True:
            event = await next_event(call)
            if event["type"] == "error":
                codes.append(event["error"]["code"])
    except ConnectionClosed as closed:
        assert closed.rcvd is not None
        return codes, closed.rcvd.code, closed.rcvd.reason


@pytest.mark.asyncio
async def test_a_deleted_session_is_told_and_closed() -> None:
    async with live_server() as server, server.call() as call, server.http() as http:
        session_id = (await next_event(call))["session"]["id"]
        await http.delete(f"/v1/realtime/sessions/{session_id}")
        assert await closing(call) == (["deleted"], 1000, "deleted")


@pytest.mark.asyncio
async def test_a_dead_engine_is_told_and_closed_with_1011() -> None:
    async with live_server() as server, server.call() as call:
        await until(call, "session.created")
        await send(call, "conversation.item.create", item=TYPED)
        await until(call, "conversation.item.done")
        server.engine.die()
        assert await closing(call) == (["engine_failed"], 1011, "engine_failed")
        assert server.metric("omnicall_engine_restarts_total") == 1


@pytest.mark.asyncio
async def test_an_idle_session_is_closed_with_1008() -> None:
    config = local_config(session={"idle_timeout_s": 0.2})
    async with live_server(config=config) as server, server.call() as call:
        assert await closing(call) == (["idle_timeout"], 1008, "idle_timeout")


@pytest.mark.asyncio
async def test_a_server_that_stops_lets_the_answer_finish_and_takes_nobody_new() -> None:
    engine = FakeEngine([reply("Hello", 0.1, " there", 0.1, every_s=0.1)])
    async with live_server(engine) as server, server.call() as call:
        await until(call, "session.created")
        await send(call, "conversation.item.create", item=TYPED)
        await send(call, "response.create")
        await until(call, "response.created")
        server.server.should_exit = True
        done = await until(call, "response.done")
        assert done["response"]["status"] == "completed"
        assert await closing(call) == (["draining"], 1012, "draining")


# --- events on their way


def cleared() -> InputAudioBufferCleared:
    return InputAudioBufferCleared()


@pytest.mark.asyncio
async def test_an_outbox_hands_out_what_waits_and_then_ends() -> None:
    outbox = Outbox(2)
    outbox.put(cleared())
    outbox.close()
    outbox.put(cleared())
    assert await outbox.get() == cleared()
    assert await outbox.get() is None


@pytest.mark.asyncio
async def test_an_outbox_never_drops_it_gives_up() -> None:
    outbox = Outbox(2)
    outbox.put(cleared())
    outbox.put(cleared())
    with pytest.raises(SlowClientError):
        outbox.put(cleared())


@pytest.mark.asyncio
async def test_waiting_for_an_event_can_be_cancelled_without_losing_one() -> None:
    outbox = Outbox(2)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await outbox.get()
    outbox.put(cleared())
    assert await outbox.get() == cleared()
