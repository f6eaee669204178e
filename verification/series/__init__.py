"""Readings as columns, and what they become by interval: counters, totals, gauges, states and events on the local
calendar of the plan, with the coverage of each interval.
"""
