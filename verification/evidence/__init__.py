"""What an auditor can check without trusting anyone: the package, the log's arithmetic, the six axes of a check.

`package` makes a package, `check` judges one. Light but for `check_recomputation` and `readings_table`, which need
the engine.
"""
