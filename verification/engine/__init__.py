"""From readings to a verdict: series, days, sufficiency, baseline model, uncertainty, bridge, verdict, result.

`verify.verify` is the way in. Pure. `result`, `rounding`, `verdict` and `report` are light (no numpy), since the
offline check needs them.
"""
