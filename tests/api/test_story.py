"""The way of a project through the API: entered, planned, locked, judged, downloaded, checked offline."""

from __future__ import annotations

from verification.check import check_archive
from verification.check_report import Axis, Outcome
from verification.keyring import parse_trust

from api.tokens import Role
from tests.api.conftest import Served
from tests.api.plant import PROJECT


def test_a_downloaded_package_is_verified_on_every_axis_with_the_platforms_keys(served: Served, judged: dict) -> None:
    with served.as_role(Role.AUDITOR) as client:
        package = client.get(f"/api/v1/projects/{PROJECT}/runs/{judged['number']}/package.zip")
        trust = client.get("/api/v1/keys")
    assert package.headers["content-type"] == "application/zip"
    report = check_archive(package.content, trusted=parse_trust(trust.content, name="trust"), recompute=True)
    outcomes = {axis.axis: axis.outcome for axis in report.axes}
    assert outcomes == dict.fromkeys(Axis, Outcome.VERIFIED), report
