"""``omnicall serve``: run the server until it is told to stop."""

from __future__ import annotations

import logging
import socket
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from server.app import create_app
from server.clock import SystemClock
from server.config import Config, load_config
from server.engine.placement import create_engine_client
from server.errors import ConfigurationError
from server.gateway.http_server import build_http_server
from server.tls import ensure_certificate

logger = logging.getLogger("omnicall")

START_FAILED = 3
INTERRUPTED = 130
"""What a shell calls a program that Ctrl-C ended."""
UVICORN_LEVELS = {"debug": "debug", "info": "warning", "warning": "warning", "error": "error"}
"""uvicorn's own start-up lines repeat ours; its warnings are kept."""
LOG_FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


def serve(
    config_file: Annotated[
        Path | None, typer.Option("--config", help="TOML file with settings (see configs/).")
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 chooses one.")] = None,
    insecure_http: Annotated[
        bool | None, typer.Option("--insecure-http", help="Plain HTTP instead of HTTPS.")
    ] = None,
    checkpoint: Annotated[
        str | None, typer.Option(help="Checkpoint folder, or 'pocket' for the default.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:N or auto.")] = None,
    dtype: Annotated[str | None, typer.Option(help="float32, bfloat16, float16 or auto.")] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", help="Any setting, as section.key=value; may be repeated."),
    ] = None,
) -> None:
    """Serve calls over WebSocket and HTTPS."""
    overrides = collect_overrides(
        {
            "server": {"host": host, "port": port, "insecure_http": insecure_http},
            "checkpoint": {"path": checkpoint, "device": device, "dtype": dtype},
        },
        setting or [],
    )
    config = load_config(config_file, overrides)
    logging.basicConfig(
        level=config.log.level.upper(), format=LOG_FORMAT, stream=sys.stderr, force=True
    )
    # It names every address it tries, the callers' among them.
    logging.getLogger("aioice").setLevel(max(logging.WARNING, logging.root.level))
    with bind(config) as listener:
        run(config, listener)


def run(config: Config, listener: socket.socket) -> None:
    """Serve on a bound socket until interrupted; sessions end before their connections are cut.

    Raises:
        typer.Exit: The server was interrupted, or could not serve.
    """
    settings = config.server
    if not settings.insecure_http:
        ensure_certificate(settings.cert_file, settings.key_file, settings.host)
    app = create_app(config, create_engine_client(config), SystemClock())
    shown = "localhost" if settings.host in ("0.0.0.0", "::") else settings.host
    logger.info(
        "serving %s on %s://%s:%d",
        config.checkpoint.path,
        "http" if settings.insecure_http else "https",
        shown,
        listener.getsockname()[1],
    )
    server = build_http_server(app, settings, log_level=UVICORN_LEVELS[config.log.level])
    try:
        server.run(sockets=[listener])
    except KeyboardInterrupt:
        # uvicorn raises it again after the orderly end: there is nothing left to interrupt.
        raise typer.Exit(INTERRUPTED) from None
    if not server.started or server.failure:
        # The application said why; a supervisor must see that it could not serve.
        raise typer.Exit(START_FAILED)


def bind(config: Config) -> socket.socket:
    """A socket on the configured address, before anything slow is loaded.

    Raises:
        ConfigurationError: The address or port cannot be used; the text says what to do.
    """
    host, port = config.server.host, config.server.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise ConfigurationError(
            f"cannot listen on {host}:{port}: {error.strerror or error}. "
            "Stop what is using the port, or choose another with --port"
        ) from error
    return listener


def collect_overrides(named: dict[str, dict[str, Any]], settings: list[str]) -> dict[str, Any]:
    """What the command line says, nested by section; options that were not given are left out.

    Raises:
        ConfigurationError: A ``--set`` is not of the form ``section.key=value``.
    """
    overrides = {
        section: {key: value for key, value in keys.items() if value is not None}
        for section, keys in named.items()
    }
    for setting in settings:
        path, equals, value = setting.partition("=")
        section, dot, key = path.partition(".")
        if not equals or not dot:
            raise ConfigurationError(f"--set {setting!r} is not of the form section.key=value")
        overrides.setdefault(section, {})[key] = value
    return overrides
