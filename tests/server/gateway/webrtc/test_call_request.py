from __future__ import annotations

import contextlib
import json

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.errors import OmnicallError, ProtocolError
from server.gateway.webrtc.call_request import (
    MULTIPART_TYPE,
    UnsupportedMediaTypeError,
    read_call_request,
)

pytestmark = pytest.mark.unit

SDP = "v=0\r\ns=-\r\nm=audio 9\r\n"


def form(**parts: bytes) -> tuple[str, bytes]:
    """What an HTTP client makes of a form."""
    files = [(name, (None, content)) for name, content in parts.items()]
    request = httpx.Request("POST", "http://test", files=files)
    return request.headers["content-type"], request.read()


def test_an_offer_alone() -> None:
    request = read_call_request("application/sdp; charset=utf-8", SDP.encode())
    assert (request.sdp, request.session) == (SDP, None)


def test_an_offer_with_the_session() -> None:
    session = {"type": "realtime", "instructions": "Sei höflich.", "mode": "audio"}
    content_type, body = form(sdp=SDP.encode(), session=json.dumps(session).encode())
    request = read_call_request(content_type, body)
    assert request.sdp == SDP
    assert request.session is not None
    assert (request.session.instructions, request.session.mode) == ("Sei höflich.", "audio")
    assert "tools" not in request.session.model_fields_set


def test_a_form_without_a_session_changes_nothing() -> None:
    content_type, body = form(sdp=SDP.encode())
    assert read_call_request(content_type, body).session is None


@pytest.mark.parametrize(
    ("parts", "code", "param"),
    [
        ({"session": b"{}"}, "missing_required_parameter", "sdp"),
        ({"sdp": b"\xff\xfe"}, "invalid_value", "sdp"),
        ({"sdp": b"v=0", "session": b"{"}, "invalid_json", "session"),
        ({"sdp": b"v=0", "session": b"[]"}, "invalid_value", "session"),
        ({"sdp": b"v=0", "session": b'{"mode": "smell"}'}, "invalid_value", "session.mode"),
    ],
)
def test_what_is_wrong_with_a_form_is_named(parts: dict[str, bytes], code: str, param: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        read_call_request(*form(**parts))
    assert (caught.value.code, caught.value.param) == (code, param)


@pytest.mark.parametrize("content_type", ["", "application/json", "text/plain"])
def test_other_formats_are_refused(content_type: str) -> None:
    with pytest.raises(UnsupportedMediaTypeError, match="application/sdp"):
        read_call_request(content_type, b"{}")


@given(
    boundary=st.text(max_size=20),
    body=st.binary(max_size=300) | st.just(form(sdp=b"v=0", session=b"{}")[1]),
)
def test_no_form_is_worse_than_refused(boundary: str, body: bytes) -> None:
    with contextlib.suppress(OmnicallError):
        read_call_request(f"{MULTIPART_TYPE}; boundary={boundary}", body)
