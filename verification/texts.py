"""Filling the texts that people read with their values. Light: no numpy."""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping


class Shown(str):
    """A value as it stands in a text. What follows its name is words, never a width or a type, which a stranger's data
    could make gigabytes wide: of `{count:value is|values are}` those before the bar where the value is 1, else those
    behind it. Words without a bar go with any value.
    """

    __slots__ = ()

    def __format__(self, words: str) -> str:
        one, bar, more = words.partition("|")
        if not words:
            return str(self)
        return more if bar and self != "1" else one


def fill(template: str, values: Mapping[str, object]) -> str:
    """The template with `values` filled in. Raises KeyError for one that is missing."""
    return template.format_map({name: Shown(value) for name, value in values.items()})


def names_of(template: str) -> Iterator[str]:
    """The names of the values that a template shows, also of those that choose between words."""
    for _, name, words, _ in string.Formatter().parse(template):
        if name:
            yield name
            yield from names_of(words or "")
