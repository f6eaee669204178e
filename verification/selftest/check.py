"""One known answer beside what the engine computes, and how many digits agree. Light: no numpy.

Digits are the log relative error of the NIST StRD, -log10(|got - expected| / |expected|), absolute where the answer is
zero; never more than the answer itself has.
"""

from __future__ import annotations

import dataclasses
import math
from decimal import Decimal

CERTIFIED_DIGITS = 9  # needed of a certified value
MAX_DIGITS = 15  # of a double; NIST certifies to 15


@dataclasses.dataclass(frozen=True)
class Check:
    """`got` against `expected` as its source prints it; without `got`, the engine refused and `refusal` says why.

    A certified value needs nine digits; one that a source prints `rounded` needs all that it prints. `may_be_refused`
    marks a case where a refusal is as right as the digits.
    """

    source: str
    quantity: str
    expected: str
    got: float | None
    rounded: bool = False
    refusal: str = ""
    may_be_refused: bool = False

    @property
    def stated_digits(self) -> int:
        """How many digits the source gives."""
        return min(max(len(Decimal(self.expected).as_tuple().digits), 1), MAX_DIGITS)

    @property
    def digits(self) -> float:
        """How many digits agree; 0 where there is no value."""
        if self.got is None or not math.isfinite(self.got):
            return 0.0
        expected = Decimal(self.expected)
        if self.rounded:
            shown = Decimal(repr(self.got)).quantize(expected)
            return float(self.stated_digits) if shown == expected else 0.0
        error = abs(Decimal(self.got) - expected) / (abs(expected) or 1)
        limit = float(self.stated_digits if expected else MAX_DIGITS)
        return limit if error == 0 else max(0.0, min(limit, -math.log10(error)))

    @property
    def passed(self) -> bool:
        """Whether the engine is right here, or rightly refuses."""
        if self.got is None:
            return self.may_be_refused and bool(self.refusal)
        return self.digits >= (self.stated_digits if self.rounded else CERTIFIED_DIGITS)
