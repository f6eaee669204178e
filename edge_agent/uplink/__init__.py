"""The way to ingest: what is sent when (`window`), over what (`mqtt`, `https`), by which endpoint (`uplink`)."""

from edge_agent.uplink.uplink import Uplink

__all__ = ["Uplink"]
