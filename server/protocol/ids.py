"""Names for things on the wire: ``item_1f0c…``, ``event_9a2b…``."""

from __future__ import annotations

import secrets

ID_BYTES = 10


def new_id(prefix: str) -> str:
    """A fresh id that nobody can guess."""
    return f"{prefix}_{secrets.token_hex(ID_BYTES)}"
