"""Prometheus figures of the gateway, served at /metrics."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Measures:
    """The figures of one gateway; each has its registry, so that several can live in one test process."""

    def __init__(self, workers: Callable[[], dict[str, int]]) -> None:
        self.registry = CollectorRegistry()
        self.heard = Counter("polydesk_events_total", "Events committed", ["platform"], registry=self.registry)
        self.decided = Counter("polydesk_decisions_total", "Decisions taken", ["kind"], registry=self.registry)
        self.thought = Histogram(
            "polydesk_prediction_seconds", "Question out to prediction in", buckets=_SECONDS, registry=self.registry
        )
        self.waiting = Gauge("polydesk_waiting_customers", "Customers waiting for a human", registry=self.registry)
        self._workers = Gauge("polydesk_workers", "Workers that are alive", ["queue"], registry=self.registry)
        for queue in ("text", "media"):
            self._workers.labels(queue).set_function(lambda queue=queue: workers().get(queue, 0))
