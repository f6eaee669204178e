"""Serves the agent's figures to a Prometheus on this machine, if the configuration says where.

On loopback only, so that the agent opens nothing to the plant network; the figures are those of `status.json`, read
anew for each request.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from edge_agent import status
from edge_agent.config import EdgeConfig
from edge_agent.status import AgentStatus
from verification.errors import ConfigError

PREFIX = "retroproof_edge_"
MICROSECONDS = 1_000_000


@contextmanager
def serving(config: EdgeConfig) -> Iterator[None]:
    """Serve for as long as the agent runs. Raises ConfigError where the address cannot be had."""
    if not config.metrics:
        yield
        return
    host, _, port = config.metrics.rpartition(":")
    registry = CollectorRegistry()
    registry.register(_StatusCollector(config))
    try:
        server, thread = start_http_server(int(port), host.strip("[]"), registry)
    except OSError as err:
        raise ConfigError(f"metrics: cannot listen on {config.metrics}: {err}; choose another port") from err
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _StatusCollector(Collector):
    """Turns the last status into metrics."""

    def __init__(self, config: EdgeConfig) -> None:
        self._path = config.status_path

    def collect(self) -> Iterator[Metric]:
        """All families; none before the agent's first word."""
        last = status.read(self._path)
        if last is not None:
            yield from _agent(last)
            yield from _spool(last)
            yield from _uplink(last)
            yield from _sources(last)


def _agent(last: AgentStatus) -> Iterator[Metric]:
    yield _gauge("start_time_seconds", "When the agent started.", last.started_us / MICROSECONDS)
    yield _gauge("status_time_seconds", "When these figures were made.", last.written_us / MICROSECONDS)
    yield _gauge("clock_synchronised", "1 if the kernel says that the clock is.", last.clock.state == "synchronised")
    if last.clock.offset_us is not None:
        offset_s = last.clock.offset_us / MICROSECONDS
        yield _gauge("clock_offset_seconds", "This clock minus that of ingest.", offset_s)


def _spool(last: AgentStatus) -> Iterator[Metric]:
    depth = last.spool
    if depth is None:
        return
    oldest_us = depth.oldest_us or last.written_us
    yield _gauge("spool_batches", "Sealed batches that ingest has not acknowledged.", depth.batches)
    yield _gauge("spool_open_rows", "Readings that are not sealed yet.", depth.open_rows)
    yield _gauge("spool_bytes", "Used.", depth.used_bytes)
    yield _gauge("spool_max_bytes", "Allowed.", depth.max_bytes)
    yield _gauge("spool_oldest_age_seconds", "Of the oldest batch.", (last.written_us - oldest_us) / MICROSECONDS)
    yield _gauge("spool_full", "1 while readings are refused.", bool(depth.full))
    yield _gauge("spool_refused_batches", "Kept aside: refused by ingest, or behind a lost one.", depth.refused)


def _uplink(last: AgentStatus) -> Iterator[Metric]:
    uplink = last.uplink
    yield _gauge("uplink_connected", "1 while a way to ingest is open.", uplink.state == "connected")
    yield _gauge("uplink_in_flight", "Batches under way.", uplink.in_flight)
    if uplink.last_ack_us is not None:
        yield _gauge("uplink_last_ack_seconds", "When ingest last acknowledged.", uplink.last_ack_us / MICROSECONDS)
    counts = {
        "sent": "Batches sent for the first time.",
        "resent": "Batches sent again.",
        "settled": "Batches acknowledged and deleted.",
        "undelivered": "Messages that nobody got.",
        "alarms": "Acknowledgements that were not believed.",
    }
    for name, help_text in counts.items():
        yield _counter(f"uplink_{name}", help_text, getattr(uplink, name))


def _sources(last: AgentStatus) -> Iterator[Metric]:
    up = GaugeMetricFamily(f"{PREFIX}source_connected", "1 while the source is connected.", labels=["source"])
    live = GaugeMetricFamily(f"{PREFIX}source_live_points", "Points that are read now.", labels=["source"])
    failed = GaugeMetricFamily(f"{PREFIX}source_failed_points", "Points with an error.", labels=["source"])
    counts = {
        "connects": CounterMetricFamily(f"{PREFIX}source_connects", "Connections made.", labels=["source"]),
        "bad": CounterMetricFamily(f"{PREFIX}source_bad", "Messages or values not readable.", labels=["source"]),
        "doubles": CounterMetricFamily(f"{PREFIX}source_doubles", "Repeats left out.", labels=["source"]),
        "dropped": CounterMetricFamily(f"{PREFIX}source_dropped", "Readings lost, in gaps.", labels=["source"]),
    }
    rows = CounterMetricFamily(f"{PREFIX}rows", "Readings kept.", labels=["source", "point"])
    for name, source in last.sources.items():
        states = [point.state for point in source.points.values()]
        up.add_metric([name], source.state == "connected")
        live.add_metric([name], states.count("live"))
        failed.add_metric([name], states.count("error"))
        for key, family in counts.items():
            family.add_metric([name], getattr(source, key))
        for point_name, point in source.points.items():
            rows.add_metric([name, point_name], point.rows)
    yield from (up, live, failed, *counts.values(), rows)


def _gauge(name: str, help_text: str, value: float) -> Metric:
    return GaugeMetricFamily(PREFIX + name, help_text, value=value)


def _counter(name: str, help_text: str, value: float) -> Metric:
    return CounterMetricFamily(PREFIX + name, help_text, value=value)
