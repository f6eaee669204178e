"""Findings: what is noteworthy about data, a model or a verdict, as data that reads in English and in Chinese.

Owns the shape of a finding. What may be found, with its texts, is the catalogue in `finding_catalogue/`. A
finding is not an error: a refusal that a person must act on is a `RetroProofError`. Light: no numpy.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Hashable, Iterable
from typing import Literal, Protocol, TypeVar, get_args

import msgspec

from verification.finding_catalogue import CATALOGUE, EARLIER, WORD_FIELDS, WORDS, Entry, Language, Outcome, Severity
from verification.texts import fill, names_of

__all__ = ["Finding", "Language", "Outcome", "Severity"]

POINTS = "percentage points"

Value = int | str


class Finding(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One finding. `data` holds the numbers behind it: integers, or decimal strings at a stated precision."""

    code: str
    severity: Severity
    data: dict[str, Value] = {}

    @classmethod
    def of(cls, code: str, **data: Value) -> Finding:
        """The finding `code` at its catalogued severity. Raises KeyError without a number that its text names."""
        entry = CATALOGUE[code]
        missing = fields_of(entry) - set(data)
        if missing:
            raise KeyError(f"{code} needs {', '.join(sorted(missing))}")
        return cls(code, entry.severity, data)

    @property
    def blocks(self) -> Outcome | None:
        """The verdict that this finding forces, or None where it only informs."""
        entry = CATALOGUE.get(self.code)
        return entry.blocks if entry else None

    @property
    def kind(self) -> tuple[str, str]:
        """What findings that stand together have in common: their code and remedy."""
        return self.code, self.resolve()

    def text(self, language: Language = "en") -> str:
        """What was found, in one or two sentences."""
        return self._render("text", language)

    def resolve(self, language: Language = "en") -> str:
        """What would resolve it; empty where there is nothing to resolve."""
        return self._render("resolve", language)

    def _render(self, part: Literal["text", "resolve"], language: Language) -> str:
        if language not in get_args(Language):
            raise ValueError(f"findings read in {' and '.join(get_args(Language))}, not in {language!r}")
        entry = self._entry()
        if entry is None:  # a finding made by a newer version, read back from its result
            return self.code if part == "text" else ""
        words = WORDS[language]
        template: str = getattr(entry, f"{part}_{language}")
        # A finding read back from a damaged or forged result may lack a number; its reader shall still see the text.
        shown = {name: str(self.data.get(name, "?")) for name in names_of(template)}
        is_word = {name: name in WORD_FIELDS or text == POINTS for name, text in shown.items()}
        return fill(template, {name: words.get(text, text) if is_word[name] else text for name, text in shown.items()})

    def _entry(self) -> Entry | None:
        """The texts that fit the data: those of an earlier engine where it filled all that they show, and no more."""
        entry, earlier = CATALOGUE.get(self.code), EARLIER.get(self.code)
        if entry and earlier and fields_of(earlier) <= self.data.keys() and not fields_of(entry) <= self.data.keys():
            return earlier
        return entry


def unit_of_change(unit: str, of: str = "change") -> str:
    """The unit in which a finding states a change of a figure in `unit`: that of a share is percentage points, lest it
    be taken for a relative change. A limit or a claim may be `of` something else than the change.
    """
    return POINTS if (unit, of) == ("%", "change") else unit


class _HasKind(Protocol):
    @property
    def kind(self) -> Hashable: ...


Alike = TypeVar("Alike", bound=_HasKind)


def alike_together(found: Iterable[Alike]) -> list[list[Alike]]:
    """Findings of one kind, such as one for each of twelve points, as one group; groups keep the order of their
    first.
    """
    groups: defaultdict[Hashable, list[Alike]] = defaultdict(list)
    for one in found:
        groups[one.kind].append(one)
    return list(groups.values())


def of_baseline(found: Iterable[Finding]) -> list[Finding]:
    """Those that are not about a later window, which nobody may look at before a plan is fixed."""
    return [finding for finding in found if finding.data.get("window", "baseline") == "baseline"]


@functools.cache
def fields_of(entry: Entry) -> frozenset[str]:
    """The names of the numbers that the four texts of `entry` show."""
    texts = (entry.text_en, entry.text_zh, entry.resolve_en, entry.resolve_zh)
    return frozenset(name for text in texts for name in names_of(text))
