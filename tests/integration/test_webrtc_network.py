"""Calls over a bad network: real processes, real packets, a link that loses some of them.

How late they are is measured by `python -m tests.benchmarks.bench_webrtc lossy`; here it counts
that the call goes on and the sound comes through.
"""

from __future__ import annotations

import pytest

from tests.benchmarks.bench_webrtc import delays_ms, hold_call
from tests.fakes.lossy_link import FAR_ADDRESS, Weather, lossy_network, why_not

pytestmark = pytest.mark.integration

CALL_S = 12.0

needs_namespaces = pytest.mark.skipif(bool(reason := why_not()), reason=reason)


@needs_namespaces
@pytest.mark.parametrize(
    ("weather", "fewest_heard"),
    [
        (Weather(delay_ms=50, jitter_ms=20, loss=0.02), 0.9),
        (Weather(delay_ms=50, jitter_ms=20, loss=0.1), 0.8),
        (Weather(delay_ms=20, blackout_at_s=5.0, blackout_s=3.0), 0.5),
    ],
    ids=["2 % loss", "10 % loss", "blackout of 3 s"],
)
def test_a_call_survives_bad_weather(weather: Weather, fewest_heard: float) -> None:
    with lossy_network(weather) as network:
        server, caller = hold_call(CALL_S, FAR_ADDRESS, network.near, network.far)
    beeps = caller["beeps"]
    assert len(beeps) >= CALL_S / 2
    assert caller["open"] == server["placed"] == 1, "it is still the same call"
    assert len(delays_ms(beeps, server["arrivals"])) >= fewest_heard * len(beeps)
    assert len(delays_ms(beeps, caller["echoes"])) >= fewest_heard * len(beeps)
    # The link was up before the call: a blackout ends well before the call does.
    last = [beep for beep in beeps if beep > beeps[-1] - 2.0]
    assert delays_ms(last, caller["echoes"])
