"""``omnicall doctor``: checks this machine and says what to do."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import psutil
import typer

from server.config import Config, load_config
from server.errors import ConfigurationError
from server.tls import read_certificate

MINIMUM_PYTHON = (3, 11)
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "firefox")
SOON_DAYS = 30
GIB = 1024**3


class Verdict(StrEnum):
    """How a check came out."""

    GOOD = "ok"
    WARNING = "warning"
    BAD = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    subject: str
    verdict: Verdict
    detail: str
    remedy: str = ""
    """What to do about it."""


def doctor(
    config_file: Annotated[
        Path | None, typer.Option("--config", help="TOML file with settings.")
    ] = None,
) -> None:
    """Check Python, torch, device, checkpoint, ports, certificate and browser."""
    findings = list(examine(load_config(config_file)))
    for finding in findings:
        typer.echo(f"{finding.verdict:<8} {finding.subject:<12} {finding.detail}")
        if finding.remedy:
            typer.echo(f"{'':<21} → {finding.remedy}")
    if any(finding.verdict is Verdict.BAD for finding in findings):
        raise typer.Exit(1)


def examine(config: Config) -> Iterator[Finding]:
    """All findings, each check on its own: one that fails does not stop the next."""
    checks: list[Callable[[Config], Finding]] = [
        check_python,
        check_torch,
        check_device,
        check_memory,
        check_checkpoint,
        check_port,
        check_certificate,
        check_browser,
    ]
    for check in checks:
        yield check(config)


def check_python(config: Config) -> Finding:
    """The interpreter is new enough."""
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < MINIMUM_PYTHON:
        return Finding("python", Verdict.BAD, version, "install Python 3.11 or newer")
    return Finding("python", Verdict.GOOD, version)


def check_torch(config: Config) -> Finding:
    """Torch is there and its build fits."""
    if importlib.util.find_spec("torch") is None:
        return Finding("torch", Verdict.BAD, "not installed", "run make install")
    import torch

    return Finding("torch", Verdict.GOOD, torch.__version__)


def check_device(config: Config) -> Finding:
    """The configured device exists."""
    from model.loading import CheckpointError, choose_device, choose_dtype

    try:
        device = choose_device(config.checkpoint.device)
        dtype = choose_dtype(config.checkpoint.dtype, device)
    except CheckpointError as error:
        return Finding("device", Verdict.BAD, str(error), "set checkpoint.device to auto or cpu")
    detail = f"{device}, {str(dtype).removeprefix('torch.')}, {os.cpu_count()} CPU cores"
    return Finding("device", Verdict.GOOD, detail)


def check_memory(config: Config) -> Finding:
    """Enough memory is free for the default checkpoint and its sessions."""
    free = psutil.virtual_memory().available / GIB
    detail = f"{free:.1f} GiB free"
    if free < 2:
        return Finding(
            "memory", Verdict.WARNING, detail, "close other programs or lower session.max_sessions"
        )
    return Finding("memory", Verdict.GOOD, detail)


def check_checkpoint(config: Config) -> Finding:
    """The checkpoint folder is complete: names and shapes of all tensors are compared."""
    from model.config import ConfigError, OmniConfig
    from model.loading import CheckpointError, verify_checkpoint
    from model.pocket_checkpoint import UnknownCheckpointError, resolve

    try:
        folder = resolve(config.checkpoint.path)
        verify_checkpoint(folder)
        checkpoint = OmniConfig.from_folder(folder)
    except (UnknownCheckpointError, ConfigError, CheckpointError) as error:
        return Finding(
            "checkpoint", Verdict.BAD, str(error), "set checkpoint.path, or fetch the files again"
        )
    if not checkpoint.trained:
        return Finding(
            "checkpoint",
            Verdict.WARNING,
            f"{checkpoint.checkpoint_name}, untrained: random weights, answers mean nothing",
            "set checkpoint.path to a folder of openbmb/MiniCPM-o-2_6 for real answers",
        )
    return Finding("checkpoint", Verdict.GOOD, checkpoint.checkpoint_name or str(folder))


def check_port(config: Config) -> Finding:
    """The port is free."""
    address = (config.server.host, config.server.port)
    with socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            return Finding(
                "port",
                Verdict.BAD,
                f"{address[0]}:{address[1]}: {error.strerror}",
                "stop what listens there, or choose another with --port",
            )
    return Finding("port", Verdict.GOOD, f"{address[0]}:{address[1]} is free")


def check_certificate(config: Config) -> Finding:
    """The certificate exists and is not about to expire."""
    if config.server.insecure_http:
        return Finding(
            "certificate",
            Verdict.WARNING,
            "not used: server.insecure_http is on",
            "browsers give camera and microphone to plain HTTP on localhost only",
        )
    path = config.server.cert_file
    if not path.is_file():
        return Finding("certificate", Verdict.GOOD, f"{path} will be made at first start")
    try:
        expires = read_certificate(path).not_after
    except ConfigurationError as error:
        return Finding("certificate", Verdict.BAD, error.message, "run omnicall certs --renew")
    days = (expires - datetime.now(UTC)).days
    if days < SOON_DAYS:
        return Finding(
            "certificate",
            Verdict.WARNING,
            f"{path}: {days} days left",
            "run omnicall certs --renew",
        )
    return Finding("certificate", Verdict.GOOD, f"{path}, {days} days left")


def check_browser(config: Config) -> Finding:
    """A browser for the page, and for the browser tests."""
    found = [name for name in BROWSERS if shutil.which(name)]
    if not found:
        return Finding(
            "browser", Verdict.WARNING, "none found on this machine", "make browser installs one"
        )
    return Finding("browser", Verdict.GOOD, ", ".join(found))
