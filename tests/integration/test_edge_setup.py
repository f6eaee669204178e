"""The guide docs/how-to/edge.md is true: its commands end with a running agent whose readings are stored."""

from __future__ import annotations

import re

import pytest

from ingest.database import connect
from ingest.migrate import migrate
from tests.ingest.test_http import served_by
from tests.integration.edge_setup import DEVICE, PAGE, captured, in_page, plant, story

HEADS = ("NODE", "SOURCE", "POINT", "$")


def frame(text: str) -> list[str]:
    """What does not change from one run to the next: the commands, and the heads of the tables."""
    lines = [" ".join(line.split()) for line in text.splitlines()]
    kept = [line for line in lines if line.startswith(HEADS)]
    return [re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", line) for line in kept]


@pytest.mark.slow
def test_the_guide_leads_from_nothing_to_a_running_agent(database, tmp_path):
    with connect(database) as conn:
        migrate(conn)
    with served_by(database) as ingest, plant(tmp_path) as opcua:
        said = story(database, str(ingest.plants.base_url).rstrip("/"), opcua, tmp_path)
    all_points = re.search(r"(\d+) of \1 points can be used; 1 of 1 ways are open", said["check-config"])
    assert all_points
    assert f"{DEVICE}: running" in said["status"]
    with connect(database) as conn:
        stored = conn.execute(
            "SELECT count(*), min(p.unit) FROM telemetry.reading AS r JOIN telemetry.point AS p ON p.id = r.point_id"
        )
        count, _ = stored.fetchone()
    assert count >= 12
    shown = captured(PAGE.read_text(encoding="utf-8"))
    assert shown.keys() == said.keys()
    for name, text in shown.items():
        assert frame(text) == frame(said[name]), (
            f"record the guide anew: python -m tests.integration.edge_setup ({name})"
        )


def test_captures_are_put_where_the_page_wants_them():
    page = "a\n<!-- capture: one -->\n```text\nold\n```\nb\n"
    assert in_page(page, {"one": "new\n"}) == "a\n<!-- capture: one -->\n```text\nnew\n```\nb\n"
    assert captured(page) == {"one": "old\n"}
    with pytest.raises(KeyError):
        in_page(page, {})
