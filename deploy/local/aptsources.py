"""Reads which Debian archive this machine is set up to use, from /etc/apt/sources.list and sources.list.d.

Knows both the one-line and the deb822 form. Third-party archives (whose signatures are not Debian's), media and
disabled entries are passed over. No host name is written anywhere in this project.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# Suites of the Debian archive that a supported machine, or one tracking a release, names.
DEBIAN_SUITES = frozenset(
    {
        "bullseye",
        "bookworm",
        "trixie",
        "forky",
        "sid",
        "oldoldstable",
        "oldstable",
        "stable",
        "testing",
        "unstable",
    }
)
ONE_LINE = re.compile(r"deb\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s+(?P<components>.+)")


@dataclass(frozen=True)
class AptSource:
    """One archive entry: where, which suites and components, and the key file if the entry names one."""

    uri: str
    suites: tuple[str, ...]
    components: tuple[str, ...]
    signed_by: str

    @property
    def is_debian(self) -> bool:
        """Whether this is the main archive of Debian itself, as far as the entry tells; the signature decides."""
        own_key = not self.signed_by or "debian-archive" in self.signed_by
        fetched = not self.uri.startswith(("cdrom:", "file:", "copy:"))
        return own_key and fetched and "main" in self.components and bool(DEBIAN_SUITES.intersection(self.suites))


def debian_uris(etc_apt: Path) -> list[str]:
    """The URIs of the Debian archives that the machine uses, each once, in the machine's order."""
    files = [etc_apt / "sources.list", *sorted((etc_apt / "sources.list.d").glob("*"))]
    uris: list[str] = []
    for path in files:
        if path.suffix not in {".list", ".sources"} or not path.is_file():
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        sources = _deb822(text) if path.suffix == ".sources" else _one_line(text)
        uris += [source.uri for source in sources if source.is_debian and source.uri not in uris]
    return uris


def _one_line(text: str) -> Iterator[AptSource]:
    """Entries such as `deb [signed-by=/key.gpg] URI SUITE COMPONENT...`."""
    for line in text.splitlines():
        match = ONE_LINE.fullmatch(line.partition("#")[0].strip())
        if match:
            options = dict(part.partition("=")[::2] for part in (match["options"] or "").split())
            components = tuple(match["components"].split())
            yield AptSource(match["uri"], (match["suite"],), components, options.get("signed-by", ""))


def _deb822(text: str) -> Iterator[AptSource]:
    """Stanzas of `Field: value` lines, divided by empty lines; a line that begins with a space goes on with a field."""
    for stanza in re.split(r"\n\s*\n", text):
        fields: dict[str, str] = {}
        name = ""
        for line in stanza.splitlines():
            if line.startswith("#") or not line.strip():
                continue
            if line[0].isspace():
                fields[name] = f"{fields.get(name, '')} {line.strip()}"
                continue
            name, _, value = line.partition(":")
            name = name.strip().lower()
            fields[name] = value.strip()
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() == "no":
            continue
        suites, components = (
            tuple(fields.get("suites", "").split()),
            tuple(fields.get("components", "").split()),
        )
        for uri in fields.get("uris", "").split():
            yield AptSource(uri, suites, components, fields.get("signed-by", ""))
