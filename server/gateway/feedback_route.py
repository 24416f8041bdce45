"""`/v1/feedback`: what a caller says about a call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import Field

from server.config import Config
from server.errors import FeedbackDisabledError
from server.gateway.auth import Access
from server.gateway.bounded_route import bounded_route
from server.gateway.feedback_recorder import FeedbackRecorder
from server.gateway.feedback_store import FeedbackEntry, Rating
from server.gateway.rest import Body, caller_check, error_responses
from server.protocol.wire_model import ClientModel

MAX_COMMENT_CHARACTERS = 4000
MAX_TRANSCRIPT_CHARACTERS = 200_000
MAX_BODY_BYTES = 12 * (MAX_COMMENT_CHARACTERS + MAX_TRANSCRIPT_CHARACTERS) + 4096
"""Enough for every character as a pair of escapes, which is 12 bytes."""

StoredPart = Literal["rating", "comment", "transcript"]


class FeedbackRequest(ClientModel):
    """One caller's word on one call."""

    call_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    """Id of the call or its session."""
    rating: Rating
    comment: Annotated[str, Field(max_length=MAX_COMMENT_CHARACTERS)] | None = None
    transcript: Annotated[str, Field(max_length=MAX_TRANSCRIPT_CHARACTERS)] | None = None


class FeedbackBody(Body):
    """What was kept."""

    object: Literal["realtime.feedback"] = "realtime.feedback"
    call_id: str
    stored: list[StoredPart]
    """The parts that were stored; comment and transcript only where the operator wants them."""


def feedback_router(
    recorder: FeedbackRecorder, config: Config, access: Access, epoch_s: Callable[[], float]
) -> APIRouter:
    """`/v1/feedback`."""
    router = APIRouter(tags=["feedback"], route_class=bounded_route(MAX_BODY_BYTES))

    @router.post(
        "/v1/feedback",
        status_code=201,
        dependencies=[caller_check(config, access.participant)],
        responses=error_responses(400, 401, 403, 413, 503),
    )
    async def give_feedback(feedback: FeedbackRequest) -> FeedbackBody:
        """Rate a call. A later word on the same call replaces the earlier one."""
        if not config.feedback.enabled:
            raise FeedbackDisabledError(
                "this server takes no feedback; its operator can turn it on with feedback.enabled"
            )
        keeps_content = config.feedback.store_content
        entry = FeedbackEntry(
            feedback.call_id,
            feedback.rating,
            epoch_s(),
            comment=(feedback.comment or None) if keeps_content else None,
            transcript=(feedback.transcript or None) if keeps_content else None,
        )
        await recorder.record(entry)
        stored: list[StoredPart] = ["rating"]
        if entry.comment is not None:
            stored.append("comment")
        if entry.transcript is not None:
            stored.append("transcript")
        return FeedbackBody(call_id=entry.call_id, stored=stored)

    return router
