"""Prometheus figures of the gateway, served at /metrics."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from core.broker import MEDIA, TEXT, TRAIN

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Measures:
    """The figures of one gateway; each has its registry, so that several can live in one test process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.heard = Counter("polydesk_events_total", "Events committed", ["platform"], registry=self.registry)
        self.waiting = Gauge("polydesk_waiting_customers", "Customers waiting for a human", registry=self.registry)
        self.missed = Counter(
            "polydesk_missed_messages_total",
            "Found only by reading a platform again",
            ["platform"],
            registry=self.registry,
        )
        self.unread = Counter(
            "polydesk_unread_conversations_total",
            "Open conversations that could not be read after an interruption",
            ["platform"],
            registry=self.registry,
        )
        self._turns = Histogram(
            "polydesk_turn_seconds",
            "From the end of the quiet window to the decision's commit",
            ["decision"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._workers = Gauge("polydesk_workers", "Workers that are alive", ["queue"], registry=self.registry)

    def turn(self, decision: str, seconds: float) -> None:
        """A turn was decided."""
        self._turns.labels(decision).observe(seconds)

    def count_workers(self, workers: Callable[[], dict[str, int]]) -> None:
        """Ask `workers` whenever somebody asks us."""
        for queue in (TEXT, MEDIA, TRAIN):
            self._workers.labels(queue).set_function(partial(_count, workers, queue))


def _count(workers: Callable[[], dict[str, int]], queue: str) -> float:
    return workers().get(queue, 0)
