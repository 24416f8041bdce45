"""The body of a request for a call: an SDP offer, alone or with the session's configuration."""

from __future__ import annotations

from dataclasses import dataclass
from email import policy
from email.errors import MessageError
from email.message import EmailMessage
from email.parser import BytesParser

from pydantic import ValidationError
from pydantic_core import from_json

from server.errors import OmnicallError, ProtocolError
from server.protocol.session_patch import SessionPatch

SDP_TYPE = "application/sdp"
MULTIPART_TYPE = "multipart/form-data"


class UnsupportedMediaTypeError(OmnicallError):
    """The body is in a format this route does not take."""

    code = "unsupported_media_type"
    http_status = 415


@dataclass(frozen=True, slots=True)
class CallRequest:
    """What a caller asks for."""

    sdp: str
    session: SessionPatch | None
    """Changes to what calls begin with."""


def read_call_request(content_type: str, body: bytes) -> CallRequest:
    """The request in a body of `application/sdp` or `multipart/form-data` (`sdp`, `session`).

    Raises:
        UnsupportedMediaTypeError: It is in another format.
        ProtocolError: A part is missing or malformed.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind == SDP_TYPE:
        return CallRequest(_text(body, "sdp"), None)
    if kind != MULTIPART_TYPE:
        raise UnsupportedMediaTypeError(
            f"send {SDP_TYPE}, or {MULTIPART_TYPE} with the parts sdp and session"
        )
    parts = _parts(content_type, body)
    if "sdp" not in parts:
        raise ProtocolError(
            "the request has no part 'sdp'; send the offer in it",
            code="missing_required_parameter",
            param="sdp",
        )
    session = parts.get("session")
    return CallRequest(_text(parts["sdp"], "sdp"), None if session is None else _session(session))


def _parts(content_type: str, body: bytes) -> dict[str, bytes]:
    """The parts of a form by name."""
    head = f"Content-Type: {content_type}\r\n\r\n".encode("latin-1", errors="replace")
    try:
        message = BytesParser(policy=policy.HTTP).parsebytes(head + body)
        return {
            name: content
            for part in message.iter_parts()
            if isinstance(part, EmailMessage)
            and isinstance(name := part.get_param("name", header="content-disposition"), str)
            and isinstance(content := part.get_payload(decode=True), bytes)
        }
    except (MessageError, ValueError, LookupError, AttributeError, TypeError) as error:
        raise ProtocolError("the form cannot be read", code="invalid_multipart") from error


def _text(content: bytes, param: str) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ProtocolError(f"{param} is not UTF-8", code="invalid_value", param=param) from error


def _session(content: bytes) -> SessionPatch:
    try:
        value = from_json(content, allow_inf_nan=False)
    except ValueError as error:
        raise ProtocolError(
            f"session is not JSON: {error}", code="invalid_json", param="session"
        ) from error
    if isinstance(value, dict):
        value.setdefault("type", "realtime")
    try:
        return SessionPatch.model_validate(value)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        param = ".".join(["session", *map(str, problem["loc"])])
        raise ProtocolError(
            f"{param}: {problem['msg']}", code="invalid_value", param=param
        ) from error
