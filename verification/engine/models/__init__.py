"""Baseline models: least squares, and the columns that each kind of model regresses on."""
