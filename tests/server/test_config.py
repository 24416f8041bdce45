"""Where settings come from, and what happens to wrong ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from server.config import Config, load_config
from server.errors import ConfigurationError

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]


def test_the_command_line_wins_over_the_environment_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "server.toml"
    file.write_text("[server]\nport = 1\nhost = '127.0.0.1'\n[turn]\nthreshold = 0.3\n")
    environment = {"OMNICALL_SERVER__PORT": "2", "OMNICALL_TURN__THRESHOLD": "0.4", "HOME": "x"}
    config = load_config(file, {"server": {"port": 3}}, environment)
    assert (config.server.port, config.turn.threshold) == (3, 0.4)
    assert config.server.host == "127.0.0.1"
    assert config.session == Config().session


@pytest.mark.parametrize(
    ("toml", "named"),
    [
        ("[server]\nprot = 1\n", "server.prot"),
        ("[sever]\nport = 1\n", "sever"),
        ("[turn]\nthreshold = 2.0\n", "turn.threshold"),
        ("[context]\nlow_tokens = 9000\n", "low_tokens < high_tokens"),
        ("[access]\nallowed_origins = ['shop.example']\n", "is no origin; write https://host"),
        ("[access]\nallowed_origins = ['https://shop.example/page']\n", "is no origin"),
        ("[access]\nallowed_origins = ['ftp://shop.example']\n", "is no origin"),
        ("[access]\nallowed_origins = 5\n", "access.allowed_origins"),
        ("[server\n", "not valid TOML"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, toml: str, named: str) -> None:
    file = tmp_path / "server.toml"
    file.write_text(toml)
    with pytest.raises(ConfigurationError, match=named):
        load_config(file, environment={})


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none\.toml"):
        load_config(tmp_path / "none.toml", environment={})


def test_unknown_environment_keys_are_errors() -> None:
    with pytest.raises(ConfigurationError, match=r"server\.colour"):
        load_config(environment={"OMNICALL_SERVER__COLOUR": "red"})


def test_a_list_can_be_written_as_words_between_commas() -> None:
    text = "https://One.example, http://two.example:8080"
    config = load_config(environment={"OMNICALL_ACCESS__ALLOWED_ORIGINS": text})
    assert config.access.allowed_origins == ("https://one.example", "http://two.example:8080")
    assert load_config(overrides={"access": {"allowed_origins": ""}}).access == Config().access


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError):
        Config().server.port = 1  # type: ignore[misc]


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.toml")), ids=lambda p: p.name)
def test_the_configuration_files_of_the_repository_are_valid(path: Path) -> None:
    load_config(path, environment={})
