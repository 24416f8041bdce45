"""Making and renewing the certificate."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.cli.certs import certs

pytestmark = pytest.mark.unit


def test_a_certificate_is_made_once_and_renewed_on_request(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    file = tmp_path / "server.toml"
    file.write_text(f"[server]\ncert_file = '{cert}'\nkey_file = '{key}'\n")
    certs(file)
    first = cert.read_bytes()
    certs(file)
    assert cert.read_bytes() == first
    certs(file, renew=True)
    assert cert.read_bytes() != first
    said = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in said] == ["made", "kept", "made"]
