"""Migrations of the schema `dossier`, applied in the order of their numbers by `ingest.migrate`."""
