"""What is told of each element is what a run that looked at each element would have said."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fc2conv_cli.verification.each_element import each_element
from fc2conv_cli.verification.extremes import kept
from fc2conv_cli.verification.metrics import Deviation, Tolerance, compare

tensors = st.lists(st.sampled_from([0.0, 0.5, 1.0, 1.1, 2.0, 100.0, math.inf]), min_size=3, max_size=3).map(np.array)
tolerances = st.builds(Tolerance, st.sampled_from([0.0, 0.1, 1.0]), st.sampled_from([0.0, 0.1, 1.0]))


@given(st.lists(st.tuples(tensors, tensors), min_size=1, max_size=4), tolerances)
def test_never_another_verdict(pairs: list[tuple[np.ndarray, np.ndarray]], tolerance: Tolerance) -> None:
    extremes: tuple[Deviation, ...] = ()
    for ours, theirs in pairs:
        extremes = kept(extremes, compare(ours, theirs, tolerance))
    each = Tolerance(tolerance.atol, tolerance.rtol, elementwise=True)
    told = each_element(extremes, tolerance)
    if told is not None:
        right = all(compare(ours, theirs, each).passed for ours, theirs in pairs)
        assert all(run.is_within(each) for run in told) == right


def test_it_tells_where_all_are_near_and_where_the_largest_fails() -> None:
    ours = np.array([1.0, 100.0])
    gate = Tolerance(0.5, 0.1)
    for theirs, right in (([1.4, 100.0], True), ([2.0, 100.0], False), ([1.0, 105.0], None)):
        told = each_element([compare(ours, np.array(theirs), gate)], gate)
        assert (None if told is None else told[0].elementwise_rtol == 0.0) == right
