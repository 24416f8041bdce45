"""The stock `openai` client, unmodified, against the gateway on loopback."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI
from openai.resources.realtime.realtime import AsyncRealtimeConnection

from tests.fakes.fake_engine import FakeEngine, reply
from tests.server.gateway.live_server import LiveServer, live_server, local_config
from tests.server.gateway.wire_call import QUIET, base64_of, sound
from tests.server.protocol.openai_dialect import SERVER_EVENTS

pytestmark = pytest.mark.integration

KEY = "sesame"


@asynccontextmanager
async def stock_client(
    engine: FakeEngine | None = None, key: str = KEY
) -> AsyncIterator[tuple[LiveServer, AsyncOpenAI]]:
    """A client that knows nothing of this server but its address and key."""
    config = local_config(server={"api_key": KEY})
    async with live_server(engine, config) as server:
        base_url = f"{server.http_url}/v1"
        async with AsyncOpenAI(api_key=key, base_url=base_url, max_retries=0) as client:
            yield server, client


async def until(connection: AsyncRealtimeConnection, name: str) -> Any:
    """The next event of this name; each on the way has the type the client has for it."""
    while True:
        event = await connection.recv()
        assert type(event) is SERVER_EVENTS[event.type]
        if event.type == name:
            return event


@pytest.mark.asyncio
async def test_a_typed_question_is_answered_aloud() -> None:
    engine = FakeEngine([reply("A cat.", 0.3)])
    async with (
        stock_client(engine) as (_, client),
        client.realtime.connect(model="omnicall") as connection,
    ):
        created = await until(connection, "session.created")
        assert created.session.model == "fake"
        await connection.session.update(session={"type": "realtime", "instructions": "be brief"})
        updated = await until(connection, "session.updated")
        assert updated.session.instructions == "be brief"
        await connection.conversation.item.create(
            item={
                "type": "message",
                "role": "user",
                "content": [{"type": "input_text", "text": "what is this?"}],
            }
        )
        await connection.response.create()
        audio = b""
        while True:
            event = await connection.recv()
            if event.type == "response.output_audio.delta":
                audio += base64.b64decode(event.delta)
            elif event.type == "response.output_audio_transcript.done":
                assert event.transcript == "A cat."
            elif event.type == "response.done":
                break
        assert event.response.status == "completed"
        assert event.response.usage is not None
        assert event.response.usage.output_tokens is not None
        assert len(audio) == 0.3 * 24_000 * 2


@pytest.mark.asyncio
async def test_a_spoken_turn_is_heard_committed_and_answered_in_writing() -> None:
    async with stock_client() as (_, client), client.realtime.connect() as connection:
        await connection.session.update(
            session={
                "type": "realtime",
                "output_modalities": ["text"],
                "audio": {"input": {"turn_detection": {"type": "server_vad"}}},
            }
        )
        await connection.input_audio_buffer.append(audio=base64_of(sound(1.0)))
        await connection.input_audio_buffer.append(audio=base64_of(sound(1.0, QUIET)))
        started = await until(connection, "input_audio_buffer.speech_started")
        committed = await until(connection, "input_audio_buffer.committed")
        assert committed.item_id == started.item_id
        done = await until(connection, "response.output_text.done")
        assert done.text == "Hello there."
        assert (await until(connection, "response.done")).response.output[0].role == "assistant"


@pytest.mark.asyncio
async def test_an_error_names_the_event_the_client_sent() -> None:
    async with stock_client() as (_, client), client.realtime.connect() as connection:
        await until(connection, "session.created")
        await connection.input_audio_buffer.commit(event_id="my_commit")
        error = (await until(connection, "error")).error
        assert error.code == "input_audio_buffer_commit_empty"
        assert error.event_id == "my_commit"


@pytest.mark.asyncio
async def test_an_item_is_truncated_retrieved_and_deleted() -> None:
    engine = FakeEngine([reply("A cat", 1.0, " on a mat.", 1.0)])
    async with stock_client(engine) as (_, client), client.realtime.connect() as connection:
        await until(connection, "session.created")
        await connection.response.create()
        item = (await until(connection, "response.output_item.done")).item
        await until(connection, "response.done")
        await connection.conversation.item.truncate(
            item_id=item.id, content_index=0, audio_end_ms=500
        )
        truncated = await until(connection, "conversation.item.truncated")
        assert truncated.audio_end_ms == 500
        await connection.conversation.item.retrieve(item_id=item.id)
        retrieved = await until(connection, "conversation.item.retrieved")
        assert retrieved.item.content[0].transcript is None
        await connection.conversation.item.delete(item_id=item.id)
        assert (await until(connection, "conversation.item.deleted")).item_id == item.id


@pytest.mark.asyncio
async def test_the_models_are_found_with_the_same_client() -> None:
    async with stock_client() as (_, client):
        models = await client.models.list()
        assert [model.id for model in models.data] == ["fake"]
        assert (await client.models.retrieve("omnicall")).id == "fake"
        with pytest.raises(openai.NotFoundError) as caught:
            await client.models.retrieve("gpt-realtime")
        assert caught.value.code == "model_not_found"


@pytest.mark.asyncio
async def test_a_wrong_key_is_the_client_s_own_error() -> None:
    async with stock_client(key="wrong") as (_, client):
        with pytest.raises(openai.AuthenticationError) as caught:
            await client.models.list()
        assert caught.value.code == "invalid_api_key"
