"""Each check of the doctor, in health and in sickness."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
import typer

from server.cli import doctor as doctor_module
from server.cli.doctor import (
    Verdict,
    check_browser,
    check_certificate,
    check_checkpoint,
    check_device,
    check_memory,
    check_port,
    check_python,
    check_torch,
    doctor,
    examine,
)
from server.config import load_config
from server.tls import ensure_certificate

pytestmark = pytest.mark.unit

GOLDEN = Path(__file__).parents[2] / "golden"


def config(**sections: dict[str, object]) -> object:
    return load_config(overrides=sections, environment={})


def test_python_and_torch_are_found() -> None:
    assert check_python(config()).verdict is Verdict.GOOD
    assert check_torch(config()).verdict is Verdict.GOOD


def test_an_old_python_and_a_missing_torch_come_with_a_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(doctor_module, "MINIMUM_PYTHON", (99, 0))
    assert "install" in check_python(config()).remedy
    monkeypatch.setattr(doctor_module.importlib.util, "find_spec", lambda name: None)
    assert check_torch(config()).remedy == "run make install"


def test_a_device_that_does_not_exist_is_a_problem() -> None:
    assert check_device(config(checkpoint={"device": "cpu"})).verdict is Verdict.GOOD
    finding = check_device(config(checkpoint={"device": "abacus"}))
    assert finding.verdict is Verdict.BAD and "abacus" in finding.detail


def test_little_memory_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_module, "GIB", 1024**6)
    assert check_memory(config()).verdict is Verdict.WARNING
    monkeypatch.setattr(doctor_module, "GIB", 1)
    assert check_memory(config()).verdict is Verdict.GOOD


def test_a_complete_checkpoint_is_good_and_a_damaged_one_named(tmp_path: Path) -> None:
    assert check_checkpoint(config(checkpoint={"path": str(GOLDEN)})).verdict is Verdict.GOOD
    finding = check_checkpoint(config(checkpoint={"path": str(tmp_path)}))
    assert finding.verdict is Verdict.BAD and "config.json" in finding.detail
    assert check_checkpoint(config(checkpoint={"path": "nowhere"})).verdict is Verdict.BAD


def test_the_default_checkpoint_is_called_untrained_until_one_ships(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMNICALL_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr("model.pocket_checkpoint.POCKET_FOLDER", tmp_path / "not-shipped")
    finding = check_checkpoint(config())
    assert finding.verdict is Verdict.WARNING and "untrained" in finding.detail


def test_a_port_that_is_taken_is_a_problem() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        server = {"host": "127.0.0.1", "port": port}
        assert check_port(config(server=server)).verdict is Verdict.BAD
    assert check_port(config(server=server)).verdict is Verdict.GOOD


def test_the_certificate_is_checked(tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    server = {"cert_file": cert, "key_file": key}
    assert "first start" in check_certificate(config(server=server)).detail
    ensure_certificate(cert, key, "localhost")
    assert check_certificate(config(server=server)).verdict is Verdict.GOOD
    cert.write_text("nonsense")
    assert check_certificate(config(server=server)).verdict is Verdict.BAD
    assert check_certificate(config(server={"insecure_http": True})).verdict is Verdict.WARNING


def test_a_certificate_about_to_expire_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    ensure_certificate(cert, key, "localhost")
    monkeypatch.setattr(doctor_module, "SOON_DAYS", 100_000)
    finding = check_certificate(config(server={"cert_file": cert, "key_file": key}))
    assert finding.verdict is Verdict.WARNING and "--renew" in finding.remedy


def test_no_browser_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_module.shutil, "which", lambda name: None)
    assert check_browser(config()).verdict is Verdict.WARNING
    monkeypatch.setattr(doctor_module.shutil, "which", lambda name: f"/usr/bin/{name}")
    assert check_browser(config()).verdict is Verdict.GOOD


def test_the_report_has_a_line_per_check_and_fails_on_a_problem(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "server.toml"
    file.write_text(f"[checkpoint]\npath = '{tmp_path}'\n[server]\nport = 0\n")
    with pytest.raises(typer.Exit):
        doctor(file)
    out = capsys.readouterr().out
    subjects = [finding.subject for finding in examine(load_config(file, environment={}))]
    for subject in subjects:
        assert subject in out
    assert "→" in out
