"""Log lines for people and for machines: one line each, on standard error, as logfmt or JSON, times in UTC.

A message is written as an event and its fields, `connected: source=%s endpoint=%s`, so the fields are taken from the
message's own pattern and every call site stays one readable line.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import UTC, datetime

FORMS = ("logfmt", "json")
_FIELD = re.compile(r"(\w+)=%[-+ #0]*\d*(?:\.\d+)?[srdfx]")
_BARE = re.compile(r"[^\s\"=\\]+")


def fields(record: logging.LogRecord) -> dict[str, object]:
    """What a line says: time, level, from, event, then the event's own fields."""
    said: dict[str, object] = {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "level": record.levelname.lower(),
        "from": record.name,
    }
    event, colon, pattern = str(record.msg).partition(": ")
    names = _FIELD.findall(pattern)
    if colon and names and isinstance(record.args, tuple) and len(names) == len(record.args):
        said["event"] = event
        said |= {
            name if name not in said else f"{name}_": value for name, value in zip(names, record.args, strict=True)
        }
    else:
        said["event"] = record.getMessage()
    if record.exc_info:
        said["error"] = logging.Formatter().formatException(record.exc_info)
    return said


class _Logfmt(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        """Key=value pairs; a value with anything special in it is quoted, so that a line stays a line."""
        return " ".join(f"{key}={_quoted(value)}" for key, value in fields(record).items())


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        """One JSON object."""
        return json.dumps(fields(record), ensure_ascii=False, default=str)


def _quoted(value: object) -> str:
    text = str(value)
    return text if _BARE.fullmatch(text) and text.isprintable() else json.dumps(text, ensure_ascii=False)


def configure(level: str, form: str) -> None:
    """Send every logger's lines of `level` and above to standard error in this form."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if form == "json" else _Logfmt())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
