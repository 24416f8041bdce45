"""Bytes that travel as base64 text."""

from __future__ import annotations

import binascii

from server.errors import ProtocolError

DATA_URI_PREFIX = "data:"
BASE64_MARKER = ";base64"


def decode_base64(text: str, param: str) -> bytes:
    """The bytes behind base64 text.

    Args:
        text: Standard alphabet, padded.
        param: Name of the field, for the error.

    Raises:
        ProtocolError: ``invalid_base64``.
    """
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError as error:
        raise ProtocolError(
            f"{param} is not valid base64: {error}; send the standard alphabet, padded",
            code="invalid_base64",
            param=param,
        ) from error


def decoded_bytes(text: str) -> int:
    """Upper bound of the size behind base64 text, without decoding it."""
    return len(text) * 3 // 4


def image_base64(text: str, param: str) -> str:
    """The base64 text of a picture given bare or as a data URI.

    Raises:
        ProtocolError: ``invalid_image_url`` for an address on the network or a data URI that is
            not base64; nothing is ever fetched on a client's behalf.
    """
    if text[: len(DATA_URI_PREFIX)].lower() == DATA_URI_PREFIX:
        header, comma, payload = text.partition(",")
        media_type = header[len(DATA_URI_PREFIX) :].lower()
        if not comma or not media_type.endswith(BASE64_MARKER):
            raise ProtocolError(
                f"{param} is a data URI without base64 data; send data:image/jpeg;base64,...",
                code="invalid_image_url",
                param=param,
            )
        if not media_type.startswith("image/"):
            raise ProtocolError(
                f"{param} is a data URI of another kind than an image",
                code="invalid_image_url",
                param=param,
            )
        return payload
    if "://" in text[:32]:
        raise ProtocolError(
            f"{param} is an address; this server fetches nothing, send a data URI",
            code="invalid_image_url",
            param=param,
        )
    return text
