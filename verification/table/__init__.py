"""Reads a plain table of readings, CSV or Parquet, as people have them; `read.read_table` is the way in."""
