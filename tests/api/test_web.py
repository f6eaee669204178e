"""The pages: both languages, every state, figures as the result has them, and nothing from outside."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from api.tokens import Role
from api.web import texts
from api.web.numbers import moment, zone_of
from api.web.texts import choose
from tests.api.conftest import Served, file_plan, new_project
from tests.api.plant import PROJECT, MeteredLine, two_measures_text
from verification.engine.result import parse_result
from verification.report.numbers import MINUS, THIN_SPACE, number

PAGE = f"/projects/{PROJECT}"
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def drawings(page: str) -> list[ET.Element]:
    """Every drawing on a page, which must be well-formed."""
    return [ET.fromstring(text) for text in re.findall(r"<svg xmlns.*?</svg>", page, re.DOTALL)]  # noqa: S314 - our own page


@pytest.mark.parametrize("language", texts.LANGUAGES)
def test_a_judged_project_shows_verdict_change_interval_findings_and_evidence(
    served: Served, judged: dict[str, Any], language: texts.Language
) -> None:
    with served.as_role(Role.AUDITOR) as client:
        page = client.get(PAGE, params={"lang": language}).text
    assert judged["verdict"]["text"][language] in page
    assert number(judged["delta"]["value"]) in page
    assert f"± {number(judged['delta']['expanded_uncertainty'])}" in page
    for finding in judged["findings"]:
        assert finding["text"][language].split("<")[0][:40].replace("'", "&#39;") in page
    for expected in (
        judged["plan_sha256"],
        judged["manifest_sha256"],
        "retroproof check",
        "M-AC-01",
        "package.zip",
    ):
        assert expected in page


def test_the_chart_has_a_mark_for_every_day_that_was_used(served: Served, judged: dict[str, Any]) -> None:
    with served.as_role(Role.AUDITOR) as client:
        page = client.get(PAGE).text
        result = parse_result(client.get(f"/api/v1/projects/{PROJECT}/runs/{judged['number']}/result").content)
    [measure] = result.measures
    charts = [drawing for drawing in drawings(page) if "-series-" in drawing.get("id", "")]
    assert len(charts) == 2
    svg = "{http://www.w3.org/2000/svg}"
    for chart in charts:
        before = chart.findall(f".//{svg}g[@class='points baseline']/{svg}circle")
        after = chart.findall(f".//{svg}g[@class='points reporting']/{svg}path")
        assert (len(before), len(after)) == (measure.baseline.used, measure.reporting.used)
        width = float(chart.get("viewBox", "").split()[2])
        assert all(0 < float(circle.get("cx", "")) < width for circle in before)


def test_a_plan_of_several_measures_shows_each_with_its_own_verdict_and_the_weakest_as_the_whole(
    served: Served, line: MeteredLine
) -> None:
    with served.as_role(Role.ENTERPRISE) as client:
        client.post("/api/v1/projects", json=new_project()).raise_for_status()
        assert file_plan(client, two_measures_text(line.timeline)).status_code == 201
        locked = client.get(PAGE).text
    assert locked.count("Plan locked, not yet verified") == 1 + 2 + 2
    line.deliver_the_rest()
    with served.as_role(Role.EXPERT) as client:
        run = client.post(f"/api/v1/projects/{PROJECT}/runs").json()
        page, overview = client.get(PAGE).text, client.get("/").text
    assert run["verdict"]["state"] == "inconclusive"
    assert {one["name"]: one["verdict"]["state"] for one in run["measures"]} == {
        "energy": "met",
        "strict": "inconclusive",
    }
    assert run["measures"][1]["verdict"]["reasons"][0]["resolve"]["en"]
    assert run["measures"][0]["claim"]["assessment"] == "consistent"
    assert [one["target"]["at_most"] for one in run["measures"]] == ["-200.0000", "-270.0000"]
    verdicts = re.sub(
        r'<table class="panel">.*?</table>', "", page, flags=re.DOTALL
    )  # the panel's models have their own
    assert verdicts.count("Target met") == 1 + 1
    assert len({drawing.get("id") for drawing in drawings(page)}) == len(drawings(page))
    for target in ("−200", "−270"):
        assert target in page
        assert target in overview


def test_both_models_of_a_normalised_change_are_on_the_page(served: Served, line: MeteredLine) -> None:
    plan = two_measures_text(line.timeline).replace("    target:", "    method: normalised\n    target:", 1)
    with served.as_role(Role.ENTERPRISE) as client:
        client.post("/api/v1/projects", json=new_project()).raise_for_status()
        assert file_plan(client, plan).status_code == 201
    line.deliver_the_rest()
    with served.as_role(Role.EXPERT) as client:
        run = client.post(f"/api/v1/projects/{PROJECT}/runs").json()
        result = parse_result(client.get(f"/api/v1/projects/{PROJECT}/runs/{run['number']}/result").content)
        english, chinese = (client.get(PAGE, params={"lang": language}).text for language in texts.LANGUAGES)
    both, [single] = (measure.models for measure in result.measures)
    assert [model.fitted for model in both] == ["baseline", "reporting"]
    for page, names in (
        (english, ("Model of the baseline: ", "Model of the reporting period: ", "Model: ")),
        (chinese, ("基准期模型：", "报告期模型：", "模型：")),
    ):
        for name, model in zip(names, (*both, single), strict=True):
            told = re.search(rf"(?<!期){name}{model.n} [^\n]*?R² ([\d.]+)", page)
            assert told is not None
            assert float(told[1]) == pytest.approx(float(model.r_squared), abs=5e-4)


def test_the_list_says_whether_the_change_or_the_level_has_to_keep_to_a_target(
    served: Served, line: MeteredLine
) -> None:
    level = "target: {of: level, at_most: 13400, unit: kWh/t}"
    plan = two_measures_text(line.timeline).replace("target: {at_most: -200, unit: kWh/t}", level, 1)
    with served.as_role(Role.ENTERPRISE) as client:
        client.post("/api/v1/projects", json=new_project()).raise_for_status()
        assert file_plan(client, plan).status_code == 201
        english, chinese = (client.get("/", params={"lang": language}).text for language in ("en", "zh"))
    for expected in (f"level afterwards at most {number(13400)} kWh/t", f"change at most {MINUS}270 kWh/t"):
        assert expected in english
    for expected in (f"改造后水平不高于 {number(13400)} kWh/t", f"变化量不高于 {MINUS}270 kWh/t"):
        assert expected in chinese


def test_the_rows_of_the_bridge_add_up_as_shown(served: Served, judged: dict[str, Any]) -> None:
    with served.as_role(Role.AUDITOR) as client:
        page = client.get(PAGE).text
    table = page[page.index('-bridge">') : page.index('-budget">')]
    shown = re.findall(r'<td class="number">([^<]+)</td>', table)
    *steps, total = [float(text.replace(MINUS, "-").replace(THIN_SPACE, "")) for text in shown]
    assert sum(steps) == pytest.approx(total, abs=1e-9)
    assert round(total) == round(float(judged["delta"]["value"]))


@pytest.mark.parametrize(
    ("role", "told"),
    [("auditor", True), ("expert", True), ("enterprise", False)],
)
@pytest.mark.usefixtures("judged")
def test_the_page_offers_the_package_and_tells_whose_reading_is_logged(
    served: Served, role: str, *, told: bool
) -> None:
    with served.as_role(Role(role)) as client:
        page = client.get(PAGE).text
    assert "Download the evidence package" in page
    assert ("itself entered in the log" in page) == told


def test_each_state_of_a_project_has_its_words_in_the_list(
    served: Served, line: MeteredLine, project: Callable[[MeteredLine], httpx.Response]
) -> None:
    with served.as_role(Role.AUDITOR) as client:
        assert "还没有" not in client.get("/?lang=zh").text
        assert "尚无项目" in client.get("/?lang=zh").text
        with served.as_role(Role.OPERATOR) as operator:
            operator.post("/api/v1/projects", json=new_project("another")).raise_for_status()
        assert "尚未报备方案" in client.get("/?lang=zh").text
        assert client.get("/projects/another").status_code == 200
        project(line)
        assert "Plan locked, not yet verified" in client.get("/?lang=en").text
        assert number(3 * 3841) in client.get("/").text


@pytest.mark.usefixtures("judged")
def test_pages_load_nothing_from_elsewhere_and_need_no_script_and_no_inline_style(served: Served) -> None:
    with served.as_role(Role.AUDITOR) as client:
        for path in ("/", PAGE, "/docs", "/login"):
            page = client.get(path).text
            links = re.findall(r'(?:src|href|action)="([^"]*)"', page)
            assert links
            assert all(link.startswith(("/", "?", "#")) for link in links), path
            assert not re.search(r"<script|<style|\sstyle=|\son\w+=", page), path


def test_titles_are_escaped(served: Served, line: MeteredLine) -> None:
    with served.as_role(Role.ENTERPRISE) as client:
        hostile = {"title_en": "<script>alert(1)</script>", "title_zh": "<b>"}
        client.post("/api/v1/projects", json=new_project(device=line.device) | hostile).raise_for_status()
        assert "<script>" not in client.get(PAGE).text
        assert "&lt;script&gt;" in client.get(PAGE).text


def test_a_chosen_language_is_kept_and_a_browser_preference_is_honoured(served: Served) -> None:
    with served.client() as browser:
        assert "Sign in" in browser.get("/login").text
        assert "登录" in browser.get("/login", headers={"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.8"}).text
        assert "登录" in browser.get("/login?lang=zh").text
        assert "登录" in browser.get("/login").text
        answer = browser.get("/login?lang=en")
        assert "Sign in" in answer.text
        assert answer.headers["content-language"] == "en"


@pytest.mark.parametrize(
    ("query", "cookie", "accepted", "chosen"),
    [
        ("zh", "en", "en", "zh"),
        (None, "zh", "en", "zh"),
        ("fr", "xx", "zh", "zh"),
        (None, None, "fr, en;q=0.3, zh;q=0.7", "zh"),
        (None, None, "fr;q=x", "en"),
        (None, None, "", "en"),
    ],
)
def test_the_language_is_the_asked_for_then_the_kept_then_the_preferred(
    query: str | None, cookie: str | None, accepted: str, chosen: str
) -> None:
    assert choose(query, cookie, accepted) == chosen


def test_every_text_says_the_same_fields_in_both_languages_and_the_chinese_one_is_chinese() -> None:
    neutral = {"infinite", "other_language"}
    for key, text in texts.TEXTS.items():
        assert set(re.findall(r"{(\w+)}", text.en)) == set(re.findall(r"{(\w+)}", text.zh)), key
        assert key in neutral or CHINESE.search(text.zh), key
        assert key in neutral or not CHINESE.search(text.en), key


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("-13254.5", f"{MINUS}13{THIN_SPACE}254.5"),
        ("1000", "1000"),
        (9999, "9999"),
        (10000, f"10{THIN_SPACE}000"),
        (1234567, f"1{THIN_SPACE}234{THIN_SPACE}567"),
        ("0.0", "0.0"),
        ("-0.25", f"{MINUS}0.25"),
    ],
)
def test_numbers_are_grouped_from_five_digits_on_with_a_true_minus(value: str | int, shown: str) -> None:
    assert number(value) == shown


@pytest.mark.parametrize(("value", "shown"), [("7.2", "+7.2"), ("0.0", "0.0"), ("-7.2", f"{MINUS}7.2")])
def test_a_signed_number_shows_plus_for_what_is_above_zero_only(value: str, shown: str) -> None:
    assert number(value, signed=True) == shown


def test_a_moment_always_shows_its_offset() -> None:
    from api.clock import from_microseconds  # noqa: PLC0415 - used once

    start = from_microseconds(0)
    assert moment(start) == "1970-01-01 00:00:00 UTC"
    assert moment(start, zone_of("Asia/Shanghai")) == "1970-01-01 08:00:00 UTC+8"
    assert moment(start, zone_of("Asia/Kolkata")) == "1970-01-01 05:30:00 UTC+5:30"
    assert moment(start, zone_of("No/Where")) == "1970-01-01 00:00:00 UTC"


@pytest.mark.parametrize("late", [False, True])
def test_the_line_of_evidence_puts_the_reporting_period_where_the_readings_say(
    served: Served, line: MeteredLine, project: Callable[[MeteredLine], httpx.Response], *, late: bool
) -> None:
    if late:
        line.deliver_the_rest()
    project(line)
    with served.as_role(Role.AUDITOR) as client:
        page = client.get(PAGE).text
    assert (page.index("Reporting period begins") < page.index("Baseline locked")) == late
    assert f"readings up to {'2026-05-25' if late else '2026-04-10'}" in page
