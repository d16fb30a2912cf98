from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_views import chains, compose

from fc2conv_cli.layout.steps import COMPUTED, Step, cost, regroup, steps
from fc2conv_cli.sizes import Size, shape_of
from fc2conv_cli.views import View


def execute(array: np.ndarray, chain: list[Step]) -> np.ndarray:
    """What the nodes compute, by the ONNX specification."""
    for step in chain:
        if step.op == "Transpose":
            array = array.transpose(step.argument)
        elif step.op == "Squeeze":
            array = array.squeeze(step.argument)
        elif step.op == "Unsqueeze":
            array = np.expand_dims(array, step.argument)
        else:
            array = array.reshape([array.shape[i] if d == 0 else d for i, d in enumerate(step.argument)])
        assert array.shape == tuple(s.static for s in step.shape)
    return array


@given(chains())
def test_the_nodes_compute_the_view(chain: tuple[list[int], list[tuple[str, tuple[int, ...]]]]) -> None:
    view, source, expected = compose(*chain)
    if view is None:
        return
    nodes = steps(view)
    np.testing.assert_array_equal(execute(source, nodes), expected)
    kinds = [step.op == "Transpose" for step in nodes]
    assert kinds.count(True) == (not view.moves_nothing)
    assert kinds in ([], [False], [True], [False, True], [True, False], [False, True, False])


@given(st.permutations(range(4)), st.lists(st.integers(1, 3), min_size=4, max_size=4))
def test_a_permutation_of_axes_takes_one_node_at_most(perm: list[int], shape: list[int]) -> None:
    nodes = steps(View.transpose(shape_of(shape), perm))
    assert len(nodes) <= 1


@given(chains())
def test_no_cheaper_transposition_of_whole_axes_exists(
    chain: tuple[list[int], list[tuple[str, tuple[int, ...]]]],
) -> None:
    view, source, expected = compose(*chain)
    if view is None or view.moves_nothing or source.ndim > 5:
        return
    one_node = any(
        np.array_equal(source.transpose(perm), expected) and source.transpose(perm).shape == expected.shape
        for perm in itertools.permutations(range(source.ndim))
    )
    if one_node:
        assert len(steps(view)) == 1


@pytest.mark.parametrize(
    ("source", "target", "op", "argument"),
    [
        (["N", 4], ["N", 4, 1, 1], "Unsqueeze", (2, 3)),
        (["N", 4, 1, 1], ["N", 4], "Squeeze", (2, 3)),
        ([1, 1, 1, 1], [], "Squeeze", (0, 1, 2, 3)),
        (["N", 1, 4], ["N", 4, 1], "Reshape", (0, 4, 1)),
        (["N", 4, 2, 2], ["N", 16], "Reshape", (0, 16)),
        (["N", "S", 4, 2], ["N", "S", 8], "Reshape", (0, 0, 8)),
        (["N", "H", "W"], ["N", Size(1, ("H", "W"))], "Reshape", (0, -1)),
        ([2, Size(1, ("H", "W"))], [2, "H", "W"], "Reshape", COMPUTED),
    ],
)
def test_the_least_demanding_node_is_chosen(source: list, target: list, op: str, argument: tuple[int, ...]) -> None:
    shapes = [tuple(s if isinstance(s, Size) else Size.of(s) for s in side) for side in (source, target)]
    (step,) = regroup(*shapes)
    assert (step.op, step.argument) == (op, argument)


def test_moving_an_axis_of_1_past_dynamic_ones_needs_no_shape() -> None:
    nodes = regroup(shape_of(["A", "B", "C", 1]), shape_of(["A", 1, "B", "C"]))
    assert [(s.op, s.argument) for s in nodes] == [("Squeeze", (3,)), ("Unsqueeze", (1,))]


def test_tokens_to_channels_first_and_back() -> None:
    view = View.transpose(shape_of(["B", "S", 64]), (0, 2, 1))
    to_4d = view.then(View.reshape(view.target_shape, shape_of(["B", 64, 1, "S"])) or view)
    assert to_4d is not None
    assert [s.op for s in steps(to_4d)] == ["Transpose", "Unsqueeze"]
    assert sorted(s.op for s in steps(to_4d.inverse())) == ["Squeeze", "Transpose"]


def test_cost_orders_what_a_compiler_minds() -> None:
    shape = shape_of(["N", 4])
    transpose = cost([Step("Transpose", (1, 0), shape)])
    plain, inferred = cost([Step("Reshape", (0, 4), shape)]), cost([Step("Reshape", (0, -1), shape)])
    computed = cost([Step("Reshape", COMPUTED, shape)])
    assert plain < inferred < computed < transpose
    assert math.isclose(cost([]), 0)
