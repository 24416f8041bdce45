"""Client events whose outcome comes later, so that a late error still names its event."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

MAX_PENDING = 256
"""Requests of one kind remembered; beyond, the oldest are taken to have succeeded."""


@dataclass(frozen=True, slots=True)
class PendingRequest:
    """A request the session took, but may still refuse."""

    key: str
    """What its success will be called: the id of a turn or a response."""
    event_id: str | None


class PendingRequests:
    """Requests by the error code that would refuse them, oldest first.

    The session works its inputs off in order: the first refusal of a kind is for the oldest
    request of that kind that was not confirmed.
    """

    def __init__(self) -> None:
        self._pending: dict[str, deque[PendingRequest]] = {}

    def expect(self, code: str, key: str, event_id: str | None) -> None:
        """A request was taken; ``code`` is how its refusal would be called."""
        queue = self._pending.setdefault(code, deque(maxlen=MAX_PENDING))
        queue.append(PendingRequest(key, event_id))

    def confirm(self, code: str, key: str) -> None:
        """The request succeeded, and with it all older ones are decided."""
        queue = self._pending.get(code)
        while queue and any(request.key == key for request in queue):
            queue.popleft()

    def refused(self, code: str) -> PendingRequest | None:
        """The request that was refused with ``code``; None when nobody waits for one."""
        queue = self._pending.get(code)
        return queue.popleft() if queue else None
