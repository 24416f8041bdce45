"""Ephemeral secrets: what a page holds in place of the server's key."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field

from server.clock import Clock
from server.errors import TooManySecretsError, UnauthorizedError
from server.protocol.session_object import SessionObject

SECRET_PREFIX = "ek_"
SECRET_BYTES = 32
"""Randomness of a secret: 256 bits."""
MAX_STORED_BYTES = 64 * 1024 * 1024
"""Instructions and recorded voices that all valid secrets may carry together."""
SESSION_BYTES = 2048
"""What a session's configuration takes besides them, rounded up."""
AFTERLIFE_S = 24 * 3600.0
"""How long the holder of an expired secret may still act on the calls it placed."""
USER_ID_CHARACTERS = 16


@dataclass(frozen=True, slots=True)
class IssuedSecret:
    """What is known of a secret; not the secret itself."""

    user_id: str
    """Tells its holder from others."""
    session: SessionObject
    """What its calls begin with."""
    expires_s: float = field(repr=False)
    """On the monotonic clock."""
    stored_bytes: int = field(repr=False)


class ClientSecrets:
    """The secrets of one server, by their hash; they end with the process.

    Bounded in number and bytes: when full, new ones are refused until some expire. No valid secret
    is ever dropped, as its holder could not know. As many expired ones are remembered, without
    what they carried; the oldest make room.
    """

    def __init__(
        self, clock: Clock, max_secrets: int, max_stored_bytes: int = MAX_STORED_BYTES
    ) -> None:
        """
        Args:
            clock: Decides when a secret expires.
            max_secrets: Valid at once.
            max_stored_bytes: Configuration kept with them.
        """
        self._clock = clock
        self._max_secrets = max_secrets
        self._max_stored_bytes = max_stored_bytes
        self._issued: dict[bytes, IssuedSecret] = {}
        self._expired: dict[bytes, float] = {}  # when they expired

    def issue(self, session: SessionObject, lifetime_s: float) -> str:
        """A new secret, which only its holder knows from here on.

        Raises:
            TooManySecretsError: There is no room.
        """
        self._sweep()
        stored_bytes = _stored_bytes(session)
        total_bytes = sum(issued.stored_bytes for issued in self._issued.values())
        if (
            len(self._issued) >= self._max_secrets
            or total_bytes + stored_bytes > self._max_stored_bytes
        ):
            raise TooManySecretsError(
                f"{len(self._issued)} ephemeral secrets are valid and there is no room for more; "
                "ask again when some have expired, or make them for a shorter time"
            )
        value = SECRET_PREFIX + secrets.token_urlsafe(SECRET_BYTES)
        digest = _digest(value)
        expires_s = self._clock.monotonic() + lifetime_s
        self._issued[digest] = IssuedSecret(_user_id(digest), session, expires_s, stored_bytes)
        return value

    def find(self, value: str) -> IssuedSecret:
        """What was issued under a secret; it may be used again until it expires.

        Raises:
            UnauthorizedError: It was never issued, or has expired.
        """
        issued = self._issued.get(_digest(value))
        if issued is None or issued.expires_s <= self._clock.monotonic():
            raise _not_valid()
        return issued

    def holder(self, value: str) -> str:
        """Who holds a secret; told for `AFTERLIFE_S` after it expired, as calls outlive it.

        Raises:
            UnauthorizedError: It was never issued, or expired long ago.
        """
        self._sweep()
        digest = _digest(value)
        if digest not in self._issued and digest not in self._expired:
            raise _not_valid()
        return _user_id(digest)

    def _sweep(self) -> None:
        """Forget what expired secrets carried, and in time that they were there."""
        now_s = self._clock.monotonic()
        for digest, issued in list(self._issued.items()):
            if issued.expires_s <= now_s:
                del self._issued[digest]
                self._expired[digest] = issued.expires_s
        for digest, expired_s in list(self._expired.items()):
            if expired_s + AFTERLIFE_S <= now_s or len(self._expired) > self._max_secrets:
                del self._expired[digest]


def _not_valid() -> UnauthorizedError:
    return UnauthorizedError(
        "this ephemeral secret has expired or is not known; get a new one from "
        "POST /v1/realtime/client_secrets"
    )


def _digest(value: str) -> bytes:
    """Where a secret is kept: who reads the memory does not get the secret."""
    return hashlib.sha256(value.encode()).digest()


def _user_id(digest: bytes) -> str:
    return f"secret-{digest.hex()[:USER_ID_CHARACTERS]}"


def _stored_bytes(session: SessionObject) -> int:
    return SESSION_BYTES + len(session.instructions.encode()) + len(session.voice.pcm)
