"""Log lines for people, or as JSON for a collector: one line each, on standard error, times in UTC."""

from __future__ import annotations

import datetime as dt
import json
import logging
import re
import sys

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class _Text(logging.Formatter):
    """What ends a line or commands a terminal is shown escaped: it may come from a stranger. Tracebacks follow."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        return _CONTROL.sub(lambda found: repr(found[0])[1:-1], super().formatMessage(record))


class _Json(logging.Formatter):
    """Keys: time, level, logger, message, and error where there is a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """One JSON object."""
        line = {
            "time": dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def configure(level: str, form: str) -> None:
    """Send every logger's lines of `level` and above to standard error, as `text` or `json`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if form == "json" else _Text())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
