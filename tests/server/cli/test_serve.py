"""What `omnicall serve` makes of its options, before anything slow is loaded."""

from __future__ import annotations

import socket

import pytest
import typer

from server.cli import serve as serve_module
from server.cli.serve import INTERRUPTED, START_FAILED, bind, collect_overrides, run
from server.config import load_config
from server.errors import ConfigurationError

pytestmark = pytest.mark.unit


def test_only_options_that_were_given_override() -> None:
    named = {"server": {"host": None, "port": 0}, "checkpoint": {"path": None}}
    overrides = collect_overrides(named, ["turn.min_silence_s=0.8", "server.host=127.0.0.1"])
    assert overrides == {
        "server": {"port": 0, "host": "127.0.0.1"},
        "checkpoint": {},
        "turn": {"min_silence_s": "0.8"},
    }
    assert load_config(overrides=overrides, environment={}).turn.min_silence_s == 0.8


@pytest.mark.parametrize("setting", ["port=1", "server.port", "server=1"])
def test_a_setting_of_another_form_is_refused(setting: str) -> None:
    with pytest.raises(ConfigurationError, match=r"section\.key=value"):
        collect_overrides({}, [setting])


def test_a_taken_port_is_refused_with_a_remedy() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        overrides = {"server": {"host": "127.0.0.1", "port": port}}
        with pytest.raises(ConfigurationError, match="--port"):
            bind(load_config(overrides=overrides, environment={}))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_port_zero_lets_the_system_choose(host: str) -> None:
    overrides = {"server": {"host": host, "port": 0}}
    try:
        listener = bind(load_config(overrides=overrides, environment={}))
    except ConfigurationError:
        pytest.skip(f"this machine has no {host}")
    with listener:
        assert listener.getsockname()[1] > 0


class EndedServer:
    """An HTTP server whose life is over as soon as it is run."""

    def __init__(self, *, started: bool = True, failure: str = "", interrupted: bool = False):
        self.started = started
        self.failure = failure
        self.interrupted = interrupted

    def run(self, sockets: list[socket.socket]) -> None:
        if self.interrupted:
            raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("server", "exit_code"),
    [
        (EndedServer(interrupted=True), INTERRUPTED),
        (EndedServer(started=False), START_FAILED),
        (EndedServer(failure="no such checkpoint"), START_FAILED),
        (EndedServer(), 0),
    ],
)
def test_the_exit_code_says_how_it_ended(
    server: EndedServer, exit_code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serve_module, "build_http_server", lambda *_, **__: server)
    overrides = {"server": {"host": "127.0.0.1", "port": 0, "insecure_http": True}}
    config = load_config(overrides=overrides, environment={})
    code = 0
    with bind(config) as listener:
        try:
            run(config, listener)
        except typer.Exit as exit:
            code = exit.exit_code
    assert code == exit_code
