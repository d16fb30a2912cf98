from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fc2conv_cli.sizes import Size, shape_of
from fc2conv_cli.views import View, align, axis


def factorisations(number: int, draw: st.DrawFn) -> list[int]:
    """A random way to write a number as a product, with ones in between."""
    dims = []
    while number > 1:
        divisor = draw(st.sampled_from([d for d in range(2, number + 1) if number % d == 0]))
        dims.append(divisor)
        number //= divisor
    for _ in range(draw(st.integers(0, 2))):
        dims.insert(draw(st.integers(0, len(dims))), 1)
    return dims


@st.composite
def chains(draw: st.DrawFn) -> tuple[list[int], list[tuple[str, tuple[int, ...]]]]:
    """A shape and a chain of reshapes and transposes of it."""
    total = draw(st.sampled_from([1, 2, 6, 8, 12, 24, 30, 36, 60]))
    shape = factorisations(total, draw)
    current, steps = list(shape), []
    for _ in range(draw(st.integers(1, 4))):
        if draw(st.booleans()):
            perm = tuple(draw(st.permutations(range(len(current)))))
            current = [current[p] for p in perm]
            steps.append(("transpose", perm))
        else:
            current = factorisations(total, draw)
            steps.append(("reshape", tuple(current)))
    return shape, steps


def compose(shape: list[int], steps: list[tuple[str, tuple[int, ...]]]) -> tuple[View | None, np.ndarray, np.ndarray]:
    source = np.arange(math.prod(shape)).reshape(shape)
    array, view = source, View.identity(shape_of(shape))
    for kind, argument in steps:
        here = shape_of(array.shape)
        step = View.transpose(here, argument) if kind == "transpose" else View.reshape(here, shape_of(argument))
        array = array.transpose(argument) if kind == "transpose" else array.reshape(argument)
        if step is None or (view := view.then(step)) is None:  # type: ignore[assignment]
            return None, source, array
    return view, source, array


@given(chains())
def test_a_composed_view_is_what_numpy_computes(chain: tuple[list[int], list[tuple[str, tuple[int, ...]]]]) -> None:
    view, source, expected = compose(*chain)
    if view is not None:
        np.testing.assert_array_equal(view.apply(source), expected)
        np.testing.assert_array_equal(view.inverse().apply(expected), source)
        assert view.moves_nothing == (source.ravel() == expected.ravel()).all()


@given(chains())
def test_a_view_and_its_inverse_compose_to_nothing(chain: tuple[list[int], list[tuple[str, tuple[int, ...]]]]) -> None:
    view, _, _ = compose(*chain)
    if view is not None:
        both = view.then(view.inverse())
        assert both is not None
        assert both.moves_nothing
        assert both.source_shape == both.target_shape


@given(chains(), st.integers(1, 4))
def test_symbolic_views_hold_for_every_size(chain: tuple[list[int], list[tuple[str, tuple[int, ...]]]], n: int) -> None:
    shape, steps = chain
    view = View.identity(shape_of(["N", *shape]))
    array = source = np.arange(n * math.prod(shape)).reshape(n, *shape)
    for kind, argument in steps:
        here = ("N", *array.shape[1:])
        if kind == "transpose":
            perm = (0, *(p + 1 for p in argument))
            step, array = View.transpose(shape_of(here), perm), array.transpose(perm)
        else:
            target = ("N", *argument)
            maybe, array = View.reshape(shape_of(here), shape_of(target)), array.reshape(n, *argument)
            if maybe is None:
                return
            step = maybe
        composed = view.then(step)
        if composed is None:
            return
        view = composed
    static = View(
        *(
            tuple(tuple(_fix(f, n) for f in a if _fix(f, n).size != Size()) for a in side)
            for side in (view.source, view.target)
        )
    )
    np.testing.assert_array_equal(static.apply(source), array)


def _fix(factor, n):  # type: ignore[no-untyped-def]
    from fc2conv_cli.views import Factor

    number = factor.size.coefficient * (n if factor.size.symbols else 1)
    return Factor(factor.label, Size.of(number))


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (["N", 6], ["N", 2, 3]),
        (["N", 6], [Size(2, ("N",)), 3]),
        ([Size(1, ("N", "S")), 4], ["N", "S", 4]),
        (["N", 2, 3], [Size(6, ("N",))]),
        ([1, "N", 1], ["N"]),
    ],
)
def test_symbolic_reshapes_that_are_views(source: list, target: list) -> None:
    shapes = [tuple(s if isinstance(s, Size) else Size.of(s) for s in side) for side in (source, target)]
    view = View.reshape(*shapes)
    assert view is not None
    assert (view.source_shape, view.target_shape) == tuple(shapes)


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (["N", 6], [1, 6]),  # a frozen batch
        (["N", "S"], ["S", "N"]),  # not a transposition
        ([4, 6], [6, 4]),  # no common factors
        (["N", 4], ["N", 5]),
        ([0, 4], [0, 5]),
    ],
)
def test_reshapes_that_no_factors_explain(source: list, target: list) -> None:
    assert View.reshape(shape_of(source), shape_of(target)) is None


def test_factors_of_one_axis_are_cut_where_both_sides_cut() -> None:
    left = [axis("l", Size.of(24))]
    right = [(*axis("a", Size.of(4)), *axis("b", Size.of(6)))]
    aligned = align(left, right)
    assert aligned is not None
    assert [f.size.static for f in aligned[0]["l"]] == [4, 6]
    assert align([axis("l", Size.of(6))], [axis("a", Size.of(4))]) is None
    assert align(left, [*right, ()]) is None
