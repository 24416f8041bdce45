"""The command line as a whole."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from typer.testing import CliRunner

import server.cli.main as main_module
from server.cli.main import app, main

pytestmark = pytest.mark.integration

COMMANDS = {"serve", "call", "doctor", "certs", "settings", "bench", "eval", "feedback"}


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_python_m_server_lists_the_commands() -> None:
    done = run(sys.executable, "-m", "server", "--help")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    words = set(done.stdout.split())
    assert words >= COMMANDS


def test_the_omnicall_script_is_the_same_program() -> None:
    (script,) = metadata.entry_points(group="console_scripts", name="omnicall")
    assert script.load() is main
    installed = Path(sys.executable).with_name("omnicall")
    if not installed.is_file():
        pytest.skip("the package is not installed beside this interpreter")
    assert set(run(str(installed), "--help").stdout.split()) >= COMMANDS


def test_an_error_made_on_purpose_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    absent = str(tmp_path / "absent.toml")
    done = run(sys.executable, "-m", "server", "serve", "--config", absent)
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("omnicall: ") and absent in line


def test_an_error_nobody_expected_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def break_down() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(main_module, "app", break_down)
    with pytest.raises(ZeroDivisionError):
        main()


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_explains_itself(command: str) -> None:
    result = CliRunner().invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert "Usage:" in result.stdout


def test_a_file_to_write_the_settings_into_must_exist(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["settings", "--write", str(tmp_path / "absent.md")])
    assert result.exit_code == 2
    assert "does not exist" in result.output
