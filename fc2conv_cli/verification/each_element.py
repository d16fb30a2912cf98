"""Holds the runs of a saved report to the tolerance element by element, as far as what was kept of them tells.

Of a run the largest difference, its place and the largest reference are kept, not every element. That decides two ways:
where no difference is above atol, every element passes whatever its reference; where the element that differs most
does, it fails. Between the two nothing is known.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

from fc2conv_cli.verification.metrics import Deviation, Tolerance


def each_element(runs: Iterable[Deviation], tolerance: Tolerance) -> tuple[Deviation, ...] | None:
    """The runs with the rtol that each element needs; None if what was kept does not tell.

    That rtol is 0 where every element passes, and infinite where one does not: how much would do is not known.
    """
    runs = tuple(runs)
    if all(run.max_abs <= tolerance.atol for run in runs):
        return tuple(replace(run, elementwise_rtol=0.0) for run in runs)
    if any(_worst_element_fails(run, tolerance) for run in runs):
        return tuple(replace(run, elementwise_rtol=math.inf) for run in runs)
    return None


def _worst_element_fails(run: Deviation, tolerance: Tolerance) -> bool:
    if not run.is_within(replace(tolerance, elementwise=False)):
        return True
    at = run.reference
    return isinstance(at, float) and math.isfinite(at) and run.max_abs > tolerance.atol + tolerance.rtol * abs(at)
