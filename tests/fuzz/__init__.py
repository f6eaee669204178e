"""Hostile bytes for all that reads from strangers: guided by coverage with `make fuzz`, mutated in `make test`."""
