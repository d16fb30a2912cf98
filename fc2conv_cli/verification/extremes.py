"""The few runs of a comparison that can be the worst one, whatever the tolerance.

A run passes when ``max|delta| <= atol + rtol * max|ref|``. One that deviates as much as another on a reference that is
no larger is at least as bad under every atol and rtol, so the other need not be kept. What stays is a staircase (a
Pareto front): more deviation only with a larger reference. Which of them is the worst depends on the tolerance; that it
is one of them does not, not even by rounding, since every step of the formula is monotonic. So a saved report can be
judged by other tolerances, exactly.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from fc2conv_cli.verification.metrics import Deviation, Tolerance


def kept(extremes: tuple[Deviation, ...], new: Deviation) -> tuple[Deviation, ...]:
    """The runs that are kept once a new one is there; the earlier one of two that are equal."""
    if any(_covers(old, new) for old in extremes):
        return extremes
    return (*(old for old in extremes if not _covers(new, old)), new)


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
