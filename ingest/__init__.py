"""Takes signed batches from the broker, admits them (a pure decision) and writes them to TimescaleDB.

Owns the telemetry tables and their SQL. Imports `verification` (formats); never `api`, `edge_agent` or `simulators`.
"""
