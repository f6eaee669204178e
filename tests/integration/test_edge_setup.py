"""The guide docs/how-to/edge.md is true: its commands end with a running agent whose readings are stored."""

from __future__ import annotations

import re

import pytest

from ingest.database import connect
from tests.integration.edge_setup import DEVICE, PAGE, captured, in_page, plant, story

HEADS = ("NODE", "SOURCE", "POINT", "$")


def frame(text: str) -> list[str]:
    """What does not change from one run to the next: the commands, and the heads of the tables."""
    lines = [" ".join(line.split()) for line in text.splitlines()]
    kept = [line for line in lines if line.startswith(HEADS)]
    return [re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", line) for line in kept]


@pytest.mark.slow
def test_the_guide_leads_from_nothing_to_a_running_agent(database, tmp_path):
    with plant(tmp_path) as opcua:
        said = story(database, opcua, tmp_path)
    all_points = re.search(r"(\d+) of \1 points can be used; 1 of 1 ways are open", said["check-config"])
    assert all_points
    assert f"{DEVICE}: running" in said["status"]
    with connect(database) as conn:
        keys_in_use = conn.execute("SELECT count(*) FROM telemetry.device_key WHERE valid_to IS NULL").fetchone()
        assert keys_in_use == (1,)  # of two: the guide changes the key
        assert conn.execute("SELECT count(*) FROM telemetry.quarantine").fetchone() == (0,)
        stored = conn.execute("SELECT count(DISTINCT point_id) FROM telemetry.reading").fetchone()
        assert stored == (int(all_points[1]),)
    shown = captured(PAGE.read_text(encoding="utf-8"))
    assert shown.keys() == said.keys()
    for name, text in shown.items():
        assert frame(text) == frame(said[name]), f"{name}: record it anew with python -m tests.integration.edge_setup"


def test_captures_are_put_where_the_page_wants_them():
    page = "a\n<!-- capture: one -->\n```text\nold\n```\nb\n"
    assert in_page(page, {"one": "new\n"}) == "a\n<!-- capture: one -->\n```text\nnew\n```\nb\n"
    assert captured(page) == {"one": "old\n"}
    with pytest.raises(KeyError):
        in_page(page, {})
