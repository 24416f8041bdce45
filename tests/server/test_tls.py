"""The self-signed certificate of the first start."""

from __future__ import annotations

import datetime
import ssl
from pathlib import Path

import pytest

from server.errors import ConfigurationError
from server.tls import (
    CertificateSummary,
    certificate_names,
    ensure_certificate,
    generate_certificate,
    read_certificate,
)

pytestmark = pytest.mark.unit


def test_the_certificate_names_this_machine_and_the_configured_host(tmp_path: Path) -> None:
    cert, key = tmp_path / "made" / "cert.pem", tmp_path / "made" / "key.pem"
    assert ensure_certificate(cert, key, "Call.Example.org")
    names = read_certificate(cert).names
    assert {"localhost", "127.0.0.1", "::1", "call.example.org"} <= set(names)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", ""])
def test_an_address_for_everyone_is_no_name(host: str) -> None:
    assert host not in certificate_names(host)
    assert "localhost" in certificate_names(host)


def test_only_the_owner_can_read_the_key(tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    ensure_certificate(cert, key, "localhost")
    assert key.stat().st_mode & 0o777 == 0o600
    assert cert.stat().st_mode & 0o077 == 0o044


def test_a_server_can_use_the_pair(tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    ensure_certificate(cert, key, "localhost")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)


def test_an_existing_pair_is_kept(tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    ensure_certificate(cert, key, "localhost")
    before = cert.read_bytes(), key.read_bytes()
    assert not ensure_certificate(cert, key, "localhost")
    assert (cert.read_bytes(), key.read_bytes()) == before


@pytest.mark.parametrize("missing", ["cert.pem", "key.pem"])
def test_half_a_pair_is_an_error_that_says_what_to_do(tmp_path: Path, missing: str) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    ensure_certificate(cert, key, "localhost")
    (tmp_path / missing).unlink()
    with pytest.raises(ConfigurationError, match=r"supply both, or remove"):
        ensure_certificate(cert, key, "localhost")


def test_a_place_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(ConfigurationError, match="cannot write"):
        ensure_certificate(tmp_path / "file" / "cert.pem", tmp_path / "file" / "key.pem", "")


def test_expiry_is_known(tmp_path: Path) -> None:
    cert = tmp_path / "cert.pem"
    cert.write_bytes(generate_certificate(["localhost"])[0])
    summary = read_certificate(cert)
    assert not summary.is_expired()
    assert summary.is_expired(summary.not_after)
    old = CertificateSummary((), datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC))
    assert old.is_expired()


def test_a_file_that_is_no_certificate_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot read"):
        read_certificate(tmp_path / "none.pem")
    (tmp_path / "cert.pem").write_text("hello")
    with pytest.raises(ConfigurationError, match="no PEM certificate"):
        read_certificate(tmp_path / "cert.pem")
