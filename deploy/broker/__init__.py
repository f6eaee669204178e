"""Configuration of the brokers: the same files for the one-machine stack, the tests and docker compose.

`mosquitto.conf` has the bounds, one of the three `listener-*.conf` the way in, one of the two `*.acl.conf` who may do
what. Paths in them are relative to the folder `data` that lies beside `config`.
"""
