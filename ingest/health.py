"""What an ingest process knows of itself: whether it can work, and its figures for Prometheus.

The lag is measured on the freshest batch of a minute: an agent that sends its backlog brings old batches, but where
even the freshest is old, ingest or the broker before it falls behind, and that is what the alarm is for.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from ingest.admission import Code, Decision
from verification.model import Rows

LAG_WINDOW_US = 60_000_000
COMMIT_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)
GROUP_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256)

log = logging.getLogger(__name__)


class Metrics:
    """The figures of one process, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        prefix, registry = "retroproof_ingest", self.registry
        self.batches = Counter(f"{prefix}_batches", "Batches by what became of them.", ["code"], registry=registry)
        for code in Code:
            self.batches.labels(str(code))  # so that a rate is there from the start, and an alarm can be written on it
        self.rows = Counter(f"{prefix}_rows", "Readings committed.", registry=registry)
        self.commit_s = Histogram(
            f"{prefix}_commit_seconds",
            "From the start of a group's transaction to its commit.",
            buckets=COMMIT_BUCKETS_S,
            registry=registry,
        )
        self.group = Histogram(
            f"{prefix}_group_batches", "Batches in one transaction.", buckets=GROUP_BUCKETS, registry=registry
        )
        self.waiting = Gauge(f"{prefix}_waiting", "Items that wait for the worker.", registry=registry)
        self.lag_s = Gauge(
            f"{prefix}_lag_seconds",
            "Age, from signing to commit, of the freshest batch in the last minute.",
            registry=registry,
        )
        self.lag_alarm = Gauge(f"{prefix}_lag_alarm", "1 while the lag is above lag_alarm_s.", registry=registry)
        self.up = Gauge(f"{prefix}_up", "1 while the connection stands.", ["to"], registry=registry)
        self.retries = Counter(f"{prefix}_retries", "Failures of the database, each tried again.", registry=registry)
        self.http_refused = Counter(
            f"{prefix}_http_refused", "HTTP requests that were not taken, by problem code.", ["code"], registry=registry
        )


@dataclass(slots=True)
class Health:
    """Written by the worker and the inbox, read by the health page; `broker` is None where none is configured."""

    metrics: Metrics = field(default_factory=Metrics)
    lag_alarm_s: float = 300.0
    _database: bool = False
    _broker: bool | None = None
    _freshest_us: int | None = None
    _since_us: int = 0

    @property
    def database(self) -> bool:
        """Whether the last word with the database was a good one."""
        return self._database

    @database.setter
    def database(self, up: bool) -> None:
        self._database = up
        self.metrics.up.labels("database").set(up)

    @property
    def broker(self) -> bool | None:
        """Whether the subscription stands."""
        return self._broker

    @broker.setter
    def broker(self, up: bool) -> None:
        self._broker = up
        self.metrics.up.labels("broker").set(up)

    @property
    def lacking(self) -> list[str]:
        """What this process cannot work without and does not have."""
        return [name for name, up in (("database", self._database), ("broker", self._broker)) if up is False]

    def note_group(self, decisions: Iterable[Decision], *, commit_s: float, committed_at_us: int) -> None:
        """Count a committed group, and judge its lag."""
        self.metrics.commit_s.observe(commit_s)
        ages_us = []
        count = 0
        for decision in decisions:
            count += 1
            self.metrics.batches.labels(str(decision.code)).inc()
            if isinstance(decision.payload, Rows):
                self.metrics.rows.inc(len(decision.payload))
            if decision.code is Code.ACCEPTED and decision.arrival.batch is not None:
                ages_us.append(committed_at_us - decision.arrival.batch.header.signed_at_us)
        if count:
            self.metrics.group.observe(count)
        if ages_us:
            self._note_age(min(ages_us), committed_at_us)

    def _note_age(self, age_us: int, now_us: int) -> None:
        """Once a minute the smallest age of that minute becomes the lag."""
        if self._freshest_us is None:
            self._freshest_us, self._since_us = age_us, now_us
        self._freshest_us = min(self._freshest_us, age_us)
        if now_us - self._since_us < LAG_WINDOW_US:
            return
        lag_s, self._freshest_us = self._freshest_us / 1e6, None
        self.metrics.lag_s.set(lag_s)
        late = lag_s > self.lag_alarm_s
        if late:
            log.error("lag alarm: even the freshest batch of the last minute is %.0f s old; add workers", lag_s)
        self.metrics.lag_alarm.set(late)
