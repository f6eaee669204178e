"""Known answers: what the engine must compute, and what it computes on this machine.

`run.all_checks` runs them; `retroproof selftest` prints them. The answers are facts with their source, in `data/`; the
arithmetic is the engine's own, so that a machine whose numerical libraries are broken says so before it judges a line.
"""
