"""Keys and model names."""

from __future__ import annotations

import pytest

from server.config import Config
from server.engine.interface import EngineInfo
from server.errors import UnauthorizedError, UnknownModelError
from server.gateway.auth import check_key, check_model, model_names

pytestmark = pytest.mark.unit

INFO = EngineInfo("pocket", False, "cpu", "float32", 4, 8192, 1_000_000, 0.1)


def test_without_a_configured_key_everyone_comes_in() -> None:
    check_key("", None)
    check_key("", "Bearer anything")


@pytest.mark.parametrize("header", ["Bearer sesame", "bearer sesame", "Bearer  sesame "])
def test_the_key_comes_as_a_bearer_token(header: str) -> None:
    check_key("sesame", header)


def test_a_browser_brings_the_key_as_a_subprotocol() -> None:
    check_key("sesame", None, ["realtime", "openai-insecure-api-key.sesame"])


@pytest.mark.parametrize(
    ("header", "subprotocols"),
    [
        (None, []),
        ("", []),
        ("sesame", []),
        ("Basic sesame", []),
        ("Bearer", []),
        ("Bearer Sesame", []),
        ("Bearer sésame", []),
        (None, ["realtime", "openai-insecure-api-key."]),
        (None, ["sesame"]),
    ],
)
def test_anything_else_is_refused(header: str | None, subprotocols: list[str]) -> None:
    with pytest.raises(UnauthorizedError) as caught:
        check_key("sesame", header, subprotocols)
    assert "sesame" not in caught.value.message


def test_the_checkpoint_s_own_name_comes_first() -> None:
    config = Config.model_validate({"checkpoint": {"path": "models/openbmb/MiniCPM-o-2_6"}})
    assert model_names(config, None) == [
        "MiniCPM-o-2_6",
        "models/openbmb/MiniCPM-o-2_6",
        "omnicall",
    ]
    assert model_names(Config(), INFO) == ["pocket-untrained", "pocket", "omnicall"]


def test_a_client_that_names_no_model_gets_this_one() -> None:
    check_model(None, ["pocket", "omnicall"])
    check_model("", ["pocket", "omnicall"])
    check_model("omnicall", ["pocket", "omnicall"])


@pytest.mark.parametrize("wished", ["gpt-realtime", "Pocket", "x" * 10_000])
def test_another_model_is_refused_and_the_right_one_named(wished: str) -> None:
    with pytest.raises(UnknownModelError, match="'pocket'") as caught:
        check_model(wished, ["pocket", "omnicall"])
    assert len(caught.value.message) < 300
