"""Who may come in, and under which names the model may be asked for.

There are two doors. `check_operator` is the way to everything: it wants the server's key, where one
is configured. `Access` is the way to a call and what belongs to one: an ephemeral secret is enough.
Where no key is configured both are open, but not to the pages of other sites.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from server.config import Config
from server.engine.interface import EngineInfo
from server.errors import OriginNotAllowedError, UnauthorizedError, UnknownModelError
from server.gateway.client_secrets import SECRET_PREFIX, ClientSecrets
from server.protocol.session_object import SessionObject

BEARER = "bearer"
SUBPROTOCOL = "realtime"
KEY_SUBPROTOCOL_PREFIX = "openai-insecure-api-key."
"""Browsers cannot set headers on a WebSocket; the key comes as a subprotocol."""
MODEL_ALIAS = "omnicall"
DEFAULT_PORTS = {"http": 80, "https": 443}
FOREIGN_SITES = frozenset({"cross-site", "same-site"})
"""`Sec-Fetch-Site` of requests from pages of other origins; a GET often has no `Origin`."""
KEY_USER = "key"
GUEST = "guest"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, as far as the server can tell."""

    user_id: str
    """Names the caller to other servers, such as TURN; holds no secret and no colon."""
    session: SessionObject | None = None
    """What the calls begin with, where an ephemeral secret brought it."""


class Access:
    """The way in for callers: by key, by ephemeral secret, or by being no foreign page."""

    def __init__(self, config: Config, secrets: ClientSecrets) -> None:
        """
        Args:
            config: Its key and allowed origins count.
            secrets: The ephemeral secrets that are valid.
        """
        self._config = config
        self._secrets = secrets

    def caller(self, request: HTTPConnection) -> Caller:
        """Let in whoever may place calls, over HTTP and WebSocket alike.

        Raises:
            UnauthorizedError: The key or secret is missing, wrong or expired.
            OriginNotAllowedError: A page of another site asks a server without a key.
        """
        secret = self._ephemeral_secret(request)
        if secret is None:
            return self._holder_of_key(request)
        issued = self._secrets.find(secret)
        return Caller(issued.user_id, issued.session)

    def participant(self, request: HTTPConnection) -> Caller:
        """Let in whoever may act on a call it knows; a secret may have expired since it placed it.

        Raises:
            UnauthorizedError: The key or secret is missing or wrong.
            OriginNotAllowedError: A page of another site asks a server without a key.
        """
        secret = self._ephemeral_secret(request)
        if secret is None:
            return self._holder_of_key(request)
        return Caller(self._secrets.holder(secret))

    def _ephemeral_secret(self, request: HTTPConnection) -> str | None:
        """The secret a request carries, valid or not; None where it carries the key or nothing.

        A secret counts even where no key is needed: without it, the call would begin with other
        settings than the secret was made for.
        """
        tokens = _tokens_of(request)
        if _holds(tokens, self._config.server.api_key):
            return None
        return next((token for token in tokens if token.startswith(SECRET_PREFIX)), None)

    def _holder_of_key(self, request: HTTPConnection) -> Caller:
        key = self._config.server.api_key
        if not key:
            check_origin(self._config, request)
            return Caller(GUEST)
        if not _holds(_tokens_of(request), key):
            raise UnauthorizedError(
                "this server wants its key or an ephemeral secret: send the header "
                "'Authorization: Bearer <key>'"
            )
        return Caller(KEY_USER)


def check_operator(config: Config, request: HTTPConnection) -> None:
    """Let in whoever may do everything, which an ephemeral secret does not allow.

    Raises:
        UnauthorizedError: The server's key is missing or wrong.
        OriginNotAllowedError: A page of another site asks a server without a key.
    """
    if config.server.api_key:
        check_key(config.server.api_key, request.headers.get("authorization"))
    else:
        check_origin(config, request)


def check_key(
    configured_key: str, authorization: str | None, subprotocols: Sequence[str] = ()
) -> None:
    """Make sure that a request carries the server's key.

    Args:
        configured_key: `server.api_key`; empty lets everyone in.
        authorization: The request's header.
        subprotocols: What a WebSocket request offers.

    Raises:
        UnauthorizedError: The key is missing or wrong.
    """
    if not configured_key:
        return
    tokens = _presented(authorization, subprotocols)
    if _holds(tokens, configured_key):
        return
    if any(token.startswith(SECRET_PREFIX) for token in tokens):
        raise UnauthorizedError(
            "an ephemeral secret only places calls; this wants the server's key: send the header "
            "'Authorization: Bearer <key>'"
        )
    raise UnauthorizedError(
        "this server wants its key: send the header 'Authorization: Bearer <key>'"
    )


def check_origin(config: Config, request: HTTPConnection) -> None:
    """Turn away pages of other sites: a browser sends them here with the rights of its network.

    Whoever is no browser names no origin and is let in.

    Raises:
        OriginNotAllowedError: The page is neither this server's nor of an allowed origin.
    """
    origin = request.headers.get("origin")
    if origin is None:
        if request.headers.get("sec-fetch-site") not in FOREIGN_SITES:
            return
    elif origin.lower() in config.access.allowed_origins or _is_same_host(
        origin, request.headers.get("host", "")
    ):
        return
    raise OriginNotAllowedError(
        "pages of other sites may not use this server; to allow one, add its origin to "
        "access.allowed_origins"
    )


def model_names(config: Config, info: EngineInfo | None) -> list[str]:
    """Names under which the checkpoint may be asked for; its own comes first."""
    path = config.checkpoint.path
    names = [info.label, info.checkpoint] if info is not None else []
    names += [Path(path).name, path, MODEL_ALIAS]
    return list(dict.fromkeys(name for name in names if name))


def check_model(wished: str | None, names: Sequence[str]) -> None:
    """Make sure the client wants the model this server runs; naming none is fine.

    Raises:
        UnknownModelError: Another model was named.
    """
    if wished and wished not in names:
        raise UnknownModelError(
            f"this server does not run {wished[:80]!r}; it runs {names[0]!r}, "
            f"also called {MODEL_ALIAS!r}"
        )


def _tokens_of(request: HTTPConnection) -> list[str]:
    subprotocols: Sequence[str] = request.scope.get("subprotocols", ())
    return _presented(request.headers.get("authorization"), subprotocols)


def _presented(authorization: str | None, subprotocols: Sequence[str]) -> list[str]:
    """Keys and secrets a request carries."""
    tokens = [
        name.removeprefix(KEY_SUBPROTOCOL_PREFIX)
        for name in subprotocols
        if name.startswith(KEY_SUBPROTOCOL_PREFIX)
    ]
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() == BEARER:
        tokens.append(token.strip())
    return tokens


def _holds(tokens: Sequence[str], key: str) -> bool:
    return bool(key) and any(hmac.compare_digest(token.encode(), key.encode()) for token in tokens)


def _is_same_host(origin: str, host: str) -> bool:
    """Whether a page came from the host and port it asks; a proxy may have changed the scheme."""
    try:
        page, asked = urlsplit(origin.lower()), urlsplit(f"//{host.lower()}")
        default_port = DEFAULT_PORTS[page.scheme]
        is_same_port = (page.port or default_port) == (asked.port or default_port)
    except (KeyError, ValueError):  # `null`, another scheme, a port that is no number
        return False
    return page.hostname is not None and page.hostname == asked.hostname and is_same_port
