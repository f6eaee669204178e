"""Serves enterprises, experts and auditors: dossiers, plans, verification runs, evidence, the log and the web
pages.

Owns the dossier tables and their SQL. Computes nothing that `verification` could compute. Imports `ingest`
(to read windows of readings) and `verification`; never `edge_agent`, `simulators` or `deploy`.
"""
