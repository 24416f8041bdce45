"""Base64 and data URIs."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.errors import ProtocolError
from server.protocol.payload import decode_base64, decoded_bytes, image_base64

pytestmark = pytest.mark.unit


@settings(deadline=None, max_examples=30)
@given(payload=st.binary(max_size=100))
def test_base64_is_read_back_and_its_size_is_known_before(payload: bytes) -> None:
    text = base64.b64encode(payload).decode()
    assert decode_base64(text, "audio") == payload
    assert len(payload) <= decoded_bytes(text) <= len(payload) + 2


@pytest.mark.parametrize("text", ["A", "AA", "AAA", "A!==", "AAAA\n", "AA==AA==", "ÄÄÄÄ", "-_-_"])
def test_what_is_not_base64_is_refused(text: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        decode_base64(text, "audio")
    assert caught.value.code == "invalid_base64"
    assert caught.value.param == "audio"


def test_an_image_is_bare_base64_or_a_data_uri() -> None:
    assert image_base64("AAAA", "image") == "AAAA"
    assert image_base64("data:image/jpeg;base64,AAAA", "image") == "AAAA"
    assert image_base64("DATA:image/PNG;Base64,AAAA", "image") == "AAAA"


@pytest.mark.parametrize(
    "text",
    [
        "https://example.org/cat.jpg",
        "file:///etc/passwd",
        "data:image/jpeg,AAAA",
        "data:image/jpeg;base64",
        "data:text/html;base64,AAAA",
        "data:",
    ],
)
def test_addresses_and_other_data_uris_are_refused(text: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        image_base64(text, "image")
    assert caught.value.code == "invalid_image_url"
