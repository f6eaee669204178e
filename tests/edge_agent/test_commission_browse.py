"""`edge browse` and `edge init` against asyncua's server, with everything that is odd in an address space."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import yaml
from click.testing import CliRunner

from deploy.local.state import free_port
from edge_agent import config
from edge_agent.cli import edge
from edge_agent.commission import draft
from edge_agent.commission.browse import Variable
from edge_agent.commission.engineering_units import CEFACT_URI, COMMON_CODES, NO_UNIT, unit_of
from edge_agent.commission.pick import chosen, guess, picks
from edge_agent.config.opcua import OpcUaSourceConfig
from tests.edge_agent.odd_server import serving, unit_id
from tests.support.peers import Peer
from verification import keys
from verification.errors import ConfigError
from verification.units import check_unit


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving() as address:
        yield address


def run(*words: object, code: int = 0, answers: str | None = None) -> str:
    done = CliRunner().invoke(edge, [str(word) for word in words], input=answers)
    assert done.exit_code == code, done.output
    return done.output


LINE = ("energy", "recipe", "running", "secret", "steam", "zones", "exported", "unset", "broken", "nothing")


def seen(url: str, *words: str) -> dict[str, dict]:
    lines = run("browse", url, "--json", *words).splitlines()
    return {one["node"]: one for one in map(json.loads, lines)}


def test_every_variable_is_shown_once_whatever_circles_lead_to_it(url):
    found = seen(url)
    assert sorted(found) == [
        "ns=2;s=Cabinet.energy",
        *sorted(f"ns=2;s=Line1.{name}" for name in LINE),
    ]


def test_a_variable_is_shown_with_unit_type_value_history_and_access(url):
    one = seen(url)["ns=2;s=Line1.energy"]
    assert one == {
        "node": "ns=2;s=Line1.energy",
        "path": "Line1/energy",
        "unit": {"ours": "kWh", "shown": "kW·h"},
        "type": "Double",
        "value": "12.5",
        "historizing": False,
        "readable": True,
        "writable": False,
        "trouble": "",
    }
    assert seen(url)["ns=2;s=Line1.steam"]["unit"] == {"ours": "", "shown": "steams"}


def test_what_cannot_be_a_point_says_why(url):
    trouble = {node.removeprefix("ns=2;s="): one["trouble"] for node, one in seen(url).items()}
    assert trouble["Line1.recipe"] == "not a number: String"
    assert trouble["Line1.zones"].startswith("an array")
    assert trouble["Line1.secret"].startswith("may not be read")


def test_search_wants_every_word_in_path_node_or_unit(url):
    assert list(seen(url, "--search", "LINE1 kwh")) == ["ns=2;s=Line1.energy"]
    assert sorted(seen(url, "--search", "energy")) == ["ns=2;s=Cabinet.energy", "ns=2;s=Line1.energy"]
    assert f"0 of {len(LINE) + 1} variables" in run("browse", url, "--search", "nothing like it")


def test_a_walk_that_is_cut_short_says_so(url):
    shown = run("browse", url, "--most", 3)
    assert "NOTE: stopped after 3 nodes" in shown
    assert "NOTE" not in run("browse", url)


def test_a_table_for_people_has_a_line_for_each(url):
    (line,) = [line for line in run("browse", url).splitlines() if "Line1/energy" in line]
    assert line.split() == ["ns=2;s=Line1.energy", "Line1/energy", "kWh", "Double", "12.5", "no", "r", "-"]


def test_a_server_that_does_not_answer_is_an_error_in_plain_words():
    nobody = f"opc.tcp://127.0.0.1:{free_port()}"
    assert "Does the server run, is the address right" in run("browse", nobody, code=64)
    assert "write opc.tcp://host:4840/path" in run("browse", "127.0.0.1:4840", code=64)


@pytest.fixture
def box(tmp_path, monkeypatch):
    """The folder of an edge box, with a key."""
    keys.generate(tmp_path / "edge.key")
    monkeypatch.chdir(tmp_path)
    return tmp_path


KNOWN = ("--device", "box-1", "--ingest-key", "ed25519:" + "00" * 31 + "01", "--uplink", "https://ingest.example")


def test_init_writes_a_file_that_can_be_used_at_once(url, box):
    said = run("init", url, *KNOWN, "--pick", "ns=2;s=Line1.energy", "--pick", "ns=2;s=Line1.running")
    assert "edge.yaml: 2 points" in said
    assert "Not usable yet" not in said
    found = config.load(box / "edge.yaml")
    assert [(one.name, one.address, one.unit, one.kind) for one in found.points] == [
        ("energy", "ns=2;s=Line1.energy", "kWh", "counter"),
        ("running", "ns=2;s=Line1.running", "1", "state"),
    ]
    text = (box / "edge.yaml").read_text()
    assert "# Line1/energy: Double, 12.5 when this was written; no history" in text
    assert "kind: counter  # guessed: counter, interval_total, gauge or state" in text


def test_init_takes_all_that_is_found_and_can_be_a_point(url, box):
    run("init", url, *KNOWN, "--search", "energy", "--all")
    points = yaml.safe_load((box / "edge.yaml").read_text())["sources"]["line"]["points"]
    assert sorted(point["node"] for point in points.values()) == ["ns=2;s=Cabinet.energy", "ns=2;s=Line1.energy"]
    assert len(points) == 2


def test_init_asks_for_what_it_does_not_know(url, box):
    listed = [line for line in run("browse", url).splitlines() if line.endswith(" -")]
    place = next(number for number, line in enumerate(listed, start=1) if "Line1.steam" in line)
    answers = f"nonsense\n{place}\nsteam_mass\nsteams\nt\ncounter\nM-7\n"
    said = run("init", url, *KNOWN, answers=answers)
    assert "'nonsense' is no number" in said
    assert "'steams' is not a known unit" in said
    (point,) = config.load(box / "edge.yaml").points
    assert (point.name, point.unit, point.kind, point.meter) == ("steam_mass", "t", "counter", "M-7")


def test_init_says_what_is_left_to_do(url, box):
    said = run("init", url, "--pick", "ns=2;s=Line1.steam")
    assert said.count("still to do:") == 4
    assert "Not usable yet" in said
    assert "unit: \"\"  # LOOK: not told by the server, which shows 'steams'" in (box / "edge.yaml").read_text()


def test_init_overwrites_nothing_and_takes_only_what_is_there(url, box):
    assert "shows no variable ns=2;s=none" in run("init", url, "--pick", "ns=2;s=none", code=64)
    assert not (box / "edge.yaml").exists()
    (box / "edge.yaml").write_text("mine")
    assert "is there already" in run("init", url, "--pick", "ns=2;s=Line1.energy", code=64)
    assert (box / "edge.yaml").read_text() == "mine"


def variable(path: str, **changes: object) -> Variable:
    usual = {"node": "i=1", "path": path, "unit": NO_UNIT, "type": "Double", "value": "", "trouble": ""}
    access = {"historizing": True, "readable": True, "writable": False}
    return Variable(**(usual | access | changes))


def test_a_servers_text_cannot_leave_its_comment(box):
    odd = variable("x\ny: z\x00", node="ns=2;s=a\nb", unit=unit_of("", 0, "u\n: v"), value="1\n2")
    draft.write(
        draft.Draft("line", OpcUaSourceConfig(opcua="opc.tcp://h:1", points={}), picks([odd]), "box-1"),
        box / "edge.yaml",
    )
    read = yaml.safe_load((box / "edge.yaml").read_text())
    assert next(iter(read["sources"]["line"]["points"].values()))["node"] == "ns=2;s=a\nb"


def test_names_are_unique_and_allowed():
    paths = ["A/energy", "B/energy", "B/energy", "锅炉/能耗", "1/2", "x y/z!"]
    variables = [variable(path) for path in paths]
    assert [one.name for one in picks(variables)] == ["energy", "B.energy", "point_1", "point_2", "point_3", "z"]


@pytest.mark.parametrize(
    ("unit", "kind"),
    [
        ("kWh", "counter"),
        ("t", "counter"),
        ("m3", "counter"),
        ("kW", "gauge"),
        ("%", "gauge"),
        ("1", "gauge"),
        ("", "gauge"),
    ],
)
def test_the_kind_is_guessed_from_the_unit_and_a_share_is_nothing_that_counts_up(unit, kind):
    assert guess(variable("a", unit=NO_UNIT._replace(ours=unit)), "a").kind == kind


@pytest.mark.parametrize(
    ("answer", "places"), [("1", [0]), ("1,3-4", [0, 2, 3]), ("2 2", [1]), ("all", [0, 1, 2, 3]), ("ALL", [0, 1, 2, 3])]
)
def test_places_are_chosen_as_people_write_them(answer, places):
    assert chosen(answer, 4) == places


@pytest.mark.parametrize("answer", ["", "0", "5", "3-2", "1-5", "a", "-1"])
def test_places_that_are_not_there_are_asked_again(answer):
    with pytest.raises(ConfigError):
        chosen(answer, 4)


@pytest.mark.parametrize("code", COMMON_CODES)
def test_every_common_code_is_a_unit_of_ours(code):
    check_unit(unit_of(CEFACT_URI, unit_id(code), "").ours)


@pytest.mark.parametrize(
    ("display", "ours"),
    [
        ("kW·h", "kWh"),
        ("°C", "degC"),
        ("m³/h", "m3/h"),
        ("mg/m³", "mg/m3"),
        ("pcs", "piece"),
        ("%", "%"),
        ("", ""),
        ("烟", ""),
    ],
)
def test_a_display_name_is_read_where_there_is_no_code(display, ours):
    assert unit_of("", -1, display).ours == ours


def test_node_opcua_is_walked_page_by_page(tmp_path):
    """A server that is not ours, with more nodes in one folder than it gives in one answer."""
    port = free_port()
    peer = Peer("opcua_server.js", {"port": port, "pki": str(tmp_path / "pki")}, tmp_path / "peer.log").start()
    try:
        peer.tell(
            add=[
                {"name": "oven", "type": "Double", "value": 21.5, "range": [0, 100]},
                {"name": "label", "type": "String", "value": "A"},
                {"name": "stored", "type": "Double", "value": 1, "history": 100},
            ],
            tick={"count": 1_200, "interval_ms": 60_000},
        )
        found = seen(f"opc.tcp://127.0.0.1:{port}/test")
        assert found["ns=1;s=oven"]["unit"]["ours"] == "degC"
        assert found["ns=1;s=oven"]["value"] == "21.5"
        assert found["ns=1;s=stored"]["historizing"]
        assert found["ns=1;s=label"]["trouble"] == "not a number: String"
        assert {f"ns=1;s=t{number}" for number in range(1_200)} <= found.keys()
    finally:
        peer.kill()
