"""The tree of errors."""

from __future__ import annotations

import inspect

import pytest

from server import errors
from server.errors import OmnicallError, ProtocolError, RefusedError

pytestmark = pytest.mark.unit

ALL_ERRORS = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, OmnicallError)
]


@pytest.mark.parametrize("kind", ALL_ERRORS)
def test_every_error_carries_its_text_and_a_wire_code(kind: type[OmnicallError]) -> None:
    error = kind("send less")
    assert error.message == str(error) == "send less"
    assert error.code
    assert 400 <= error.http_status < 600


def test_every_error_is_drawn_in_the_tree() -> None:
    assert errors.__doc__ is not None
    missing = [kind.__name__ for kind in ALL_ERRORS if kind.__name__ not in errors.__doc__]
    assert missing == []


def test_codes_of_classes_are_unique() -> None:
    codes = [kind.code for kind in ALL_ERRORS if "code" in vars(kind)]
    assert len(codes) == len(set(codes))


def test_a_protocol_error_names_code_parameter_and_event() -> None:
    error = ProtocolError("odd", code="invalid_audio", param="audio", event_id="event_1")
    assert (error.code, error.param, error.event_id) == ("invalid_audio", "audio", "event_1")
    assert ProtocolError("odd").code == "invalid_request_error"


@pytest.mark.parametrize("kind", [kind for kind in ALL_ERRORS if issubclass(kind, RefusedError)])
def test_every_refusal_has_a_close_code_that_clients_know(kind: type[RefusedError]) -> None:
    assert kind.close_code in (1008, 1012, 1013)
