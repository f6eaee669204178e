"""Metrics as data: what a figure such as energy per ton is made of, in which unit, and which way is better.

`formula.py` is the checked language of definitions, `catalogue.py` reads the versioned files in `data/`. Knows no
plan and no reading. Light: no numpy.
"""
