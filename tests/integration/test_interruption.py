"""A user who talks into the answer: it stops, the model keeps what was heard, and answers anew."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.client import ClientConnection

from server.cli.call_media import WIRE_RATE_HZ, read_audio
from tests.fakes.media_files import QUESTION
from tests.integration.conftest import (
    EVENT_TIMEOUT_S,
    ServerProcess,
    dial,
    ready_server,
    send,
    until,
)

pytestmark = pytest.mark.integration

LONG_ANSWERS = {"temperature": 2.0, "top_p": 1.0, "top_k": 0, "seed": 7}
"""Nearly uniform draws: the end of the text is one of many tokens and hardly ever comes."""
PLAYOUT_LEAD_S = 0.5
"""Speech sent ahead of what the listener has heard."""
BYTES_PER_S = 2 * WIRE_RATE_HZ


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that sends speech hardly before it is due."""
    folder = tmp_path_factory.mktemp("server")
    with ready_server(folder, "--set", f"playout.lead_s={PLAYOUT_LEAD_S}") as running:
        yield running


async def say(call: ClientConnection, speech_s: float, silence_s: float) -> None:
    """Real speech and then silence, all at once: turns are told in audio time."""
    spoken = read_audio(str(QUESTION))[: round(speech_s * WIRE_RATE_HZ)]
    pcm = np.concatenate([spoken, np.zeros(round(silence_s * WIRE_RATE_HZ), np.int16)])
    audio = base64.b64encode(pcm.astype("<i2").tobytes()).decode()
    await send(call, "input_audio_buffer.append", audio=audio)


async def events_until_two_answers(call: ClientConnection) -> list[dict[str, Any]]:
    """Everything the server says until two responses are done."""
    events: list[dict[str, Any]] = []
    async with asyncio.timeout(EVENT_TIMEOUT_S):
        while [event["type"] for event in events].count("response.done") < 2:
            events.append(json.loads(await call.recv()))
    return events


def audio_s(delta: dict[str, Any]) -> float:
    return len(base64.b64decode(delta["delta"])) / BYTES_PER_S


def of_type(events: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [event for event in events if event["type"] == kind]


@pytest.mark.asyncio
@pytest.mark.parametrize("heard_s", [0.0, 0.7], ids=["at its first sound", "in its middle"])
async def test_speech_into_an_answer_cancels_it_and_gets_an_answer_of_its_own(
    server: ServerProcess, heard_s: float
) -> None:
    async with dial(server) as call:
        await until(call, "session.created")
        session = {"type": "realtime", "sampling": LONG_ANSWERS}
        await send(call, "session.update", session=session)
        await say(call, speech_s=1.5, silence_s=1.0)
        first = await until(call, "response.created")
        began_s = asyncio.get_running_loop().time()
        sent_s = 0.0
        while sent_s <= (PLAYOUT_LEAD_S + heard_s if heard_s else 0.0):
            sent_s += audio_s(await until(call, "response.output_audio.delta"))
        # Answers that end by themselves follow the interrupted one.
        await send(call, "session.update", session={"type": "realtime", "max_output_tokens": 8})
        await say(call, speech_s=2.0, silence_s=1.0)
        events = await events_until_two_answers(call)
        took_s = asyncio.get_running_loop().time() - began_s

    assert of_type(events, "error") == []
    kinds = [event["type"] for event in events]
    interrupted, answered = (event["response"] for event in of_type(events, "response.done"))
    assert interrupted["id"] == first["response"]["id"] != answered["id"]
    assert interrupted["status"] == "cancelled"
    assert interrupted["status_details"]["reason"] == "turn_detected"
    assert answered["status"] in ("completed", "incomplete")

    speech = of_type(events, "response.output_audio.delta")
    cancelled_at = kinds.index("response.done")
    assert kinds.index("input_audio_buffer.speech_started") < cancelled_at
    late = [event for event in events[cancelled_at:] if event in speech]
    assert {event["response_id"] for event in late} == {answered["id"]}, "no speech after the end"
    sent_s += sum(audio_s(event) for event in speech if event["response_id"] == interrupted["id"])
    assert sent_s <= PLAYOUT_LEAD_S + took_s, "what was not due was never sent"

    order = [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "response.created",
    ]
    assert [kind for kind in kinds if kind in order] == order, "one turn, one answer"
