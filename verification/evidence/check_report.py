"""The report of a check: six axes, never merged into one tick, each with an outcome and its reasons in two languages.

Owns the outcomes, the exit codes and the two renderings (text and JSON). Finds nothing itself; the `check_*` modules
do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from verification.evidence.check_messages import MESSAGES, WORDS_ZH, Weight
from verification.findings import Finding, Language, alike_together
from verification.texts import fill

MAX_NAME_SHOWN = 200
MAX_TEXT_SHOWN = 1000
MAX_SHOWN = 12  # of the reasons of one axis; JSON has them all


class Axis(StrEnum):
    """What a package can be asked, one question each."""

    BYTES = "bytes"
    SIGNER = "signer"
    COMPLETENESS = "completeness"
    PLAUSIBILITY = "plausibility"
    RECOMPUTATION = "recomputation"
    CLAIM = "claim"


class Outcome(StrEnum):
    """The answer on one axis."""

    VERIFIED = "verified"
    REFUTED = "refuted"
    CANNOT_VERIFY = "cannot be verified"
    NOT_RUN = "not run"


EXIT_CODES = {Outcome.VERIFIED: 0, Outcome.REFUTED: 1, Outcome.CANNOT_VERIFY: 2}

_AXES_ZH = {
    Axis.BYTES: "字节",
    Axis.SIGNER: "签名者",
    Axis.COMPLETENESS: "完整性",
    Axis.PLAUSIBILITY: "合理性",
    Axis.RECOMPUTATION: "重算",
    Axis.CLAIM: "结论",
}
_OUTCOMES_ZH = {
    Outcome.VERIFIED: "已核实",
    Outcome.REFUTED: "不成立",
    Outcome.CANNOT_VERIFY: "无法核实",
    Outcome.NOT_RUN: "未执行",
}


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that a check found. `file` names the file it is about, where it is about one."""

    code: str
    file: str = ""
    data: Mapping[str, str | int] = field(default_factory=dict)
    finding: Finding | None = None

    @property
    def weight(self) -> Weight:
        """Whether it refutes its axis, prevents it from being judged, or is a note."""
        return MESSAGES[self.code].weight

    @property
    def kind(self) -> tuple[str, ...]:
        """What reasons that stand together have in common: findings of one kind do, any other stands alone."""
        return (self.code, self.file, *self.finding.kind) if self.finding else (self.code, self.text("en"))

    def text(self, language: Language) -> str:
        """The reason in one sentence."""
        template = MESSAGES[self.code].zh if language == "zh" else MESSAGES[self.code].en
        shown = {
            name: WORDS_ZH.get(str(value), value) if language == "zh" else value for name, value in self.data.items()
        }
        finding = self.finding.text(language) if self.finding else ""
        return _printable(fill(template, {**shown, "file": self.file[:MAX_NAME_SHOWN], "finding": finding}))


@dataclass(frozen=True, slots=True)
class AxisReport:
    """The answer on one axis; `run` is False where the question was not asked."""

    axis: Axis
    reasons: tuple[Reason, ...] = ()
    run: bool = True

    @property
    def outcome(self) -> Outcome:
        """One refuting reason refutes; without one, a single preventing reason leaves the axis open."""
        weights = {reason.weight for reason in self.reasons}
        if Weight.REFUTES in weights:
            return Outcome.REFUTED
        if Weight.PREVENTS in weights:
            return Outcome.CANNOT_VERIFY
        return Outcome.VERIFIED if self.run else Outcome.NOT_RUN


@dataclass(frozen=True, slots=True)
class Report:
    """The whole check. `package` is the SHA-256 of the manifest, or empty where there is none."""

    package: str
    axes: tuple[AxisReport, ...]

    @property
    def outcome(self) -> Outcome:
        """What the exit code says. Not an axis: read the axes."""
        outcomes = {axis.outcome for axis in self.axes}
        for outcome in (Outcome.REFUTED, Outcome.CANNOT_VERIFY):
            if outcome in outcomes:
                return outcome
        return Outcome.VERIFIED

    @property
    def exit_code(self) -> int:
        """0 verified, 1 refuted, 2 cannot be verified."""
        return EXIT_CODES[self.outcome]

    def text(self, language: Language = "en") -> str:
        """One line per axis, then the reasons."""
        lines = [f"{'证据包' if language == 'zh' else 'package'} {self.package or '?'}"]
        lines += [_axis_line(axis, language) for axis in self.axes]
        for axis in self.axes:
            lines += [f"[{_axis_name(axis.axis, language)}] {text}" for text in _shown(axis, language)]
        return "\n".join(lines)

    def to_builtins(self) -> dict[str, Any]:
        """The report as plain values, for JSON."""
        return {
            "package": self.package,
            "outcome": self.outcome,
            "exit_code": self.exit_code,
            "axes": {
                axis.axis: {
                    "outcome": axis.outcome,
                    "reasons": [
                        {
                            "code": reason.code,
                            "weight": reason.weight,
                            "file": _printable(reason.file),
                            "en": reason.text("en"),
                            "zh": reason.text("zh"),
                        }
                        for reason in axis.reasons
                    ],
                }
                for axis in self.axes
            },
        }


def _axis_name(axis: Axis, language: Language) -> str:
    return _AXES_ZH[axis] if language == "zh" else axis.value


def _axis_line(axis: AxisReport, language: Language) -> str:
    name = _axis_name(axis.axis, language)
    return f"{name}：{_OUTCOMES_ZH[axis.outcome]}" if language == "zh" else f"{name + ':':<15}{axis.outcome.upper()}"


def _shown(axis: AxisReport, language: Language) -> list[str]:
    """The reasons that decide the axis first, and a count of those that are left out."""
    order = list(Weight)
    reasons = sorted(axis.reasons, key=lambda reason: order.index(reason.weight))
    texts = [_together(alike, language) for alike in alike_together(reasons)]
    rest = len(texts) - MAX_SHOWN
    if rest <= 0:
        return texts
    return [
        *texts[:MAX_SHOWN],
        f"……另有 {rest} 条（见 --json）" if language == "zh" else f"... and {rest} more (see --json)",
    ]


def _together(alike: Sequence[Reason], language: Language) -> str:
    """Reasons of one kind as one: the first, and how many more there are."""
    text, more = alike[0].text(language), len(alike) - 1
    if not more:
        return text
    if language == "zh":
        return f"{text}（另有 {more} 条同类，见 --json）"
    return f"{text} (and {more} more of this kind, see --json)"


def _printable(text: str) -> str:
    """Text that holds names and details from a stranger, without what could rewrite the lines of a terminal."""
    return "".join(character if character.isprintable() else "?" for character in text[:MAX_TEXT_SHOWN])
