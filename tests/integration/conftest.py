"""Real processes for the integration tests: a server, started once per module, ended by its id.

And the few words of the dialect that most tests speak to it.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from websockets.asyncio.client import ClientConnection, connect

GOLDEN = Path(__file__).parents[1] / "golden"
START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 30
EVENT_TIMEOUT_S = 30


@dataclass
class ServerProcess:
    """A running ``omnicall serve``."""

    process: subprocess.Popen[str]
    port: int
    log: list[str]
    """Lines of its standard error so far."""
    reader: threading.Thread
    """Reads the log until the process ends."""

    @property
    def http(self) -> str:
        """Base address of REST."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def realtime(self) -> str:
        """Address to call."""
        return f"wss://127.0.0.1:{self.port}/v1/realtime"

    def get(self, path: str, **options: Any) -> httpx.Response:
        """One REST request."""
        return httpx.get(self.http + path, verify=False, timeout=10, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        """One REST request."""
        return httpx.post(self.http + path, verify=False, timeout=10, **options)

    def engine_process(self) -> psutil.Process:
        """The child that owns the model: the one with the most memory."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        return max(children, key=lambda child: child.memory_info().rss)


def start_server(folder: Path, *arguments: str) -> ServerProcess:
    """Start ``omnicall serve`` on a free loopback port with the tiny golden checkpoint."""
    command = [sys.executable, "-m", "server", "serve", "--host", "127.0.0.1", "--port", "0"]
    command += ["--checkpoint", str(GOLDEN)]
    command += ["--set", f"server.cert_file={folder / 'cert.pem'}"]
    command += ["--set", f"feedback.database={folder / 'feedback.sqlite3'}"]
    command += ["--set", f"server.key_file={folder / 'key.pem'}", *arguments]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env=os.environ | {"PYTHONWARNINGS": "default"}
    )
    log: list[str] = []
    listening = threading.Event()
    ports: list[int] = []

    def read_log() -> None:
        assert process.stderr is not None
        with process.stderr:
            for line in process.stderr:
                log.append(line)
                if found := re.search(r"on https?://\S+:(\d+)", line):
                    ports.append(int(found.group(1)))
                    listening.set()
        listening.set()

    reader = threading.Thread(target=read_log, name="server-log", daemon=True)
    reader.start()
    listening.wait(START_TIMEOUT_S)
    if not ports:
        process.kill()
        process.wait()
        raise RuntimeError("the server did not start:\n" + "".join(log))
    return ServerProcess(process, ports[0], log, reader)


def stop_server(server: ServerProcess) -> int:
    """Stop in order, as ``kill`` or a supervisor does; returns the exit code."""
    if server.process.poll() is None:
        server.process.terminate()
    try:
        return server.process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        server.process.kill()
        server.process.wait()
        raise
    finally:
        server.reader.join(STOP_TIMEOUT_S)


def wait_until_ready(server: ServerProcess) -> None:
    """Wait until the model is loaded; ``/ready`` is asked again and again."""
    pause = threading.Event()
    for _ in range(START_TIMEOUT_S * 10):
        try:
            if server.get("/ready").status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            assert server.process.poll() is None, "".join(server.log)
        pause.wait(0.1)
    raise TimeoutError("the server did not become ready:\n" + "".join(server.log))


@contextmanager
def ready_server(folder: Path, *arguments: str) -> Iterator[ServerProcess]:
    """A server that takes calls, until the block ends."""
    running = start_server(folder, *arguments)
    try:
        wait_until_ready(running)
        yield running
    finally:
        stop_server(running)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A ready server of this module."""
    with ready_server(tmp_path_factory.mktemp("server")) as running:
        yield running


# --- the dialect


def trusting() -> ssl.SSLContext:
    """TLS that takes the server's own certificate."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def dial(server: ServerProcess, query: str = "", **options: Any) -> connect:
    """A call, as ``async with``."""
    return connect(server.realtime + query, ssl=trusting(), max_size=2**24, **options)


async def send(call: ClientConnection, kind: str, **fields: Any) -> None:
    """Send one client event."""
    await call.send(json.dumps({"type": kind, **fields}))


async def until(call: ClientConnection, *kinds: str) -> dict[str, Any]:
    """The next event of one of these types; others are passed over."""
    async with asyncio.timeout(EVENT_TIMEOUT_S):
        while True:
            event: dict[str, Any] = json.loads(await call.recv())
            if event["type"] in kinds:
                return event


async def ask(call: ClientConnection, text: str, **response: Any) -> None:
    """Type a question and want it answered."""
    content = [{"type": "input_text", "text": text}]
    item = {"type": "message", "role": "user", "content": content}
    await send(call, "conversation.item.create", item=item)
    await send(call, "response.create", response=response)


async def greedy(call: ClientConnection, **session: Any) -> str:
    """Make answers reproducible and configure the session; returns the session's id."""
    created = await until(call, "session.created")
    sampling = {"temperature": 0.0, "speech_greedy": True}
    await send(call, "session.update", session={"type": "realtime", "sampling": sampling} | session)
    await until(call, "session.updated")
    return str(created["session"]["id"])
