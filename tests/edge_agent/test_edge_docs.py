"""The examples of the how-to pages are configurations that the agent takes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from edge_agent.config import load
from verification import keys

DOCS = Path(__file__).parents[2] / "docs"
PAGES = ("how-to/edge-sources.md", "explanation/edge-delivery.md")
EXAMPLES = [
    pytest.param(example, id=f"{page} {number}")
    for page in PAGES
    for number, example in enumerate(
        re.findall(r"^```yaml\n(.*?)^```", (DOCS / page).read_text("utf-8"), re.MULTILINE | re.DOTALL)
    )
]


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_can_be_used_as_it_stands(tmp_path, example):
    keys.generate(tmp_path / "edge.key")
    (tmp_path / "drop").mkdir()
    for name in re.findall(r"_file: (\S+)", example):
        (tmp_path / name).write_text("secret\n")
        (tmp_path / name).chmod(0o600)
    point = {"topic": "t", "unit": "kW", "kind": "gauge"}
    whole = {
        "device": "plant-7",
        "signing_key": "edge.key",
        "ingest_key": "ed25519:" + "00" * 31 + "01",
        "uplink": {"mqtt": "mqtt://plant-7@127.0.0.1"},
        "sources": {"line": {"mqtt": "mqtt://127.0.0.1", "points": {"p": point}}},
    }
    (tmp_path / "edge.yaml").write_text(yaml.safe_dump(whole | yaml.safe_load(example), allow_unicode=True))
    load(tmp_path / "edge.yaml")
