"""A non-routine adjustment counts only with its owner's signature over what the plan says."""

from __future__ import annotations

import base64
import datetime as dt
from pathlib import Path

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.verification.lines import PLAN_BYTES, changed, hengkang_plan
from verification import keys
from verification.cli import plan as plan_command
from verification.engine.adjustments import adjustments_of
from verification.fields import Text
from verification.findings import Finding
from verification.plan import Plan, Window, parse_plan
from verification.plan.resolve import measure_spec
from verification.plan.shape import Adjustment
from verification.plan.signing import sign
from verification.quality.points import PointWindow
from verification.series.calendar import Calendar

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = keys.public_text(KEY)
UNSIGNED = Adjustment(
    id="new-fan", measure="energy", cause=Text("a new fan", "新风机"), owner="works engineer",
    value=-1_000_000, unit="kWh", uncertainty=0.1,
)  # fmt: skip
DRAFT = changed(hengkang_plan(), owners={"works engineer": PUBLIC}, adjustments=[UNSIGNED])
SIGNED = msgspec.structs.replace(UNSIGNED, signature=sign(DRAFT, "new-fan", KEY))
PLAN = changed(DRAFT, adjustments=[SIGNED])
IN_FILE = """
owners: {"works engineer": "%s"}
adjustments:
  - {id: new-fan, measure: energy, cause: {en: a new fan, zh: 新风机}, owner: works engineer,
     value: -1000000, unit: kWh, uncertainty: 0.1}
""".lstrip()


def weighed(plan: Plan) -> tuple[float, Finding]:
    """What is applied [kWh], and the one finding about it; no reading is needed for a stated value."""
    window = PointWindow(Calendar.of(plan, "reporting"), {}, {})
    used = np.ones(len(window.calendar), dtype=bool)
    adjusted, [finding] = adjustments_of(plan, measure_spec(plan, "energy"), window, used)
    return adjusted.total, finding


def test_one_signed_by_its_owner_is_applied():
    total, finding = weighed(PLAN)
    assert (total, finding.code) == (-1_000_000, "ADJUSTMENT_APPLIED")


@pytest.mark.parametrize(
    ("intermediate", "stated"),
    [
        (None, ""),
        (
            Window(dt.date(2026, 6, 29), dt.date(2026, 7, 9)),
            '"intermediate":{"end":"2026-07-09","start":"2026-06-29"},',
        ),
    ],
)
def test_what_is_signed_can_be_made_again_from_the_reference(intermediate: Window | None, stated: str):
    title = '{"en":"a new fan","zh":"新风机"}'
    payload = (
        f'{{"adjustment":{{"cause":{title},"formula":"","id":"new-fan","measure":"energy","owner":"works engineer",'
        '"uncertainty":"0.1","unit":"kWh","value":"-1000000"},"baseline":{"end":"2026-06-29","start":"2026-03-01"},'
        f'{stated}"project":"hengkang-potline","reporting":{{"end":"2026-11-06","start":"2026-07-09"}}}}'
    ).encode()
    kind = b"application/vnd.retroproof.adjustment+json"
    message = b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)
    signature = sign(changed(DRAFT, intermediate=intermediate), "new-fan", KEY)
    KEY.public_key().verify(base64.b64decode(signature), message)


@pytest.mark.parametrize(
    "change",
    [
        {"value": -2_000_000.0}, {"uncertainty": 0.0}, {"unit": "MWh"}, {"id": "old-fan"},
        {"formula": "2 * metal_tapped"}, {"signature": "signed 2026-07-01"}, {"signature": SIGNED.signature[:-4]},
        {"signature": base64.b64encode(Ed25519PrivateKey.generate().sign(b"x")).decode()},
    ],
)  # fmt: skip
def test_one_that_was_changed_or_signed_by_nobody_known_is_not_applied(change: dict[str, object]):
    total, finding = weighed(changed(PLAN, adjustments=[msgspec.structs.replace(SIGNED, **change)]))
    assert (total, finding.code) == (0, "ADJUSTMENT_SIGNATURE_WRONG")
    assert "未应用" in finding.text("zh")
    assert "not applied" in finding.text("en")


@pytest.mark.parametrize(
    "change",
    [{"project": "another"}, {"reporting": Window(PLAN.reporting.start, PLAN.baseline.end.replace(year=2027))}],
)
def test_a_signature_holds_for_one_plan_and_its_windows(change: dict[str, object]):
    assert weighed(changed(PLAN, **change))[1].code == "ADJUSTMENT_SIGNATURE_WRONG"


def test_one_without_a_signature_or_a_known_owner_says_which():
    assert weighed(DRAFT)[1].code == "ADJUSTMENT_UNSIGNED"
    assert weighed(changed(PLAN, owners={}))[1].code == "ADJUSTMENT_OWNER_UNKNOWN"


def test_the_command_prints_a_signature_that_the_plan_accepts_and_edits_nothing(tmp_path: Path):
    key_file, plan_file = tmp_path / "owner.pem", tmp_path / "plan.yaml"
    key = keys.generate(key_file)
    text = PLAN_BYTES.decode() + IN_FILE % keys.public_text(key)
    plan_file.write_text(text, encoding="utf-8")
    done = CliRunner().invoke(plan_command, ["sign-adjustment", str(plan_file), "new-fan", "--key", str(key_file)])
    assert done.exit_code == 0, done.output
    assert plan_file.read_text(encoding="utf-8") == text
    signed = text.replace("uncertainty: 0.1", f"uncertainty: 0.1, signature: {done.output.strip()}")
    assert weighed(parse_plan(signed.encode()))[1].code == "ADJUSTMENT_APPLIED"


def test_the_command_refuses_a_key_that_the_plan_does_not_give_the_owner(tmp_path: Path):
    key_file, plan_file = tmp_path / "owner.pem", tmp_path / "plan.yaml"
    mine = keys.public_text(keys.generate(key_file))
    plan_file.write_text(PLAN_BYTES.decode() + IN_FILE % PUBLIC, encoding="utf-8")
    for adjustment, told in (("new-fan", f'"works engineer": "{mine}"'), ("fan", "there are: new-fan")):
        done = CliRunner().invoke(plan_command, ["sign-adjustment", str(plan_file), adjustment, "--key", str(key_file)])
        assert done.exit_code == 64
        assert told in done.output


def test_a_key_that_is_none_is_an_error_with_its_line():
    with pytest.raises(Exception, match=r"plan.yaml:\d+: owners.works engineer: 'ed25519:00' is not a public key"):
        parse_plan(PLAN_BYTES + (IN_FILE % "ed25519:00").encode())
