"""Lets a call be placed where there is no network: aiortc leaves 127.0.0.1 out."""

from __future__ import annotations

from aioice import Candidate
from aiortc import RTCIceGatherer

LOOPBACK = "127.0.0.1"


def offer_loopback(gatherer: RTCIceGatherer) -> None:
    """Make a gatherer that has not begun yet offer 127.0.0.1, too."""
    connection = gatherer._connection
    gather = connection.get_component_candidates

    async def gather_with_loopback(component: int, addresses: list[str]) -> list[Candidate]:
        known = addresses if LOOPBACK in addresses else [*addresses, LOOPBACK]
        return await gather(component=component, addresses=known)

    connection.get_component_candidates = gather_with_loopback  # type: ignore[method-assign, assignment]
