"""Errors over HTTP."""

from __future__ import annotations

import json

import pytest

from server.errors import (
    EngineUnavailableError,
    OmnicallError,
    ProtocolError,
    ServerFullError,
    TooManySecretsError,
    UnauthorizedError,
    UnknownModelError,
)
from server.gateway.error_bodies import error_response, status_response

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (UnauthorizedError("no key"), 401, "invalid_api_key"),
        (UnknownModelError("no model"), 404, "model_not_found"),
        (ServerFullError("full"), 503, "server_full"),
        (EngineUnavailableError("loading"), 503, "engine_unavailable"),
        (ProtocolError("bad", code="invalid_value", param="p"), 400, "invalid_value"),
    ],
)
def test_an_error_has_the_body_of_the_openai_api(
    error: OmnicallError, status: int, code: str
) -> None:
    response = error_response(error)
    body = json.loads(bytes(response.body))
    assert response.status_code == status
    assert set(body) == {"error"}
    assert body["error"]["code"] == code
    assert body["error"]["message"] == error.message
    assert body["error"]["type"] == ("server_error" if status >= 500 else "invalid_request_error")


def test_a_client_is_told_when_to_come_back_and_how_to_come_in() -> None:
    for error in (ServerFullError("full"), TooManySecretsError("many")):
        assert int(error_response(error).headers["retry-after"]) > 0
    assert error_response(UnauthorizedError("no")).headers["www-authenticate"] == "Bearer"


def test_any_status_can_be_an_error() -> None:
    response = status_response(405, "POST only", headers={"Allow": "POST"})
    assert response.headers["allow"] == "POST"
    assert json.loads(bytes(response.body))["error"]["code"] is None
