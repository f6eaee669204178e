"""Which of many like events are worth a line in the log."""

from __future__ import annotations

ALL_OF_THE_FIRST = 5


def worth_a_line(count: int) -> bool:
    """Of the events counted 1, 2, 3, ...: the first few, then ever fewer (8, 16, 32, ...), but never none again."""
    return count <= ALL_OF_THE_FIRST or count & (count - 1) == 0
