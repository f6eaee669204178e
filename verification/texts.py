"""Filling the texts that people read with their values. Light: no numpy."""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping


class Shown(str):
    """A value as it stands in a text. `{count:value is|values are}` is not the value but the words that go with it:
    those before the bar where it is 1, else those behind it.
    """

    __slots__ = ()

    def __format__(self, spec: str) -> str:
        one, bar, more = spec.partition("|")
        if not bar:
            return super().__format__(spec)
        return one if self == "1" else more


def fill(template: str, values: Mapping[str, object]) -> str:
    """The template with `values` filled in. Raises KeyError for one that is missing."""
    return template.format_map({name: Shown(value) for name, value in values.items()})


def names_of(template: str) -> Iterator[str]:
    """The names of the values that a template shows, also of those that choose between words."""
    for _, name, words, _ in string.Formatter().parse(template):
        if name:
            yield name
            yield from names_of(words or "")
