"""What a person writes is read strictly, and an error names the file, the line and the mend."""

from __future__ import annotations

import importlib.util
import sys

import msgspec
import pytest
import yaml

from verification import yamlfile
from verification.errors import ConfigError


class Item(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    name: str
    count: int = 1


class Document(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    points: list[Item]
    meters: dict[str, Item] = {}


def error_of(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        yamlfile.parse_yaml(text, Document, name="plan.yaml")
    return str(caught.value)


def test_a_right_file_is_read():
    text = "points:\n  - name: a\nmeters:\n  M-1: {name: b, count: 2}\n"
    assert yamlfile.parse_yaml(text, Document, name="x") == Document([Item("a")], {"M-1": Item("b", 2)})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("points:\n- name: a\n  coumt: 3\n", "plan.yaml:3: unknown key 'coumt'; did you mean 'count'?"),
        ("point: []\n", "plan.yaml:1: unknown key 'point'; did you mean 'points'?"),
        (
            "points: []\nmeters:\n  M-1:\n    name: a\n    cuont: 2\n",
            "plan.yaml:5: unknown key 'cuont'; did you mean 'count'?",
        ),
        ("points: []\nxyzzy: 1\n", "plan.yaml:2: unknown key 'xyzzy'"),
        ("points:\n- name: 3\n", "plan.yaml:2: Expected text, got a whole number (at points.0.name)"),
        ("points:\n- count: 3\n", "plan.yaml:2: Object missing required field `name` (at points.0)"),
        (
            "points: []\nmeters:\n  M-1: {name: a}\n  M-2: {name: 3}\n  M-3: {name: 4}\n",
            "plan.yaml:4: Expected text, got a whole number (at meters.M-2.name)",
        ),
        (
            "points: []\nmeters:\n  M-1: {name: a}\n  M-2: {count: 3}\n",
            "plan.yaml:4: Object missing required field `name` (at meters.M-2)",
        ),
        ("points: []\npoints: []\n", "plan.yaml:2: key 'points' appears twice; keep one"),
    ],
)
def test_a_wrong_key_or_value_is_named_with_its_line(text, expected):
    assert error_of(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "a: b: c\n",
        "points: [",
        "\t- x",
        "!!python/object/apply:os.system [id]",
        "",
        "&a [*a]",
        "? [a]\n: b\n",
        "points: 2026-13-45",
    ],
)
def test_what_is_not_usable_yaml_is_an_error_and_never_a_traceback(text):
    assert error_of(text).startswith("plan.yaml")


def test_nesting_without_end_is_refused():
    assert error_of("[" * 50_000).startswith("plan.yaml")


def test_a_file_may_have_exactly_the_bound_in_bytes(tmp_path):
    path = tmp_path / "plan.yaml"
    text = "points: []\n"
    path.write_text(text + "#" * (yamlfile.MAX_FILE_BYTES - len(text)), encoding="utf-8")
    assert yamlfile.load_yaml(path, Document) == Document([])
    path.write_text(text + "#" * (yamlfile.MAX_FILE_BYTES - len(text) + 1), encoding="utf-8")
    with pytest.raises(ConfigError, match="at most"):
        yamlfile.load_yaml(path, Document)


def test_a_missing_file_and_a_file_that_is_not_utf8_are_named(tmp_path):
    with pytest.raises(ConfigError, match=r"no-such\.yaml: cannot be read"):
        yamlfile.load_yaml(tmp_path / "no-such.yaml", Document)
    path = tmp_path / "gbk.yaml"
    path.write_bytes("points: []\n# 铝\n".encode("gbk"))
    with pytest.raises(ConfigError, match=r"gbk\.yaml:2: is not UTF-8 text; save it as UTF-8"):
        yamlfile.load_yaml(path, Document)


def test_a_pyyaml_that_was_built_without_libyaml_reads_the_same(monkeypatch):
    monkeypatch.delattr(yaml, "CSafeLoader")
    spec = importlib.util.spec_from_file_location("yamlfile_without_libyaml", yamlfile.__file__)
    slower = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, slower)
    spec.loader.exec_module(slower)
    assert slower.SAFE_LOADER is not yamlfile.SAFE_LOADER
    text = "a: [1, 2.5, 'x']\nb:\n  c: yes\n  d: 2026-03-01\n  e: &one {f: 改造}\n  g: *one\n"
    quick, slow = (module.read_document(text, name="x") for module in (yamlfile, slower))
    assert (quick.data, quick.lines) == (slow.data, slow.lines)
    for module in (yamlfile, slower):
        with pytest.raises(ConfigError, match=r"^x:2: not valid YAML"):
            module.read_document("a: 1\nb: 2026-02-30\n", name="x")
