"""Starts processes: the one-machine stack, broker and database configuration, the demonstration.

Imports nothing of ours: it drives the product as a user would, through the `retroproof` command and the HTTP API.
"""
