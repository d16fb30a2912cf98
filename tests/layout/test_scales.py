"""The scale of a quantised weight follows whatever rearranges the weight."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fc2conv_cli.dequantization import spread
from fc2conv_cli.layout.scales import scale_form
from fc2conv_cli.sizes import Size
from fc2conv_cli.views import Axis, Factor, View

LABELS = "abcde"


@st.composite
def rearranged(draw: st.DrawFn) -> tuple[tuple[Axis, ...], tuple[Axis, ...], tuple[Axis, ...]]:
    """Axes of a weight, the four axes that it is rearranged to, and axes of its scale."""
    factors = [Factor(label, Size.of(draw(st.integers(2, 3)))) for label in LABELS]
    source = tuple((f,) for f in factors)
    order = draw(st.permutations(factors))
    cuts = sorted(draw(st.lists(st.integers(0, len(order)), min_size=3, max_size=3)))
    bounds = [0, *cuts, len(order)]
    target = tuple(tuple(order[a:b]) for a, b in itertools.pairwise(bounds))
    scaled = draw(st.lists(st.sampled_from(factors), unique=True, max_size=4))
    return source, target, tuple((f,) for f in scaled)


@given(rearranged(), st.integers(0, 2**32 - 1))
def test_dequantising_the_rearranged_weight_is_rearranging_the_dequantised_one(
    case: tuple[tuple[Axis, ...], tuple[Axis, ...], tuple[Axis, ...]], seed: int
) -> None:
    source, target, scale_axes = case
    form = scale_form(scale_axes, target)
    if form is None:
        return
    rng = np.random.default_rng(seed)
    weight = rng.standard_normal([f.size.static or 0 for (f,) in source])
    scale = rng.standard_normal([f.size.static or 0 for (f,) in scale_axes])
    view = View(source, target)
    expected = view.apply(weight * spread(scale, scale_axes, source))
    moved, factor = view.apply(weight), form.apply(scale)
    if form.axis is None:
        actual = moved * factor
    elif not form.block_size:
        actual = moved * factor.reshape([-1 if i == form.axis else 1 for i in range(4)])
    else:
        actual = moved * np.repeat(factor, form.block_size, axis=form.axis)
    np.testing.assert_array_equal(actual, expected)


def test_what_no_dequantize_linear_can_say() -> None:
    a, b, c, d = (Factor(label, Size.of(2)) for label in "abcd")
    outer_blocks = scale_form(((b,), (c,)), ((a, b), (c,), (), ()))
    two_blocked_axes = scale_form(((a,), (c,)), ((a, b), (c, d), (), ()))
    assert outer_blocks is None  # a block is a run of neighbours, and a is the outer part
    assert two_blocked_axes is None


@pytest.mark.parametrize("axes", [(), ((),)])
def test_one_scale_for_all(axes: tuple[Axis, ...]) -> None:
    form = scale_form(axes, ((Factor("a", Size.of(2)),), (), (), ()))
    assert form is not None
    assert form.axis is None
    assert form.apply(np.full([1] * len(axes), 0.5)).shape == ()
