"""Reads a YAML file that a person wrote into a typed structure, or says what is wrong and on which line.

Strict on purpose: an unknown key is an error that suggests the right one, a duplicate key is an error (YAML readers
commonly keep the last one in silence), and no value is converted from another type.
"""

from __future__ import annotations

import copy
import dataclasses
import difflib
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml

from verification.errors import ConfigError
from verification.shapes import ready
from verification.yamlwords import Place, in_words

T = TypeVar("T")
Position = dict[Place, int]

MAX_PLACES = 100_000  # keys and items: a few anchors can stand for more of them than a file could hold
ANY_KEY = "..."  # stands for every key of a mapping in msgspec's paths
NUMBER_TAGS = frozenset({"tag:yaml.org,2002:int", "tag:yaml.org,2002:float"})
DECIMAL = re.compile(
    r"[-+]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?\.inf|\.nan", re.IGNORECASE
)
# libyaml's reads five times as fast; PyYAML has it in all its wheels, and not where it was built without that library.
SAFE_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
MAX_FILE_BYTES = 1 << 20  # a plan or a configuration is a page or two; more is a mistake or an attack


def load_yaml(path: Path, kind: type[T], *, prepare: Callable[[Any], Any] = lambda data: data) -> T:
    """Read `path` as `kind` (a msgspec Struct). Raises ConfigError naming the file, the line and the mend.

    `prepare` may add to the raw data what the reader of `kind` needs and no person should have to write.
    """
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise ConfigError(f"{path}: {size} bytes; a file of this kind has at most {MAX_FILE_BYTES}")
        data = path.read_bytes()
    except OSError as err:
        raise ConfigError(f"{path}: cannot be read: {err.strerror or err}") from err
    return parse_yaml(utf8(data, name=str(path)), kind, name=str(path), prepare=prepare)


def utf8(data: bytes, *, name: str) -> str:
    """The text of a file that a person wrote. Raises ConfigError with the line where it is none, and how to save it."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as err:
        line = data.count(b"\n", 0, err.start) + 1
        raise ConfigError(
            f"{name}:{line}: is not UTF-8 text; save it as UTF-8 (请另存为 UTF-8), or, where it is GBK: "
            f"iconv -f GB18030 -t UTF-8 {name} > utf8-{Path(name).name}"
        ) from err


@dataclasses.dataclass(frozen=True)
class Document:
    """A YAML file that was read but not yet matched: plain values, and the line of each of them."""

    name: str
    data: Any
    lines: Position

    def convert(self, kind: type[T], *, prepare: Callable[[Any], Any] = lambda data: data) -> T:
        """The values as `kind`. Raises ConfigError."""
        data = self.data
        try:
            data = prepare(data)
            return msgspec.convert(data, ready(kind), strict=True)
        except msgspec.ValidationError as err:
            culprit = _culprit(data, kind, str(err), self.lines)
            raise ConfigError(_explain(str(err), culprit, self.line(culprit), kind, self.name)) from err
        except ConfigError as err:
            raise ConfigError(f"{self.name}: {err}") from err

    def line(self, place: Place) -> int:
        """The line of what stands at `place`, or of the nearest thing above it that is there."""
        return next((self.lines[place[:n]] for n in range(len(place), -1, -1) if place[:n] in self.lines), 1)


def parse_yaml(text: str, kind: type[T], *, name: str, prepare: Callable[[Any], Any] = lambda data: data) -> T:
    """Parse YAML `text` as `kind`; `name` stands for the file in messages. Raises ConfigError."""
    return read_document(text, name=name).convert(kind, prepare=prepare)


def read_document(text: str, *, name: str) -> Document:
    """Parse YAML `text` without asking for a shape. Raises ConfigError."""
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        lines: Position = {}
        _walk(node, (), lines, name)
        data = None if node is None else loader.construct_document(node)
    except yaml.reader.ReaderError as err:
        line = text.count("\n", 0, err.position) + 1
        raise ConfigError(f"{name}:{line}: not valid YAML: {err.reason}") from err
    except yaml.YAMLError as err:
        mark = getattr(err, "problem_mark", None)
        where = f":{mark.line + 1}" if mark else ""
        raise ConfigError(f"{name}{where}: not valid YAML: {getattr(err, 'problem', err)}") from err
    except RecursionError as err:
        raise ConfigError(f"{name}: not usable YAML: nested too deeply") from err
    return Document(name, data, lines)


class _Loader(SAFE_LOADER):  # type: ignore[misc, valid-type] # chosen by what PyYAML was built with
    """A loader of plain values that says where a value cannot be (30 February), or is a number to YAML 1.1 alone: 010
    would be 8, 0x10 16, 16:00 960 and 1_0 10.
    """

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: ANN401, FBT001, FBT002 - yaml's signature
        """The value of a node. Raises YAMLError with its line."""
        if node.tag in NUMBER_TAGS and isinstance(node.value, str) and not DECIMAL.fullmatch(node.value):
            problem = f"{node.value} is not a plain decimal number; write it as one, or in quotes where it is text"
            raise yaml.constructor.ConstructorError(problem=problem, problem_mark=node.start_mark)
        try:
            return super().construct_object(node, deep)
        except (ValueError, OverflowError) as err:
            raise yaml.constructor.ConstructorError(problem=str(err), problem_mark=node.start_mark) from err


def _walk(node: yaml.Node | None, path: Place, lines: Position, name: str) -> None:
    """Record the line (1-based) of every key and item; refuse duplicate keys."""
    if node is None:
        return
    lines.setdefault(path, node.start_mark.line + 1)
    if len(lines) > MAX_PLACES:
        raise ConfigError(f"{name}: more than {MAX_PLACES} values; anchors repeat themselves without end")
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise ConfigError(f"{name}:{line}: a key must be a word, not a list or a mapping")
            if key.value in seen:
                raise ConfigError(f"{name}:{line}: key {key.value!r} appears twice; keep one")
            seen.add(key.value)
            lines[(*path, key.value)] = line
            _walk(value, (*path, key.value), lines, name)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            _walk(value, (*path, index), lines, name)


def _explain(message: str, culprit: Place, line: int, kind: type, name: str) -> str:
    """Turn msgspec's message (it ends in ` - at `$.a[0].b``) into one with the line and, for a typo, a suggestion."""
    text = message.partition(" - at ")[0]
    unknown = re.search(r"unknown field `(.*)`", text)
    if unknown:
        known_fields = [field for field in _known_fields(kind) if field != unknown.group(1)]
        near = difflib.get_close_matches(unknown.group(1), known_fields, n=1, cutoff=0.6)
        text = f"unknown key {unknown.group(1)!r}" + (f"; did you mean {near[0]!r}?" if near else "")
    else:
        text = in_words(text, kind, culprit)
    shown = ".".join(str(part) for part in culprit)
    return f"{name}:{line}: {text}" + (f" (at {shown})" if shown and not unknown else "")


