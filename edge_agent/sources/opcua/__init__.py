"""Reads OPC UA servers: `source` supervises, `session` loses nothing, `intake` brings values into the spool."""
