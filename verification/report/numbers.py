"""Numbers as people read them: a true minus sign, thousands grouped.

Takes the decimal strings of a result as they are: nothing is rounded here, so a page never says more or less than the
evidence.
"""

from __future__ import annotations

MINUS = "\N{MINUS SIGN}"
THIN_SPACE = "\N{NARROW NO-BREAK SPACE}"
GROUP_FROM_DIGITS = 5  # ISO 80000-1, 7.3.1: four digits may stand together
GROUP = 3


def number(value: str | int, *, signed: bool = False) -> str:
    """A decimal number with its digits grouped: `-13254.5` as `−13 254.5`; with `signed` a plus sign where it is
    positive.
    """
    text = str(value)
    negative = text.startswith("-")
    whole, point, fraction = text.lstrip("+-").partition(".")
    if len(whole) >= GROUP_FROM_DIGITS:
        head = len(whole) % GROUP
        groups = [whole[:head]] if head else []
        groups += [whole[i : i + GROUP] for i in range(head, len(whole), GROUP)]
        whole = THIN_SPACE.join(groups)
    sign = MINUS if negative else "+" if signed and text.strip("+0.") else ""
    return sign + whole + point + fraction


def tick_text(value: float) -> str:
    """The label of a round value on an axis."""
    return number(f"{value:.10f}".rstrip("0").rstrip(".") or "0")
