"""Whether an output sits on its bounds: a Clip, Sigmoid or Relu at the end hides a fault of what is before it there.

An element is on a bound where it is the least or the greatest value of all runs, or within the default tolerance of
that. One that is in every run says of what was computed before only that it lies beyond.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from fc2conv_cli.verification.fills import fills
from fc2conv_cli.verification.metrics import Tolerance

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]

SMALLER = tuple((-1 / 8) ** step for step in range(1, 7))
"""Factors on the floats of inputs, one after the other until an output leaves its bounds: in steps that no element
steps over. The sign turns what a Relu holds at 0."""
_MANY = 0.1
"""If so large a share of elements has been on a bound all the time, smaller inputs are tried."""
_MOST = 0.5
"""If so large a share remains, that is to be said."""
_ANYWAY = 2
"""Some value is the least and some the greatest, whatever they are."""


@dataclass
class _Elements:
    """The elements of an output in the runs that gave it one shape: those that were off the bounds, and on each."""

    off: Mask
    low: Mask
    high: Mask
    seen: Mask
    runs: int = 0

    @property
    def stuck(self) -> int:
        """How many were on a bound in every run."""
        return int((self.seen & ~self.off).sum())

    @classmethod
    def none(cls, shape: tuple[int, ...]) -> _Elements:
        off, low, high, seen = (np.zeros(shape, bool) for _ in range(4))
        return cls(off, low, high, seen)


@dataclass
class Saturation:
    """What is known of the bounds of an output so far, of the original alone.

    Attributes:
        low: The lower bound.
        high: The upper bound.
        elements: By shape.
    """

    low: float = 0.0
    high: float = 0.0
    elements: dict[tuple[int, ...], _Elements] = field(default_factory=dict)

    def add(self, array: Array, tolerance: Tolerance) -> None:
        """Take in one run: a tensor of numbers.

        Args:
            array: What the original gives.
            tolerance: The default one of its type: which runs there are must not depend on what the user lets pass.
        """
        wide = np.asarray(array, np.float64)
        known = np.isfinite(wide) & ~fills(array)
        if not known.any():
            return
        gate = Tolerance(0.0, 0.0) if array.dtype.kind in "iu" else tolerance
        self._widen(float(wide[known].min()), float(wide[known].max()), gate)
        low = known & (wide <= self.low + _slack(self.low, gate))
        high = known & (wide >= self.high - _slack(self.high, gate)) & ~low
        found = self.elements.setdefault(array.shape, _Elements.none(array.shape))
        found.off, found.seen = found.off | (known & ~low & ~high), found.seen | known
        found.low, found.high = found.low | low, found.high | high
        found.runs += 1

    def _widen(self, least: float, most: float, gate: Tolerance) -> None:
        """Move a bound that is none; what was on it is between the two now, or on the other one if all was alike."""
        if not self.elements:
            self.low, self.high = least, most
        alike = self.high - self.low <= _slack(self.low, gate)
        if least < self.low - _slack(self.low, gate):
            self.low = least
            for one in self.elements.values():
                one.off, one.high = (one.off, one.high | one.low) if alike else (one.off | one.low, one.high)
                one.low = np.zeros_like(one.low)
        if most > self.high + _slack(self.high, gate):
            self.high = most
            for one in self.elements.values():
                one.off, one.high = one.off | one.high, np.zeros_like(one.high)

    @property
    def share(self) -> float:
        """Of the elements, those that were on a bound in every run, 0 to 1; shapes of one run count if no others do."""
        ran = [one for one in self.elements.values() if one.runs > 1] or list(self.elements.values())
        seen, stuck = sum(int(one.seen.sum()) for one in ran), sum(one.stuck for one in ran)
        values = sum(one.stuck * one.runs for one in ran)
        return stuck / seen if values > _ANYWAY else 0.0

    @property
    def hides(self) -> bool:
        """Whether other inputs should be tried."""
        return self.share >= _MANY

    @property
    def note(self) -> str | None:
        """What is to be said of it in the end."""
        if self.share < _MOST:
            return None
        return (
            f"{100 * self.share:.0f} % of its elements are {self.low:.3g} or {self.high:.3g} in every run, or "
            "nearly: a fault before that saturation may not show"
        )


def _slack(bound: float, gate: Tolerance) -> float:
    """What counts as being on a bound."""
    return gate.atol + gate.rtol * abs(bound)
