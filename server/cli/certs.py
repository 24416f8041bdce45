"""``omnicall certs``: make the self-signed certificate the server uses."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from server.config import load_config
from server.tls import ensure_certificate


def certs(
    config_file: Annotated[
        Path | None, typer.Option("--config", help="TOML file with settings.")
    ] = None,
    renew: Annotated[bool, typer.Option(help="Replace a certificate that exists.")] = False,
) -> None:
    """Make the TLS certificate and key, unless they exist."""
    server = load_config(config_file).server
    if renew:
        server.cert_file.unlink(missing_ok=True)
        server.key_file.unlink(missing_ok=True)
    made = ensure_certificate(server.cert_file, server.key_file, server.host)
    typer.echo(
        f"{'made' if made else 'kept'} certificate {server.cert_file} and key {server.key_file}"
    )
