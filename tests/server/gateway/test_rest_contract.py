"""REST against its own OpenAPI description, with requests nobody would think of."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from server.app import create_app
from server.clock import SystemClock
from tests.fakes.fake_engine import FakeEngine
from tests.server.gateway.live_server import live_server, local_config

pytestmark = pytest.mark.integration

EXAMPLES = 10
KEY = "sesame"
WIDER_THAN_THE_SERVER = {"/v1/realtime/client_secrets", "/v1/realtime/calls"}
"""Paths whose schema allows what the server refuses: models, voices and tools it does not have, and
texts that are no SDP."""


@schemathesis.serializer("application/sdp")
def write_sdp(_: schemathesis.SerializationContext, text: object) -> bytes:
    """A body of text as it is."""
    return str(text).encode()


@contextmanager
def served_in_a_thread(api_key: str, folder: Path) -> Iterator[str]:
    """A server for blocking clients, whose files are in ``folder``; its address."""
    feedback = {"database": folder / "feedback.sqlite3"}
    config = local_config(server={"api_key": api_key}, feedback=feedback)
    address: Queue[str] = Queue()
    over = threading.Event()

    async def serve() -> None:
        async with live_server(config=config) as server:
            address.put(server.http_url)
            await asyncio.to_thread(over.wait)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    try:
        yield address.get(timeout=20)
    finally:
        over.set()
        thread.join()


def described(api_key: str) -> schemathesis.BaseSchema:
    """What a server with this key says about itself."""
    app = create_app(local_config(server={"api_key": api_key}), FakeEngine(), SystemClock())
    return schemathesis.openapi.from_dict(app.openapi())


@pytest.fixture(scope="module")
def open_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served_in_a_thread("", tmp_path_factory.mktemp("open")) as url:
        yield url


@pytest.fixture(scope="module")
def keyed_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served_in_a_thread(KEY, tmp_path_factory.mktemp("keyed")) as url:
        yield url


bounded = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@described("").parametrize()
@bounded
def test_every_answer_is_as_described(case: schemathesis.Case, open_url: str) -> None:
    wider = case.operation.path in WIDER_THAN_THE_SERVER
    case.call_and_validate(
        base_url=open_url, excluded_checks=[positive_data_acceptance] if wider else []
    )


@described(KEY).parametrize()
@bounded
def test_every_answer_to_strangers_is_as_described(case: schemathesis.Case, keyed_url: str) -> None:
    case.call_and_validate(base_url=keyed_url)
