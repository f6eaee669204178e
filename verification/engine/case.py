"""What is to be compared, and by which method: two windows of numbers, and what a model of one of them says.

Pure numerics. Every model of the panel and every subset of the data answers through the same few lines.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Literal

from verification.engine.autocorrelation import Noise
from verification.engine.models.family import LEVELS, BaselineModel, fit_model
from verification.engine.models.sample import Sample, joined
from verification.engine.savings import Estimate, Method, avoided, backcast, noise_of_model, normalised
from verification.findings import Finding

WindowName = Literal["baseline", "reporting"]
WINDOWS: tuple[WindowName, WindowName] = ("baseline", "reporting")


@dataclasses.dataclass(frozen=True, eq=False)
class Case:
    """Two windows and how they are to be compared. `adjustment` [numerator per denominator of the
    reporting period] is added to what would have been; `output` names the driver that is the metric's denominator,
    `temperatures` those that are temperatures. `put_back` has, by window and reason, the window as it would be with
    what was left out for that reason. `own_noise`: the projected window errs more than the fitted one, and brings its
    own noise.
    """

    baseline: Sample
    reporting: Sample
    method: Method = "avoided"
    adjustment: float = 0.0
    output: str | None = None
    temperatures: Sequence[str] = ()
    standard: Literal["both"] | WindowName | Sample = "both"
    put_back: Sequence[tuple[WindowName, str, Sample]] = ()
    own_noise: bool = False

    def window(self, name: WindowName) -> Sample:
        """One of the two windows."""
        return self.baseline if name == "baseline" else self.reporting

    def with_window(self, name: WindowName, sample: Sample) -> Case:
        """The same case with other intervals in one of the two windows."""
        if name == "baseline":
            return dataclasses.replace(self, baseline=sample)
        return dataclasses.replace(self, reporting=sample)

    @property
    def fitted(self) -> Sample:
        """The window that models are fitted to."""
        return self.reporting if self.method == "backcast" else self.baseline

    @property
    def projected(self) -> Sample:
        """The window that models are projected on."""
        return self.baseline if self.method == "backcast" else self.reporting

    @property
    def conditions(self) -> Sample:
        """What a normalised change is stated for: stated conditions, a window, or both windows together."""
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
        own = self.own_model(model)
        if isinstance(own, Finding):
            return own
        if self.method == "backcast":
            return backcast(model, noise, self.baseline, self.reporting, own)
        if self.method == "normalised" and own is not None:
            after = own, noise_of_model(own, self.reporting), self.reporting
            return normalised((model, noise, self.baseline), after, self.conditions)
        return avoided(model, noise, self.baseline, self.reporting, own)

    def own_model(self, model: BaselineModel) -> BaselineModel | Finding | None:
        """The projected window's own model of the same kind, where the answer stands on it; else None."""
        if self.method == "normalised" or self.own_noise or model.spec.kind in LEVELS:
            return fit_model(model.spec, self.projected)
        return None
