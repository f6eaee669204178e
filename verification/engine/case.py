"""What is to be compared, and by which method: windows of numbers, and what a model of one of them says.

Pure numerics. Every model of the panel and every subset of the data answers through the same few lines.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from verification.engine.autocorrelation import Noise
from verification.engine.models.family import LEVELS, BaselineModel, ModelSpec, fit_model
from verification.engine.models.sample import Sample, joined
from verification.engine.savings import Estimate, Own, avoided, backcast, chained, normalised
from verification.findings import Finding
from verification.plan.shape import Method, WindowName

Standard = Literal["both", "baseline", "reporting"] | Sample  # what a normalised change is stated for
ALL_EVENTS = "events"  # the reason of what was left out for any event, of every window


class Projection(NamedTuple):
    """A window that the fitted model is projected on, and the sign with which its prediction counts in the change."""

    window: WindowName
    sample: Sample
    sign: float


class PutBack(NamedTuple):
    """Windows as they would be with what was left out of them for a reason: one window, or all that events touch."""

    reason: str
    windows: Mapping[WindowName, Sample]

    @property
    def window(self) -> WindowName | Literal["all"]:
        """Of which window it is."""
        return next(iter(self.windows)) if self.reason != ALL_EVENTS else "all"


@dataclasses.dataclass(frozen=True, eq=False)
class Case:
    """Two windows and how they are to be compared; a chain has an `intermediate` one, too. `adjustment` [numerator per
    denominator of the reporting period] is added to what would have been; `output` names the driver that is the
    metric's denominator, `temperatures` those that are temperatures. `put_back` is what was left out of them.
    `own_noise`: the projected windows that err more than the fitted one, and bring their own noise.
    """

    baseline: Sample
    reporting: Sample
    method: Method = "avoided"
    adjustment: float = 0.0
    output: str | None = None
    temperatures: Sequence[str] = ()
    standard: Standard = "both"
    put_back: Sequence[PutBack] = ()
    own_noise: frozenset[WindowName] = frozenset()
    intermediate: Sample | None = None

    @property
    def windows(self) -> Mapping[WindowName, Sample]:
        """The windows by name, in order of time."""
        between: dict[WindowName, Sample] = {} if self.intermediate is None else {"intermediate": self.intermediate}
        return {"baseline": self.baseline, **between, "reporting": self.reporting}

    def window(self, name: WindowName) -> Sample:
        """One of the windows."""
        return self.windows[name]

    def with_window(self, name: WindowName, sample: Sample) -> Case:
        """The same case with other intervals in one of the windows."""
        match name:
            case "baseline":
                return dataclasses.replace(self, baseline=sample)
            case "intermediate":
                return dataclasses.replace(self, intermediate=sample)
            case "reporting":
                return dataclasses.replace(self, reporting=sample)

    @property
    def fitted_name(self) -> WindowName:
        """The window that models are fitted to, by name."""
        match self.method:
            case "backcast":
                return "reporting"
            case "chaining":
                return "intermediate"
            case _:
                return "baseline"

    @property
    def fitted(self) -> Sample:
        """The window that models are fitted to."""
        return self.window(self.fitted_name)

    @property
    def projections(self) -> list[Projection]:
        """The windows that models are projected on: each but the fitted one. What a model expects of the reporting
        period counts against the change, what it expects of the baseline for it.
        """
        return [
            Projection(name, sample, 1.0 if name == "baseline" else -1.0)
            for name, sample in self.windows.items()
            if name != self.fitted_name
        ]

    @property
    def conditions(self) -> Sample:
        """What a normalised change is stated for: stated conditions, the baseline, the reporting period, or both."""
        if isinstance(self.standard, Sample):
            return self.standard
        return joined(self.baseline, self.reporting) if self.standard == "both" else self.window(self.standard)

    def answer(self, model: BaselineModel, noise: Noise) -> Estimate | Finding:
        """What a model of the fitted window says."""
        estimate = self._estimate(model, noise)
        if isinstance(estimate, Finding) or not self.adjustment:
            return estimate
        return dataclasses.replace(estimate, before=estimate.before + self.adjustment * estimate.output)

    def _estimate(self, model: BaselineModel, noise: Noise) -> Estimate | Finding:
        links = self.links(model, noise)
        if isinstance(links, Finding):
            return links
        return chained(*links) if self.method == "chaining" else links[0]

    def links(self, model: BaselineModel, noise: Noise) -> list[Estimate] | Finding:
        """What a model of the fitted window says of each window that it is projected on, without adjustments."""
        found: list[Estimate] = []
        for each in self.projections:
            own = self.own_model(model, each)
            if isinstance(own, Finding):
                return own
            found.append(self._link(model, noise, each, own))
        return found

    def _link(self, model: BaselineModel, noise: Noise, projection: Projection, own: Own | None) -> Estimate:
        if projection.window == "baseline":
            return backcast(model, noise, projection.sample, self.fitted, own)
        if self.method == "normalised" and own is not None:
            after = own.model, own.noise, own.window
            return normalised((model, noise, self.baseline), after, self.conditions)
        return avoided(model, noise, self.fitted, projection.sample, own)

    def own_model(self, model: BaselineModel, projection: Projection) -> Own | Finding | None:
        """A projected window's own model of the same kind, where the answer stands on it; else None."""
        if self.method == "normalised" or projection.window in self.own_noise or model.spec.kind in LEVELS:
            return self.own(model.spec, projection.window)
        return None

    def own(self, spec: ModelSpec, window: WindowName) -> Own | Finding:
        """A window's own model, fitted the first time: several checks stand on that of the reporting period."""
        if (spec, window) not in self._own_models:
            model = fit_model(spec, self.window(window))
            found = model if isinstance(model, Finding) else Own(model, self.window(window))
            self._own_models[spec, window] = found
        return self._own_models[spec, window]

    @functools.cached_property
    def _own_models(self) -> dict[tuple[ModelSpec, WindowName], Own | Finding]:
        return {}
