"""docs/explanation/methods.md names the test that holds each equation; each named test is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    *sorted((ROOT / "docs" / "explanation").glob("*.md")),
    *(ROOT / "docs" / "reference" / name for name in ("result.md", "selftest.md")),
]
NAMED = re.compile(r"`(?:(?P<file>[\w/]+\.py)(?:::))?(?P<test>test_\w+)`|`(?P<module>[\w/]*test_\w+\.py)`")


def written_tests() -> dict[str, set[str]]:
    """The test functions of every test file, by the file's name."""
    found: dict[str, set[str]] = {}
    for path in (ROOT / "tests").rglob("test_*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
        found.setdefault(path.name, set()).update(names)
    return found


def missing(text: str, tests: dict[str, set[str]]) -> list[str]:
    """What `text` names and nobody wrote."""
    everywhere = set().union(*tests.values())
    lost = []
    for match in NAMED.finditer(text):
        file, test, module = match["file"], match["test"], match["module"]
        if module and module.rsplit("/", 1)[-1] not in tests:
            lost.append(module)
        if test and test not in (tests.get(file.rsplit("/", 1)[-1], set()) if file else everywhere):
            lost.append(match[0])
    return lost


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_test_that_a_page_names_exists(page: Path):
    assert missing(page.read_text(encoding="utf-8"), written_tests()) == []


def test_a_test_that_is_not_there_is_noticed():
    tests = {"test_one.py": {"test_a"}}
    text = "`test_a`, `test_b`, `test_one.py::test_b`, `test_two.py`, `test_one.py`, `test_one.py::test_a`"
    assert missing(text, tests) == ["`test_b`", "`test_one.py::test_b`", "test_two.py"]
