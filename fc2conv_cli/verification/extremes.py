"""The few runs of a comparison that can be the worst one, whatever the tolerance.

A run passes when ``max|delta| <= atol + rtol * max|ref|``. One that deviates as much as another on a reference that is
no larger is at least as bad under every atol and rtol, so the other need not be kept (a Pareto front). And the gate is
a straight line over max|ref|: a run that lies under the line between two others, by more than any rounding, passes
wherever both of them do (an upper hull). Which of those that stay is the worst depends on the tolerance; that it is one
of them does not. So a saved report can be judged by other tolerances, exactly, and holds a few runs and not all.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

from fc2conv_cli.verification.metrics import Deviation, Tolerance

_ROUNDING = 1e-12
"""As a share of the deviation: far more than the gate's own arithmetic can be off by (twice 2**-53)."""


def kept(extremes: tuple[Deviation, ...], new: Deviation) -> tuple[Deviation, ...]:
    """The runs that are kept once a new one is there, by growing reference; the earlier one of two that are equal.

    Where each element is held to the tolerance, the worst is the one that needs the largest rtol, and the only one.
    """
    if new.elementwise_rtol is not None:
        return (max((*extremes, new), key=lambda run: (run.elementwise_rtol or 0.0, run.max_abs)),)
    if any(_covers(old, new) for old in extremes):
        return extremes
    front = sorted((*(old for old in extremes if not _covers(new, old)), new), key=lambda run: run.max_reference)
    hull: list[Deviation] = []
    for run in front:
        while len(hull) >= 2 and _is_under(hull[-2], hull[-1], run):
            hull.pop()
        hull.append(run)
    return tuple(hull)


def worst_of(extremes: Iterable[Deviation], tolerance: Tolerance) -> Deviation | None:
    """The run that came closest to a tolerance or went farthest past it, judged by it; None if there was no run."""

    def badness(run: Deviation) -> tuple[bool, float, float]:
        return not run.is_within(tolerance), run.rtol_to_pass(tolerance.atol), run.max_abs

    worst = max(extremes, key=badness, default=None)
    return None if worst is None else judged(worst, tolerance)


def least_rtol(extremes: Iterable[Deviation], atol: float) -> float:
    """The least rtol with which all runs would pass, given atol."""
    return max((run.rtol_to_pass(atol) for run in extremes), default=0.0)


def judged(run: Deviation, tolerance: Tolerance) -> Deviation:
    """A run under another tolerance."""
    return replace(run, passed=run.is_within(tolerance))


def _covers(run: Deviation, other: Deviation) -> bool:
    return run.max_abs >= other.max_abs and run.max_reference <= other.max_reference


def _is_under(left: Deviation, run: Deviation, right: Deviation) -> bool:
    """Whether a run lies under the line from one with a smaller reference to one with a larger."""
    if not math.isfinite(right.max_abs):
        return False
    share = (run.max_reference - left.max_reference) / (right.max_reference - left.max_reference)
    line = left.max_abs + share * (right.max_abs - left.max_abs)
    return line - run.max_abs > _ROUNDING * right.max_abs
