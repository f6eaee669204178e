"""`retroproof simulate truth`: every scenario end to end, held against what is true of it.

`outcome` is what came of one scenario, `tale` how the platform is used in it, `run` runs them side by side.
"""
