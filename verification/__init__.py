"""The ground floor: every meaning and every format that an auditor must be able to re-check offline.

Owns readings, points, meters, units, the signed batch, the plan, the metrics, the engine, the evidence package and the
Merkle log's arithmetic. Pure: no sockets, no database; only `cli.py` reads and writes files. Imports no other room. The light
modules (batch, errors, findings, merkle, model, package, units, yamlfile) never import numpy or pandas.
"""
