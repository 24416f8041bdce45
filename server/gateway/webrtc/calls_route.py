"""`/v1/realtime/calls`: an SDP offer in, an answer out, and the end of a call."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from server.config import Config
from server.errors import OmnicallError
from server.gateway.auth import Access, Caller
from server.gateway.bounded_route import read_bounded
from server.gateway.rest import caller_check, error_responses
from server.gateway.webrtc.call_request import MULTIPART_TYPE, SDP_TYPE, read_call_request
from server.gateway.webrtc.gateway import WebRtcGateway
from server.metrics import Metrics
from server.protocol.session_object import MAX_VOICE_BYTES

PREFIX = "/v1/realtime/calls"
MAX_BODY_BYTES = MAX_VOICE_BYTES * 4 // 3 + 512 * 1024
"""A recorded voice as base64, an offer, and room for everything else."""

REQUEST_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            SDP_TYPE: {"schema": {"type": "string", "description": "An SDP offer."}},
            MULTIPART_TYPE: {
                "schema": {
                    "type": "object",
                    "required": ["sdp"],
                    "properties": {
                        "sdp": {"type": "string", "description": "An SDP offer."},
                        "session": {
                            "type": "string",
                            "description": "JSON as in `session.update`.",
                        },
                    },
                }
            },
        },
    }
}
ANSWER: dict[int | str, dict[str, Any]] = {
    201: {
        "description": "The SDP answer; `Location` names the call.",
        "content": {SDP_TYPE: {"schema": {"type": "string"}}},
        "headers": {"Location": {"schema": {"type": "string"}}},
    }
}

CallId = Annotated[str, Path(description="Id of a call: the last part of its `Location`.")]


def calls_router(
    gateway: WebRtcGateway, config: Config, access: Access, metrics: Metrics
) -> APIRouter:
    """`/v1/realtime/calls`; nothing where `webrtc.enabled` is off."""
    if not config.webrtc.enabled:
        return APIRouter()
    router = APIRouter(tags=["calls"])
    let_in = caller_check(config, access.caller)
    let_go = caller_check(config, access.participant)

    @router.post(
        PREFIX,
        status_code=201,
        response_class=Response,
        openapi_extra=REQUEST_BODY,
        responses=ANSWER | error_responses(400, 401, 403, 404, 413, 415, 503),
    )
    async def create_call(
        request: Request,
        caller: Caller = let_in,
        model: Annotated[str | None, Query(description="Name of the model wanted.")] = None,
        call_id: Annotated[
            str | None, Query(description="Go on with this call over a new connection.")
        ] = None,
    ) -> Response:
        """Place a call over WebRTC: one audio, at most one video, and the channel `oai-events`."""
        body = await read_bounded(request, MAX_BODY_BYTES)
        try:
            wishes = read_call_request(request.headers.get("content-type", ""), body)
            if call_id is None:
                placed = await gateway.place(caller, wishes, model)
            else:
                placed = await gateway.resume(call_id, wishes)
        except OmnicallError as error:
            metrics.sessions_refused.labels(error.code).inc()
            raise
        headers = {"Location": f"{PREFIX}/{placed.id}"}
        return Response(placed.answer, 201, headers, media_type=SDP_TYPE)

    @router.post(
        PREFIX + "/{call_id}/hangup",
        response_class=Response,
        dependencies=[let_go],
        responses=error_responses(401, 403, 404),
    )
    async def hang_up(call_id: CallId) -> Response:
        """End a call; its session is closed with it."""
        gateway.hang_up(call_id)
        return Response(status_code=200)

    return router
