"""The tree of errors a caller can meet; each class knows its wire code and says the remedy.

OmnicallError
├── ConfigurationError        the server cannot start as configured
├── ProtocolError             the client sent something wrong; the session stays open
│   └── (code per case, see the constructors' callers)
├── RefusedError              no session is given out; answered before the upgrade
│   ├── UnauthorizedError     401
│   ├── OriginNotAllowedError 403
│   ├── UnknownModelError     404
│   ├── ServerFullError       503
│   └── ServerDrainingError   503
├── UnknownSessionError       404 (REST)
├── RequestTooLargeError      413 (REST)
├── TooManySecretsError       429 (REST)
├── FeedbackDisabledError     403 (REST)
├── FeedbackError             the feedback cannot be stored or read
├── SessionClosedError        the session ended while the call was under way
└── EngineError
    ├── EngineBusyError       the engine's command queue is full
    └── EngineUnavailableError  the engine is starting, restarting or gone
"""

from __future__ import annotations


class OmnicallError(Exception):
    """Base of every error this server raises on purpose."""

    code = "server_error"
    """Stable machine-readable name, sent on the wire."""
    http_status = 500

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class ConfigurationError(OmnicallError):
    """The server cannot start as configured."""

    code = "configuration_error"


class ProtocolError(OmnicallError):
    """The client sent something wrong; it is told so and the session stays open."""

    code = "invalid_request_error"
    http_status = 400

    def __init__(
        self,
        message: str,
        *,
        code: str = "invalid_request_error",
        param: str | None = None,
        event_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.param = param
        self.event_id = event_id


class RefusedError(OmnicallError):
    """No session is given out."""

    http_status = 503
    close_code = 1013
    """WebSocket close code, where the refusal comes after the upgrade."""


class UnauthorizedError(RefusedError):
    """The request carries no valid key."""

    code = "invalid_api_key"
    http_status = 401
    close_code = 1008


class OriginNotAllowedError(RefusedError):
    """A page of another site asks, without a key."""

    code = "origin_not_allowed"
    http_status = 403
    close_code = 1008


class UnknownModelError(RefusedError):
    """The client asked for a model this server does not run."""

    code = "model_not_found"
    http_status = 404
    close_code = 1008


class ServerFullError(RefusedError):
    """Every session row is taken."""

    code = "server_full"


class ServerDrainingError(RefusedError):
    """The server is shutting down and takes no new session."""

    code = "server_draining"
    close_code = 1012


class UnknownSessionError(OmnicallError):
    """No session has this id."""

    code = "session_not_found"
    http_status = 404


class RequestTooLargeError(OmnicallError):
    """The body of a request is larger than its kind may be."""

    code = "request_too_large"
    http_status = 413


class TooManySecretsError(OmnicallError):
    """As many ephemeral secrets are valid as the server keeps."""

    code = "too_many_client_secrets"
    http_status = 429


class FeedbackDisabledError(OmnicallError):
    """This server takes no feedback."""

    code = "feedback_disabled"
    http_status = 403


class FeedbackError(OmnicallError):
    """The feedback cannot be stored or read."""

    code = "feedback_unavailable"
    http_status = 503


class SessionClosedError(OmnicallError):
    """The session ended while the request was under way."""

    code = "session_closed"
    http_status = 409


class EngineError(OmnicallError):
    """The engine could not do what it was asked."""

    code = "engine_error"
    http_status = 503


class EngineBusyError(EngineError):
    """The engine's command queue is full."""

    code = "engine_busy"


class EngineUnavailableError(EngineError):
    """The engine is starting, restarting or gone."""

    code = "engine_unavailable"