def _culprit(data: Any, kind: type, message: str, lines: Position) -> Place:  # noqa: ANN401 - what a YAML file holds
    """The place that `message` is about. Msgspec writes `[...]` for any key of a mapping, so of every place that its
    path fits, the culprit is one that draws the same message with the others gone.
    """
    text, _, where = message.partition(" - at ")
    pattern = _pattern(where.strip("`"))
    if where.startswith("`key` in"):
        pattern = (*pattern, ANY_KEY)
    unknown = re.search(r"unknown field `(.*)`", text)
    if unknown:
        pattern = (*pattern, unknown.group(1))
    fitting = [place for place in lines if len(place) == len(pattern) and all(map(_fits, place, pattern))]
    depth = max((at + 1 for at, step in enumerate(pattern) if step == ANY_KEY), default=0)
    for place in fitting if len(fitting) > 1 else ():
        others = [other[:depth] for other in fitting if other != place]
        try:
            msgspec.convert(_without(data, others), ready(kind), strict=True)
        except msgspec.ValidationError as err:
            if str(err) == message:
                return place
    return fitting[0] if fitting else pattern


def _fits(part: str | int, wanted: str | int) -> bool:
    return wanted in (part, ANY_KEY)


def _without(data: Any, places: list[Place]) -> Any:  # noqa: ANN401 - what a YAML file holds
    """A copy of `data` that lacks what stands at `places`, as far as they are found: YAML also has numbers as keys."""
    changed = copy.deepcopy(data)
    for place in places:
        with suppress(KeyError, IndexError, TypeError):
            part = changed
            for step in place[:-1]:
                part = part[step]
            del part[place[-1]]
    return changed


def _pattern(where: str) -> Place:
    """`$.points[...].sources[0].unit` as ("points", ANY_KEY, "sources", 0, "unit")."""
    return tuple(
        ANY_KEY if index == "..." else int(index) if index else name
        for name, index in re.findall(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]", where)
    )


def _known_fields(kind: type) -> list[str]:
    """The names of every field in `kind` and in the structures below it: the words a typo may have meant."""
    names: list[str] = []
    todo: list[object] = [msgspec.inspect.type_info(kind)]
    seen: set[int] = set()
    while todo:
        info = todo.pop()
        if id(info) in seen:
            continue
        seen.add(id(info))
        if isinstance(info, msgspec.inspect.StructType):
            names += [field.encode_name for field in info.fields]
            todo += [field.type for field in info.fields]
        for attribute in ("item_type", "key_type", "value_type"):
            todo.append(getattr(info, attribute, None))
        todo += list(getattr(info, "types", ()) or ())
    return names
