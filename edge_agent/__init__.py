"""Runs on the plant network: reads OPC UA and MQTT, spools durably, signs, sends, forgets only what was acknowledged.

Owns the sources, the spool and the uplink. It only dials out and opens no inbound port. Imports `verification`
(formats) and nothing else of ours; never numpy, pandas, psycopg or fastapi, directly or not.
"""
