"""The JSON object a call ends with."""

from __future__ import annotations

import pytest

from server.cli.call_report import CallReport, TurnRecord

pytestmark = pytest.mark.unit


def test_the_report_has_exactly_the_agreed_fields() -> None:
    turn = TurnRecord(transcript="hi", pcm=bytearray(48_000), ttfa_s=0.123456)
    report = CallReport(checkpoint="pocket", units_sent=6, turns=[turn])
    assert report.as_json() == {
        "checkpoint": "pocket",
        "transport": "websocket",
        "units_sent": 6,
        "units_late": 0,
        "turns": [
            {
                "transcript": "hi",
                "audio_s": 1.0,
                "eou_delay_s": None,
                "ttft_s": None,
                "ttfa_s": 0.1235,
                "rtf": None,
            }
        ],
        "errors": [],
    }


def test_the_speech_of_all_turns_is_joined_in_order() -> None:
    turns = [TurnRecord(pcm=bytearray(b"\1\2")), TurnRecord(pcm=bytearray(b"\3\4"))]
    assert CallReport(turns=turns).pcm() == b"\1\2\3\4"
