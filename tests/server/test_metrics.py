"""What Prometheus sees."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client.parser import text_string_to_metric_families

from server.engine.interface import ResponseTimings
from server.metrics import STALL_PROBE_S, Metrics
from tests.virtual_time import run_virtual

pytestmark = pytest.mark.unit


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def test_two_servers_count_apart() -> None:
    one, other = Metrics(), Metrics()
    one.sessions.inc()
    assert value(one, "omnicall_sessions_total") == 1
    assert value(other, "omnicall_sessions_total") == 0


def test_open_sessions_are_asked_for_when_read() -> None:
    metrics = Metrics()
    open_sessions = ["a"]
    metrics.count_open_sessions(lambda: len(open_sessions))
    assert value(metrics, "omnicall_sessions_open") == 1
    open_sessions.clear()
    assert value(metrics, "omnicall_sessions_open") == 0


def test_units_count_their_lateness_and_their_time() -> None:
    metrics = Metrics()
    metrics.observe_unit(0.1, 0.2, late=False)
    metrics.observe_unit(0.5, 0.7, late=True)
    assert value(metrics, "omnicall_units_prefilled_total") == 2
    assert value(metrics, "omnicall_units_late_total") == 1
    assert value(metrics, "omnicall_unit_prefill_seconds_sum") == pytest.approx(1.5)


def test_a_response_counts_only_the_times_it_has() -> None:
    metrics = Metrics()
    timings = ResponseTimings(ttft_s=0.2, ttfa_s=0.4, total_s=1.0, audio_s=2.0)
    metrics.observe_response("completed", timings, 0.5)
    metrics.observe_response("cancelled", ResponseTimings(), None)
    assert value(metrics, "omnicall_responses_total", status="completed") == 1
    assert value(metrics, "omnicall_responses_total", status="cancelled") == 1
    assert value(metrics, "omnicall_eou_delay_seconds_count") == 1
    assert value(metrics, "omnicall_ttft_seconds_sum") == pytest.approx(0.2)
    assert value(metrics, "omnicall_ttfa_seconds_count") == 1
    assert value(metrics, "omnicall_rtf_ratio_sum") == pytest.approx(0.5)


def test_the_exposition_is_prometheus_text() -> None:
    metrics = Metrics()
    metrics.errors.labels("invalid_json").inc()
    families = {f.name: f for f in text_string_to_metric_families(metrics.exposition().decode())}
    assert "omnicall_errors" in families
    assert metrics.content_type.startswith("text/plain")


def test_a_busy_event_loop_shows_as_a_stall() -> None:
    metrics = Metrics()

    async def scenario() -> None:
        async with asyncio.TaskGroup() as tasks:
            watch = tasks.create_task(metrics.watch_event_loop())
            await asyncio.sleep(STALL_PROBE_S * 10.5)
            watch.cancel()

    run_virtual(scenario())
    assert value(metrics, "omnicall_event_loop_stall_seconds_count") == 10
    assert value(metrics, "omnicall_event_loop_stall_last_seconds") == pytest.approx(0, abs=1e-6)
