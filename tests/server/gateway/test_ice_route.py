"""Which ICE servers a caller is told of, over real HTTP."""

from __future__ import annotations

import time

import pytest

from server.gateway.webrtc.ice import turn_credential
from tests.server.gateway.live_server import live_server, local_config

pytestmark = pytest.mark.integration

PATH = "/v1/realtime/ice_servers"
TURN = {
    "ice_servers": ["stun:stun.example.org", "turn:turn.example.org?transport=tcp"],
    "turn_secret": "shared",
    "turn_ttl_s": 120,
}


@pytest.mark.asyncio
async def test_without_configured_servers_there_are_none() -> None:
    async with live_server() as server, server.http() as http:
        answered = await http.get(PATH)
        assert answered.json()["ice_servers"] == []
        assert answered.headers["Cache-Control"] == "no-store"


@pytest.mark.asyncio
async def test_relays_come_with_credentials_of_the_caller_s_own_that_end() -> None:
    config = local_config(webrtc=TURN, server={"api_key": "sesame"})
    async with live_server(config=config) as server, server.http() as http:
        key = {"Authorization": "Bearer sesame"}
        secret = (await http.post("/v1/realtime/client_secrets", headers=key)).json()["value"]
        told = [
            (await http.get(PATH, headers={"Authorization": f"Bearer {token}"})).json()
            for token in (secret, "sesame")
        ]
        names = []
        for answer in told:
            stun, turn = answer["ice_servers"]
            assert stun == {"urls": ["stun:stun.example.org"]}
            assert turn["urls"] == ["turn:turn.example.org?transport=tcp"]
            assert turn["credential"] == turn_credential("shared", turn["username"])
            expires_at, _, name = turn["username"].partition(":")
            assert int(expires_at) == answer["expires_at"]
            assert abs(answer["expires_at"] - time.time() - 120) < 60
            names.append(name)
        assert names[0].startswith("secret-") and names[1] == "key"
        assert secret not in str(told)


@pytest.mark.asyncio
async def test_strangers_are_told_nothing() -> None:
    config = local_config(webrtc=TURN, server={"api_key": "sesame"})
    async with live_server(config=config) as server, server.http() as http:
        assert (await http.get(PATH)).status_code == 401
        stale = {"Authorization": "Bearer ek_stale"}
        assert (await http.get(PATH, headers=stale)).status_code == 401
    async with live_server() as server, server.http() as http:
        foreign = {"Sec-Fetch-Site": "cross-site"}
        assert (await http.get(PATH, headers=foreign)).status_code == 403
