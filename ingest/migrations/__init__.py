"""Migrations of the schema `telemetry`, applied in the order of their numbers by `ingest.migrate`."""
