"""When things happen at a simulated plant: baseline, works, reporting period, on a 15-minute grid from local midnight.

Owns the calendar and the conversion between aware datetimes and integer microseconds since the epoch (UTC). Knows
nothing of what the plant measures. The plant goes on after the reporting period for `AFTER_DAYS`, so that a live run
has a future.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from simulators.errors import SimulatorError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
CADENCE_S = 900
CADENCE_US = CADENCE_S * 1_000_000
AFTER_DAYS = 800
FIRST_YEAR, LAST_YEAR = 1971, 2100
TIME_ZONE = "Asia/Shanghai"


def micros(instant: datetime) -> int:
    """Microseconds since the epoch, exact. A naive datetime is refused: it names no instant."""
    if instant.tzinfo is None:
        raise SimulatorError(f"{instant} has no time zone; give an offset such as +08:00")
    return (instant - EPOCH) // timedelta(microseconds=1)


def from_micros(time_us: int, tz: ZoneInfo) -> datetime:
    """The instant `time_us` as local time of `tz`, exact."""
    return (EPOCH + timedelta(microseconds=time_us)).astimezone(tz)


@dataclass(frozen=True)
class Timeline:
    """The three periods of a retrofit, in whole local days; each ends at the local midnight where the next begins."""

    first_day: date
    baseline_days: int = 120
    works_days: int = 10
    reporting_days: int = 120
    tz: ZoneInfo = field(default_factory=lambda: ZoneInfo(TIME_ZONE))

    def __post_init__(self) -> None:
        """Refuse a period without a day, and a plant that would live outside the years that clocks know."""
        for name in ("baseline_days", "works_days", "reporting_days"):
            if getattr(self, name) < 1:
                raise SimulatorError(f"{name} is {getattr(self, name)}; every period needs at least one day")
        if not FIRST_YEAR <= self.first_day.year <= LAST_YEAR:
            raise SimulatorError(
                f"the first day is {self.first_day}; choose one of the years {FIRST_YEAR} to {LAST_YEAR}"
            )

    @property
    def baseline_start(self) -> datetime:
        """The first instant of the baseline period."""
        return self._midnight(0)

    @property
    def baseline_end(self) -> datetime:
        """The end of the baseline period, which is the start of the works."""
        return self._midnight(self.baseline_days)

    @property
    def reporting_start(self) -> datetime:
        """The first instant after the works."""
        return self._midnight(self.baseline_days + self.works_days)

    @property
    def reporting_end(self) -> datetime:
        """The end of the reporting period; the plant goes on."""
        return self._midnight(self.baseline_days + self.works_days + self.reporting_days)

    def day_starts_us(self) -> NDArray[np.int64]:
        """Local midnights from the first day to the end of the horizon, both included, shape (days + 1,) [us]."""
        days = self.baseline_days + self.works_days + self.reporting_days + AFTER_DAYS
        return np.array([micros(self._midnight(day)) for day in range(days + 1)], dtype=np.int64)

    def as_dict(self) -> dict[str, str]:
        """The periods as RFC 3339 texts with the plant's offset, for JSON."""
        names = ("baseline_start", "baseline_end", "reporting_start", "reporting_end")
        return {name: getattr(self, name).isoformat() for name in names} | {"time_zone": self.tz.key}

    def _midnight(self, day: int) -> datetime:
        return datetime.combine(self.first_day + timedelta(days=day), time.min, tzinfo=self.tz)
