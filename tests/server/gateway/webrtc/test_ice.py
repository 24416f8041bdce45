from __future__ import annotations

import base64
import hashlib
import hmac

import pytest
from pydantic import ValidationError

from server.config import WebRtcConfig
from server.gateway.webrtc.ice import gathering_servers, ice_servers_for

pytestmark = pytest.mark.unit

STUN, TURN, TURNS = "stun:stun.example.org", "turn:turn.example.org", "turns:turn.example.org:5349"


def test_no_server_is_asked_or_told_of_by_default() -> None:
    config = WebRtcConfig()
    assert ice_servers_for(config, "ann", 1000.0) == []
    assert gathering_servers(config, 1000.0) == []


def test_relays_get_credentials_that_coturn_accepts_and_that_end() -> None:
    config = WebRtcConfig(ice_servers=(STUN, TURN, TURNS), turn_secret="s3cret", turn_ttl_s=600)
    stun, turn = ice_servers_for(config, "ann", 1000.9)
    assert stun == {"urls": [STUN]}
    assert turn["urls"] == [TURN, TURNS]
    assert turn["username"] == "1600:ann"
    digest = hmac.new(b"s3cret", b"1600:ann", hashlib.sha1).digest()
    assert base64.b64decode(turn["credential"]) == digest


def test_the_server_gathers_only_when_told_to() -> None:
    config = WebRtcConfig(ice_servers=(STUN, TURN), turn_secret="s3cret")
    assert gathering_servers(config, 0.0) == []
    config = config.model_copy(update={"gather_from_ice_servers": True})
    stun, turn = gathering_servers(config, 0.0)
    assert stun.urls == [STUN]
    assert turn.username == "3600:server"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"ice_servers": ("http://turn.example.org",)}, "no ICE server"),
        ({"ice_servers": (TURN,)}, "turn_secret"),
    ],
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        WebRtcConfig.model_validate(wrong)
