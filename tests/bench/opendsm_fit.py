"""Run by opendsm's own Python: a year of days on standard input, the median seconds of a daily fit on standard
output.
"""

import json
import statistics
import sys
import time

import pandas as pd
from opendsm.eemeter import DailyBaselineData, DailyModel

ROUNDS = 5


def main() -> None:
    """The data object is made outside the clock: only the fit is compared."""
    series = json.load(sys.stdin)
    days = pd.date_range("2024-01-01", periods=len(series["energy_kwh"]), freq="D", tz="Asia/Shanghai")
    fahrenheit = [celsius * 9 / 5 + 32 for celsius in series["outdoor_c"]]
    frame = pd.DataFrame({"observed": series["energy_kwh"], "temperature": fahrenheit}, index=days)
    data = DailyBaselineData(frame, is_electricity_data=True)
    taken = []
    for _ in range(ROUNDS + 1):
        begin = time.perf_counter()
        DailyModel().fit(data, ignore_disqualification=True)
        taken.append(time.perf_counter() - begin)
    print(statistics.median(taken[1:]))


if __name__ == "__main__":
    main()
