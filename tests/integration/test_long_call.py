"""A call that says more than the model can remember goes on all the same."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
from websockets.asyncio.client import ClientConnection

from tests.fakes.media_files import tone
from tests.integration.conftest import ServerProcess, ask, dial, greedy, ready_server, send, until

pytestmark = pytest.mark.integration

CAPACITY, HIGH, LOW = 1024, 768, 512
RATE_HZ = 24_000
UNITS_PER_TURN = 3
N_TURNS = 24
SETTINGS = {
    "context.capacity_tokens": CAPACITY,
    "context.high_tokens": HIGH,
    "context.low_tokens": LOW,
    # The recording of a long call is sent as fast as the model reads it.
    "session.max_backlog_s": 2 * N_TURNS * UNITS_PER_TURN,
    # And nobody waits until an answer would have been listened to.
    "playout.lead_s": 600,
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server whose model remembers less than a minute."""
    settings = [f"--set={name}={value}" for name, value in SETTINGS.items()]
    with ready_server(tmp_path_factory.mktemp("server"), *settings) as running:
        yield running


async def hear(call: ClientConnection, number: int) -> list[tuple[int, int]]:
    """One spoken turn; the tokens of each unit and of the context after it."""
    pcm = tone(UNITS_PER_TURN, RATE_HZ, frequency_hz=200.0 + 20 * number)
    audio = base64.b64encode(pcm.astype(np.dtype("<i2")).tobytes()).decode()
    await send(call, "input_audio_buffer.append", audio=audio)
    await send(call, "input_audio_buffer.commit")
    units = [await until(call, "unit.prefilled") for _ in range(UNITS_PER_TURN)]
    return [(unit["n_tokens"], unit["context_tokens"]) for unit in units]


async def transcript(call: ClientConnection) -> str:
    """The text of the answer that is on its way; an error instead fails the test."""
    said = ""
    while True:
        event = await until(call, "response.output_audio_transcript.done", "response.done", "error")
        assert event["type"] != "error", event
        if event["type"] == "response.done":
            assert event["response"]["status"] in ("completed", "incomplete")
            return said
        said = event["transcript"]


@pytest.mark.asyncio
async def test_a_call_far_past_the_context_is_answered_to_its_end(server: ServerProcess) -> None:
    session = {
        "audio": {"input": {"turn_detection": None}},
        "mode": "audio",
        "extensions": ["unit.prefilled"],
    }
    read_tokens = 0
    contexts: list[int] = []
    async with dial(server) as call:
        await greedy(call, **session)
        for number in range(N_TURNS):
            for n_tokens, context_tokens in await hear(call, number):
                read_tokens += n_tokens
                contexts.append(context_tokens)
            await ask(call, f"And what about number {number}?", max_output_tokens=8)
            assert await transcript(call)
    assert read_tokens > 2 * CAPACITY, "the call was long"
    assert max(contexts) <= HIGH, "it is cut before it is full"
    n_cuts = sum(later < earlier for earlier, later in pairwise(contexts))
    assert n_cuts >= 2, "again and again, not once"
    assert min(contexts[len(contexts) // 2 :]) >= LOW - UNITS_PER_TURN * 64, "and not to nothing"
