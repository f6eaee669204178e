"""The ground floor: every meaning and every format that an auditor must be able to re-check offline.

Owns readings, points, meters, units, the signed batch, the plan, the metrics, the engine, the evidence package and the
Merkle log's arithmetic. Pure: no sockets, no database; only `cli.py`, `check_command.py` and `keys.py` touch files.
Imports no other room. What an edge box or an auditor's laptop needs (batch, package and their like; pyproject.toml
lists them) never imports numpy or pandas.
"""
