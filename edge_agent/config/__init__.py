"""The agent's one configuration file: what is read, where it is kept, where it goes.

Owns the shape of the file and every check that needs no network: units, addresses, keys, file permissions. Paths in the
file are relative to it. Does not connect to anything; whether a node or a topic exists shows when the agent runs.
Each module has the keys of one part of the file, with their defaults and their checks; `edge` puts them together.
"""

from edge_agent.config.edge import EdgeConfig, load
from edge_agent.config.source import SourceConfig

__all__ = ["EdgeConfig", "SourceConfig", "load"]
