"""What Prometheus sees. One registry per app, handed around by argument."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from server.engine.interface import ResponseTimings

LATENCY_BUCKETS_S = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
PREFILL_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0)
STALL_BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
RTF_BUCKETS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.0, 5.0)
STALL_PROBE_S = 0.1
"""How often the event loop is asked whether it is on time."""


class Metrics:
    """Every metric of one server, in a registry of its own."""

    content_type = CONTENT_TYPE_LATEST
    """Media type of :meth:`exposition`."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.sessions_open = Gauge(
            "omnicall_sessions_open", "Sessions that are open now.", registry=self.registry
        )
        self.sessions = Counter(
            "omnicall_sessions", "Sessions that were admitted.", registry=self.registry
        )
        self.sessions_refused = Counter(
            "omnicall_sessions_refused",
            "Requests for a session that were refused.",
            ["code"],
            registry=self.registry,
        )
        self.units_prefilled = Counter(
            "omnicall_units_prefilled", "Units in the model's context.", registry=self.registry
        )
        self.units_late = Counter(
            "omnicall_units_late",
            "Units prefilled after the next one was complete.",
            registry=self.registry,
        )
        self.unit_prefill_s = self._histogram(
            "unit_prefill_seconds", "Time a unit waited and was computed.", PREFILL_BUCKETS_S
        )
        self.responses = Counter(
            "omnicall_responses", "Responses that ended.", ["status"], registry=self.registry
        )
        self.eou_delay_s = self._histogram(
            "eou_delay_seconds", "End of speech to the decision that the turn is over."
        )
        self.ttft_s = self._histogram("ttft_seconds", "Request for a response to its first token.")
        self.ttfa_s = self._histogram(
            "ttfa_seconds", "Request for a response to its first audio sample."
        )
        self.rtf = self._histogram("rtf_ratio", "Generation time over audio time.", RTF_BUCKETS)
        self.event_loop_stall_s = self._histogram(
            "event_loop_stall_seconds", "How late the event loop was.", STALL_BUCKETS_S
        )
        self.event_loop_stall_last_s = Gauge(
            "omnicall_event_loop_stall_last_seconds",
            "How late the event loop was last time.",
            registry=self.registry,
        )
        self.engine_ready = Gauge(
            "omnicall_engine_ready", "1 when the engine takes commands.", registry=self.registry
        )
        self.engine_restarts = Counter(
            "omnicall_engine_restarts", "Deaths of the engine.", registry=self.registry
        )
        self.errors = Counter(
            "omnicall_errors", "Errors told to clients.", ["code"], registry=self.registry
        )

    def count_open_sessions(self, count: Callable[[], int]) -> None:
        """Ask ``count`` for the number of open sessions whenever the metrics are read."""
        self.sessions_open.set_function(count)

    def observe_unit(self, queue_s: float, compute_s: float, *, late: bool) -> None:
        """A unit was prefilled."""
        self.units_prefilled.inc()
        self.units_late.inc(1 if late else 0)
        self.unit_prefill_s.observe(queue_s + compute_s)

    def observe_response(
        self, status: str, timings: ResponseTimings, eou_delay_s: float | None
    ) -> None:
        """A response ended."""
        self.responses.labels(status).inc()
        for histogram, value in (
            (self.eou_delay_s, eou_delay_s),
            (self.ttft_s, timings.ttft_s),
            (self.ttfa_s, timings.ttfa_s),
            (self.rtf, timings.rtf),
        ):
            if value is not None:
                histogram.observe(value)

    def exposition(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self.registry)

    async def watch_event_loop(self) -> None:
        """Measure how late the event loop is, until cancelled; cancelling is safe."""
        loop = asyncio.get_running_loop()
        while True:
            due_s = loop.time() + STALL_PROBE_S
            await asyncio.sleep(STALL_PROBE_S)
            stall_s = max(0.0, loop.time() - due_s)
            self.event_loop_stall_s.observe(stall_s)
            self.event_loop_stall_last_s.set(stall_s)

    def _histogram(
        self, name: str, text: str, buckets: tuple[float, ...] = LATENCY_BUCKETS_S
    ) -> Histogram:
        return Histogram(f"omnicall_{name}", text, buckets=buckets, registry=self.registry)
