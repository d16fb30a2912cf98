"""What is kept of the runs judges them all, under any tolerance."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fc2conv_cli.verification.extremes import judged, kept, least_rtol, worst_of
from fc2conv_cli.verification.metrics import Deviation, Tolerance

numbers = st.floats(min_value=0, allow_nan=False, width=32) | st.sampled_from([0.0, 1e-5, 1.0, float("inf")])
finite = st.floats(min_value=0, max_value=1e30, allow_nan=False)
runs = st.builds(lambda d, r: Deviation(d, r, (0,), 1.0, 2.0, False), numbers, finite)
tolerances = st.builds(Tolerance, finite, finite)


def front(deviations: list[Deviation]) -> tuple[Deviation, ...]:
    extremes: tuple[Deviation, ...] = ()
    for deviation in deviations:
        extremes = kept(extremes, deviation)
    return extremes


@settings(max_examples=1000)
@given(st.lists(runs, min_size=1, max_size=12), tolerances)
def test_the_verdict_on_what_is_kept_is_the_verdict_on_all(deviations: list[Deviation], tolerance: Tolerance) -> None:
    worst = worst_of(front(deviations), tolerance)
    assert worst is not None
    assert worst.passed == all(d.is_within(tolerance) for d in deviations)
    least = max(d.rtol_to_pass(tolerance.atol) for d in deviations)
    assert least_rtol(front(deviations), tolerance.atol) == least


@given(st.lists(runs, min_size=1, max_size=12))
def test_nothing_that_is_kept_covers_another(deviations: list[Deviation]) -> None:
    stairs = sorted(front(deviations), key=lambda d: d.max_reference)
    assert all(a.max_abs < b.max_abs and a.max_reference < b.max_reference for a, b in zip(stairs, stairs[1:]))  # noqa: B905, RUF007


def test_the_worst_by_one_gate_is_not_the_worst_by_another() -> None:
    """And a run under the line between two others is never the worst."""
    large = Deviation(1.0, 1000.0, (0,), 0.0, 1.0, False)
    small = Deviation(0.1, 1.0, (1,), 0.0, 0.1, False)
    between = Deviation(0.5, 500.0, (2,), 0.0, 0.5, False)
    extremes = front([large, between, small])
    assert set(extremes) == {large, small}
    assert worst_of(extremes, Tolerance(0.0, 0.01)) == small
    assert worst_of(extremes, Tolerance(0.5, 0.0)) == large
    assert judged(small, Tolerance(0.1, 0.0)).passed
    assert worst_of((), Tolerance(1.0, 1.0)) is None


def test_few_are_kept_where_the_deviation_grows_with_the_reference() -> None:
    rng = np.random.default_rng(0)
    references = rng.lognormal(size=2000)
    extremes = front([Deviation(float(r * 0.01 * (1 + e)), float(r), (0,), 0.0, 0.0, False)
                      for r, e in zip(references, rng.normal(size=2000) * 1e-7, strict=True)])  # fmt: skip
    assert 2 <= len(extremes) <= 20
