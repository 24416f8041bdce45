"""`/v1/realtime/client_secrets`: an ephemeral secret in exchange for the server's key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Response
from pydantic import Field

from server.config import Config
from server.engine.client import EngineClient
from server.gateway.auth import model_names
from server.gateway.bounded_route import bounded_route
from server.gateway.client_secrets import ClientSecrets
from server.gateway.rest import Body, error_responses, key_check
from server.gateway.session_settings import default_settings
from server.protocol.ids import new_id
from server.protocol.session_object import MAX_VOICE_BYTES, apply_patch
from server.protocol.session_patch import SessionPatch
from server.protocol.wire_model import ClientModel

MINIMUM_LIFETIME_S = 10
MAXIMUM_LIFETIME_S = 7200
DEFAULT_LIFETIME_S = 600
MAX_BODY_BYTES = MAX_VOICE_BYTES * 4 // 3 + 512 * 1024
"""A recorded voice as base64, and room for everything else."""
NO_STORE = "no-store"


class ExpiresAfter(ClientModel):
    """When the secret expires."""

    anchor: Literal["created_at"] = "created_at"
    """Counted from now; there is no other anchor."""
    seconds: Annotated[int, Field(ge=MINIMUM_LIFETIME_S, le=MAXIMUM_LIFETIME_S)] = (
        DEFAULT_LIFETIME_S
    )


class ClientSecretRequest(ClientModel):
    """What the secret is for."""

    expires_after: ExpiresAfter | None = None
    session: SessionPatch | None = None
    """What calls with this secret begin with, as in `session.update`."""


class ClientSecretBody(Body):
    """A secret; it can be used for any number of calls until it expires, which may outlive it."""

    value: str
    expires_at: int
    """Seconds since 1970."""
    session: dict[str, Any]
    """The full configuration calls begin with."""


def client_secrets_router(
    secrets: ClientSecrets, engine: EngineClient, config: Config, epoch_s: Callable[[], float]
) -> APIRouter:
    """`/v1/realtime/client_secrets`."""
    router = APIRouter(tags=["access"], route_class=bounded_route(MAX_BODY_BYTES))

    @router.post(
        "/v1/realtime/client_secrets",
        dependencies=key_check(config),
        responses=error_responses(400, 401, 403, 413, 429),
    )
    async def create_client_secret(
        response: Response, wishes: ClientSecretRequest | None = None
    ) -> ClientSecretBody:
        """Make a secret a page can hold in place of the server's key.

        It places calls and does what belongs to them. It makes no further secrets.
        """
        wishes = wishes or ClientSecretRequest()
        names = model_names(config, engine.info)
        settings = default_settings(config, names[0], engine.info)
        if wishes.session is not None:
            settings = apply_patch(settings, wishes.session, settings, names)
        lifetime_s = (wishes.expires_after or ExpiresAfter()).seconds
        expires_at = int(epoch_s()) + lifetime_s
        response.headers["Cache-Control"] = NO_STORE
        return ClientSecretBody(
            value=secrets.issue(settings, lifetime_s),
            expires_at=expires_at,
            session=settings.to_wire(new_id("sess")),
        )

    return router
