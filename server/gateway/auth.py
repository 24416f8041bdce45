"""Who may come in, and under which names the model may be asked for."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from pathlib import Path

from server.config import Config
from server.engine.interface import EngineInfo
from server.errors import UnauthorizedError, UnknownModelError

BEARER = "bearer"
SUBPROTOCOL = "realtime"
KEY_SUBPROTOCOL_PREFIX = "openai-insecure-api-key."
"""Browsers cannot set headers on a WebSocket; the key comes as a subprotocol."""
MODEL_ALIAS = "omnicall"


def check_key(
    configured_key: str, authorization: str | None, subprotocols: Sequence[str] = ()
) -> None:
    """Let the request in.

    Args:
        configured_key: `server.api_key`; empty lets everyone in.
        authorization: The request's header.
        subprotocols: What a WebSocket request offers.

    Raises:
        UnauthorizedError: The key is missing or wrong.
    """
    if not configured_key:
        return
    presented = [
        name.removeprefix(KEY_SUBPROTOCOL_PREFIX)
        for name in subprotocols
        if name.startswith(KEY_SUBPROTOCOL_PREFIX)
    ]
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() == BEARER:
        presented.append(token.strip())
    expected = configured_key.encode()
    if not any(hmac.compare_digest(key.encode(), expected) for key in presented):
        raise UnauthorizedError(
            "this server wants its key: send the header 'Authorization: Bearer <key>'"
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
