"""The JSON that the API takes and gives. Field names are part of version 1 and do not change within it.

Digests are lower-case hexadecimal SHA-256; times are RFC 3339 with an offset; figures of a result stay
decimal strings.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
Line = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]


class Model(BaseModel):
    """Immutable, and closed: an unknown field in a request is a mistake that deserves an answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Error(Model):
    """Every refusal: a stable code for programs, and what to do next for people."""

    error: str
    message: str


class BothLanguages(Model):
    """One text, twice."""

    en: str
    zh: str


class NewProject(Model):
    """A project to enter. `device` is the enrolled edge agent whose readings count."""

    id: Slug
    enterprise: Line
    device: Slug
    title_en: Line
    title_zh: Line


class FindingOut(Model):
    """A finding with its texts; `resolve` is empty where there is nothing to do."""

    code: str
    severity: Literal["info", "warning", "error"]
    data: dict[str, int | str]
    text: BothLanguages
    resolve: BothLanguages


class Delta(Model):
    """The verified change as reported (rounded by the GUM rule): after minus before, so a saving is negative."""

    value: str
    expanded_uncertainty: str
    unit: str
    confidence: str


class TargetOut(Model):
    """The acceptance limit: of the change, of the relative change or of the level afterwards; one of the two sides is
    null.
    """

    of: Literal["change", "relative", "level"]
    at_most: str | None
    at_least: str | None
    unit: str


class ClaimOut(Model):
    """What the enterprise claims, in the metric's unit, against the interval."""

    value: str
    assessment: Literal["consistent", "overstated", "understated"]


class VerdictOut(Model):
    """The verdict with its words and the findings that it rests on."""

    state: Literal["met", "not_met", "inconclusive", "invalid_data", "not_verifiable"]
    text: BothLanguages
    reasons: list[FindingOut]


class MeasureOut(Model):
    """One measure of the plan; delta is null without a figure."""

    name: str
    metric: str
    boundary: BothLanguages
    verdict: VerdictOut
    delta: Delta | None
    target: TargetOut
    claim: ClaimOut | None


class RunOut(Model):
    """A run.

    `number` counts the project's runs, `k` those against this version of its plan. `verdict` is the worst of the
    measures'; `delta` and `target` are those of the first measure.
    """

    number: int
    k: int
    plan_version: int
    plan_sha256: str
    started_at: dt.datetime
    finished_at: dt.datetime
    started_by: str
    verdict: VerdictOut
    delta: Delta | None
    target: TargetOut
    measures: list[MeasureOut]
    findings: list[FindingOut]
    manifest_sha256: str
    log_index: int
    package_bytes: int


class RunSummary(Model):
    """A run in a list."""

    number: int
    k: int
    plan_version: int
    finished_at: dt.datetime
    verdict: str
    manifest_sha256: str
    log_index: int


class PlanOut(Model):
    """A filed plan with its two entries in the log.

    `findings`: what stood out in the baseline when it was locked.
    """

    version: int
    plan_sha256: str
    locked_at: dt.datetime
    plan_log_index: int
    baseline_log_index: int
    readings_sha256: str
    latest_source_time: dt.datetime
    findings: list[FindingOut]


class ProjectOut(Model):
    """A project; `plan_version` and `verdict` are those in force, null before there is one."""

    id: str
    enterprise: str
    device: str
    title: BothLanguages
    created_at: dt.datetime
    plan_version: int | None
    verdict: str | None


class PointCoverage(Model):
    """What is stored of one point."""

    name: str
    unit: str
    kind: str
    meter: str
    count: int
    first: dt.datetime | None
    last: dt.datetime | None


class Coverage(Model):
    """What is stored of a project's device: the number of readings in all, and by point."""

    readings: int
    points: list[PointCoverage]


class EntryOut(Model):
    """One entry of the log.

    `entry` is its exact text: SHA-256 over a zero byte and this text is `leaf_sha256`.
    """

    index: int
    entry: str
    leaf_sha256: str
    logged_at: dt.datetime


class InclusionOut(Model):
    """RFC 9162 inclusion proof of one entry in the log of `size` entries: `path` leads from the leaf to the
    root.
    """

    index: int
    size: int
    leaf_sha256: str
    path: list[str]
    root: str
    checkpoint: str


class ConsistencyOut(Model):
    """RFC 9162 consistency proof: the log of `old_size` entries is the beginning of the one of `size`."""

    old_size: int
    size: int
    path: list[str]
    root: str
    checkpoint: str


class Health(Model):
    """Whether the server is up; ready also says that its database answers and has every table."""

    status: Literal["ok"]
