"""What msgspec says of a wrong value, in the words of a person who writes YAML: what may stand there, by example.

Owns wording only; where the value stands in the file is told by `yamlfile.py`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator

import msgspec

from verification.fields import PATTERN_WORDS

Place = tuple[str | int, ...]  # ("sources", "potline", "points", 0): the keys and indices on the way to a value

KINDS = {
    "object": "keys with values",
    "array": "a list",
    "str": "text",
    "float": "a number",
    "int": "a whole number",
    "bool": "true or false",
    "null": "nothing",
    "date": "a date",
}


def in_words(message: str, kind: type, place: Place) -> str:
    """The message about what stands at `place` in a structure of `kind`."""
    if wrong := re.fullmatch(r"Invalid enum value '?(.*?)'?", message):
        allowed = list(_allowed(kind, place))
        near = difflib.get_close_matches(wrong[1].lower(), allowed, n=1)
        return f"{wrong[1]!r} is not one of {', '.join(allowed)}" + (f"; did you mean {near[0]!r}?" if near else "")
    if pattern := re.fullmatch(r"Expected `str` matching regex '(.*)'", message):
        regex = pattern[1].replace("\\\\", "\\")
        return f"must be {PATTERN_WORDS.get(regex, f'of the form {regex}')}"
    if message == "Invalid RFC3339 encoded date":
        return "is not a date; write it as 2026-03-01"
    if message == "Expected `object`, got `null`":
        return "there is nothing here; write the keys that belong here"
    if message.startswith("Expected `float`, got `str`"):
        message += "; write a number as 2500, 0.25 or 2.5e+3, without quotes"  # YAML 1.1 takes 2.5e3 for a word
    return re.sub(r"`(\w+)`", lambda match: KINDS.get(match[1], match[0]), message)


def _allowed(kind: type, place: Place) -> Iterator[str]:
    """The values among which the one at `place` has to be."""
    infos = list(_parts([msgspec.inspect.type_info(kind)]))
    for step in place:
        infos = list(_parts(_below(infos, step)))
    for info in infos:
        if isinstance(info, msgspec.inspect.LiteralType):
            yield from map(str, info.values)
        elif isinstance(info, msgspec.inspect.EnumType):
            yield from (str(member.value) for member in info.cls)


def _below(infos: Iterable[msgspec.inspect.Type], step: str | int) -> Iterator[msgspec.inspect.Type]:
    """The types of what stands under the key or index `step`."""
    for info in infos:
        if isinstance(info, msgspec.inspect.StructType):
            yield from (field.type for field in info.fields if field.encode_name == step)
        elif isinstance(info, msgspec.inspect.DictType):
            yield info.value_type
        elif isinstance(info, msgspec.inspect.CollectionType):
            yield info.item_type


def _parts(infos: Iterable[msgspec.inspect.Type]) -> Iterator[msgspec.inspect.Type]:
    """The single types behind unions and annotations."""
    for info in infos:
        if isinstance(info, msgspec.inspect.UnionType):
            yield from _parts(info.types)
        elif isinstance(info, msgspec.inspect.Metadata):
            yield from _parts([info.type])
        else:
            yield info
