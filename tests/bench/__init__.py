"""Measurements, each as a ratio of two things done in the same run: `python -m tests.bench`, or `make bench`."""
