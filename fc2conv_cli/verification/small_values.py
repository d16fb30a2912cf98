"""The small values of an output, which a tolerance of a share of the largest one says little of.

Boxes in pixels beside class scores below 1, or scores beside what fills their masked places: a fault of the small ones
fits into the tolerance of the large ones. So the least quarter of the values is measured by a tolerance of its own, and
a deviation of many times that is said. It asks for no noise, which is that of the large values too, and unknown where
no float goes in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fc2conv_cli.verification.metrics import Tolerance

Array = npt.NDArray[Any]

_LEAST_SHARE = 0.25
"""Of the values that are not 0."""
_MANY = 10.0
"""Times its own tolerance: right conversions of the corpus come to 0.4 at most."""


@dataclass
class SmallValues:
    """What was seen of the small values of an output in runs that are within tolerance.

    Attributes:
        times: Their largest deviation, as a multiple of what their own size would allow.
        delta: That deviation.
        size: The largest of them there.
        allowed: What the tolerance allowed there.
    """

    times: float = 0.0
    delta: float = 0.0
    size: float = 0.0
    allowed: float = 0.0

    def add(self, reference: Array, converted: Array, tolerance: Tolerance) -> None:
        """Take in one run: two tensors of floats of one shape, and the tolerance that they are held to."""
        ours, theirs = np.asarray(reference, np.float64), np.asarray(converted, np.float64)
        magnitude = np.abs(ours)
        known = np.isfinite(ours) & np.isfinite(theirs) & (magnitude > 0)
        if tolerance.elementwise or not known.any():
            return
        size = float(np.quantile(magnitude[known], _LEAST_SHARE))
        small = known & (magnitude <= size)
        delta = float(np.abs(ours[small] - theirs[small]).max())
        own = tolerance.atol + tolerance.rtol * size
        if delta > self.times * own:
            largest = float(magnitude[np.isfinite(ours)].max())
            self.times, self.delta, self.size = delta / own, delta, size
            self.allowed = tolerance.atol + tolerance.rtol * largest

    @property
    def note(self) -> str | None:
        """What is to be said of it."""
        if self.times <= _MANY:
            return None
        return (
            f"values of up to {self.size:.2g}, a quarter of all, differ by up to {self.delta:.2g}, which is within the "
            f"tolerance of {self.allowed:.2g} that larger values make: --elementwise holds each value to its own"
        )
