"""The ground floor: every meaning and every format that an auditor must be able to re-check offline.

This folder holds what all rooms share: readings, points, units, keys, the signed batch, its acknowledgement, the plan,
findings. `engine/` judges a plan on readings, `evidence/` makes and checks packages, `table/` reads plain tables. Pure:
no sockets, no database; only the commands and `keys.py` touch files. Imports no other room. What an
edge box or an auditor's laptop needs (pyproject.toml lists it) never imports numpy or pandas.
"""
