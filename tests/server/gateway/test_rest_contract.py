"""REST against its own OpenAPI description, with requests nobody would think of."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Queue

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings

from server.app import create_app
from server.clock import SystemClock
from tests.fakes.fake_engine import FakeEngine
from tests.server.gateway.live_server import live_server, local_config

pytestmark = pytest.mark.integration

EXAMPLES = 10
KEY = "sesame"


@contextmanager
def served_in_a_thread(api_key: str) -> Iterator[str]:
    """A server for blocking clients; its address."""
    address: Queue[str] = Queue()
    over = threading.Event()

    async def serve() -> None:
        async with live_server(config=local_config(server={"api_key": api_key})) as server:
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
def open_url() -> Iterator[str]:
    with served_in_a_thread("") as url:
        yield url


@pytest.fixture(scope="module")
def keyed_url() -> Iterator[str]:
    with served_in_a_thread(KEY) as url:
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
    case.call_and_validate(base_url=open_url)


@described(KEY).parametrize()
@bounded
def test_every_answer_to_strangers_is_as_described(case: schemathesis.Case, keyed_url: str) -> None:
    case.call_and_validate(base_url=keyed_url)
