"""What the demonstration says of a run."""

from __future__ import annotations

from deploy.story import finding_lines


def finding(code: str, text: str, resolve: str, severity: str = "warning") -> dict[str, object]:
    return {"code": code, "severity": severity, "text": {"en": text}, "resolve": {"en": resolve}}


def test_findings_of_one_kind_are_one_line_with_a_count_and_others_stay_apart():
    found = [
        finding("GAP", "a has a gap", "Fill it."),
        finding("NOTE", "a note", "", severity="info"),
        *(finding("GAP", f"{name} has a gap", "Fill it.") for name in "bcd"),
        finding("GAP", "e has a gap", "Leave it."),
    ]
    assert list(finding_lines(found)) == [
        "warning GAP: a has a gap (and 3 more of this kind 另有 3 项同类发现)",
        "info    NOTE: a note",
        "warning GAP: e has a gap",
    ]
    assert list(finding_lines([])) == []
