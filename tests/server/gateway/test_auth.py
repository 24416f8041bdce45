"""Keys, ephemeral secrets, pages of other sites, and model names."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from starlette.requests import HTTPConnection

from server.config import Config
from server.engine.interface import EngineInfo
from server.errors import OriginNotAllowedError, UnauthorizedError, UnknownModelError
from server.gateway.auth import (
    Access,
    Caller,
    check_key,
    check_model,
    check_operator,
    check_origin,
    model_names,
)
from server.gateway.client_secrets import ClientSecrets
from server.protocol.session_object import SessionObject
from tests.fakes.set_clock import SetClock

pytestmark = pytest.mark.unit

INFO = EngineInfo("pocket", False, "cpu", "float32", 4, 8192, 1_000_000, 0.1)
KEY = "sesame"
BRIEF = SessionObject(model="pocket", instructions="be brief")
LIFETIME_S = 600.0


def request_with(subprotocols: Sequence[str] = (), **headers: str) -> HTTPConnection:
    """A request to `call.example:8443`."""
    named = {"host": "call.example:8443"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    raw = [(name.encode(), value.encode("latin-1")) for name, value in named.items()]
    return HTTPConnection({"type": "http", "headers": raw, "subprotocols": list(subprotocols)})


def bearing(token: str) -> HTTPConnection:
    return request_with(authorization=f"Bearer {token}")


def config_with(key: str = "", origins: Sequence[str] = ()) -> Config:
    return Config.model_validate(
        {"server": {"api_key": key}, "access": {"allowed_origins": list(origins)}}
    )


class Door:
    """Access to a server, with a clock to set."""

    def __init__(self, key: str = "") -> None:
        self.clock = SetClock()
        self.secrets = ClientSecrets(self.clock, max_secrets=8)
        self.access = Access(config_with(key), self.secrets)


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


# --- ephemeral secrets


@pytest.mark.parametrize("key", ["", KEY])
def test_a_secret_brings_its_holder_in_with_its_session(key: str) -> None:
    door = Door(key)
    secret = door.secrets.issue(BRIEF, LIFETIME_S)
    for request in (
        bearing(secret),
        request_with(["realtime", f"openai-insecure-api-key.{secret}"]),
    ):
        caller = door.access.caller(request)
        assert caller.session == BRIEF
        assert caller.user_id.startswith("secret-")
        assert secret not in repr(caller)


@pytest.mark.parametrize("key", ["", KEY])
def test_an_expired_or_invented_secret_places_no_call_even_where_no_key_is_needed(
    key: str,
) -> None:
    door = Door(key)
    secret = door.secrets.issue(BRIEF, LIFETIME_S)
    door.clock.now_s += LIFETIME_S
    for token in (secret, "ek_", "ek_invented"):
        with pytest.raises(UnauthorizedError, match="client_secrets") as caught:
            door.access.caller(bearing(token))
        assert token == "ek_" or token not in caught.value.message


def test_an_expired_secret_still_serves_the_calls_it_placed() -> None:
    door = Door(KEY)
    secret = door.secrets.issue(BRIEF, LIFETIME_S)
    placed = door.access.caller(bearing(secret))
    door.clock.now_s += LIFETIME_S
    assert door.access.participant(bearing(secret)) == Caller(placed.user_id)
    with pytest.raises(UnauthorizedError):
        door.access.participant(bearing("ek_invented"))


@pytest.mark.parametrize("door", [Access.caller, Access.participant])
def test_the_server_s_key_opens_what_a_secret_opens(door: object) -> None:
    assert callable(door)
    access = Door(KEY).access
    assert door(access, bearing(KEY)) == Caller("key")
    for request in (bearing("wrong"), request_with(), request_with(authorization=KEY)):
        with pytest.raises(UnauthorizedError, match="ephemeral secret"):
            door(access, request)


def test_a_key_that_looks_like_a_secret_is_still_the_key() -> None:
    assert Door("ek_mine").access.caller(bearing("ek_mine")) == Caller("key")


def test_a_server_without_a_key_takes_any_and_none() -> None:
    access = Door().access
    for request in (request_with(), bearing("unused")):
        assert access.caller(request) == access.participant(request) == Caller("guest")


def test_a_secret_does_not_make_its_holder_an_operator() -> None:
    door = Door(KEY)
    secret = door.secrets.issue(BRIEF, LIFETIME_S)
    with pytest.raises(UnauthorizedError, match="only places calls"):
        check_operator(config_with(KEY), bearing(secret))
    check_operator(config_with(KEY), bearing(KEY))
    check_operator(config_with(), bearing(secret))


# --- pages of other sites


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("https://call.example:8443", "call.example:8443"),
        ("HTTPS://Call.Example:8443", "call.example:8443"),
        ("http://localhost:8443", "localhost:8443"),
        ("https://call.example", "call.example"),
        ("https://call.example", "call.example:443"),
        ("https://[::1]:8443", "[::1]:8443"),
    ],
)
def test_the_server_s_own_page_may_call(origin: str, host: str) -> None:
    check_origin(config_with(), request_with(origin=origin, host=host))


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "https://call.example",
        "https://call.example:8444",
        "https://example:8443",
        "https://call.example.evil.example:8443",
        "https://call.example:8443@evil.example",
        "chrome-extension://call.example:8443",
        "https://call.example:port",
        "https://[call.example",
        "https://",
        "null",
        "",
    ],
)
def test_a_page_of_another_site_may_not(origin: str) -> None:
    with pytest.raises(OriginNotAllowedError, match=r"access\.allowed_origins"):
        check_origin(config_with(), request_with(origin=origin))
    with pytest.raises(OriginNotAllowedError):
        Door().access.caller(request_with(origin=origin))
    with pytest.raises(OriginNotAllowedError):
        check_operator(config_with(), request_with(origin=origin))


def test_a_request_without_a_host_is_nobody_s_own_page() -> None:
    with pytest.raises(OriginNotAllowedError):
        check_origin(config_with(), request_with(origin="https://", host=""))


def test_a_browser_that_names_no_origin_is_asked_for_its_site() -> None:
    for own in ("same-origin", "none"):
        check_origin(config_with(), request_with(sec_fetch_site=own))
    for foreign in ("cross-site", "same-site"):
        with pytest.raises(OriginNotAllowedError):
            check_origin(config_with(), request_with(sec_fetch_site=foreign))


def test_a_site_may_be_allowed() -> None:
    config = config_with(origins=["https://Shop.example"])
    check_origin(config, request_with(origin="https://shop.example"))
    with pytest.raises(OriginNotAllowedError):
        check_origin(config, request_with(origin="https://shop.example:8443"))


def test_with_a_key_or_a_secret_the_site_does_not_matter() -> None:
    door = Door(KEY)
    secret = door.secrets.issue(BRIEF, LIFETIME_S)
    for token in (KEY, secret):
        door.access.caller(
            request_with(authorization=f"Bearer {token}", origin="https://shop.example")
        )


# --- model names


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
