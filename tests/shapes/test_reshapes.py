"""Reshapes with one free dim: what their shapes are for each size of the others."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import onnx
import pytest
from helpers import model, save, value
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper

from fc2conv_cli.frontends.onnx_file import load
from fc2conv_cli.shapes import standard
from fc2conv_cli.shapes.reshapes import settled
from fc2conv_cli.sizes import Shape, shape_of

NAMES = {"N", "S"}


def reshape(target: list[int], **attributes: int) -> onnx.GraphProto:
    node = helper.make_node("Reshape", ["x", "s"], ["y"], **attributes)
    return model([node], [value("x", None)], [value("y", None)], {"s": np.array(target, np.int64)}).graph


def found(source: list[int | str], target: list[int], **attributes: int) -> Shape | None:
    return settled(reshape(target, **attributes), {"x": shape_of(source)}, NAMES).get("y")


def test_a_batch_stays_and_features_are_flattened() -> None:
    assert found(["N", 16, 5, 5], [-1, 400]) == shape_of(["N", 400])
    assert found(["N", 16, 5, 5], [0, -1]) == shape_of(["N", 400])
    assert found(["N", 16, 5, 5], [-1, 400], allowzero=1) == shape_of(["N", 400])
    assert found(["N", "S", 12], [0, 0, 3, -1]) == shape_of(["N", "S", 3, 4])


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (["N", "S", 4], [-1, 4]),  # a product of names
        (["N", 4], [2, -1]),  # half a batch
        (["N", 4], [3, 4]),  # nothing free: onnx knows it
        (["N", 4], [-1, 0, 0]),  # no third dim
        (["N", 0], [-1, 4]),  # no elements
        (["N", 4], [-2, -1]),
        (["N", 4], [-1, -1]),
        (["M", 4], [-1, 4]),  # no name of an input
        (["N", 3], [-1, 4]),  # not the number of elements
    ],
)
def test_what_is_left_open(source: list[int | str], target: list[int]) -> None:
    assert found(source, target) is None


def test_a_zero_is_a_zero_where_the_file_says_so() -> None:
    assert found(["N", 4], [0, -1], allowzero=1) is None


@given(
    st.lists(st.one_of(st.integers(1, 6), st.sampled_from(["N", "S"])), min_size=1, max_size=4),
    st.lists(st.integers(0, 6), max_size=4),
    st.integers(0, 4),
)
def test_numpy_agrees(source: list[int | str], others: list[int], at: int) -> None:
    target = [*others[:at], -1, *others[at:]]
    shape = found(source, target)
    if shape is None:
        return
    for n, s in ((1, 1), (2, 3), (5, 7)):
        sizes = {"N": n, "S": s}
        real = [sizes.get(dim, dim) if isinstance(dim, str) else dim for dim in source]
        meant = [real[i] if dim == 0 else dim for i, dim in enumerate(target)]
        expected = [math.prod(sizes[name] for name in size.symbols) * size.coefficient for size in shape]
        assert list(np.zeros(real).reshape(meant).shape) == expected


def test_inference_goes_on_behind_it_and_through_an_output(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Reshape", ["x", "flat"], ["f"]),
        helper.make_node("Gemm", ["f", "w"], ["g"]),
        helper.make_node("Reshape", ["g", "image"], ["y"]),
    ]
    held = {"flat": np.array([-1, 12]), "w": np.zeros((12, 8), np.float32), "image": np.array([-1, 2, 2, 2])}
    path = save(model(nodes, [value("x", ["batch", 3, 4])], [value("y", None)], held), tmp_path / "m.onnx")
    known = standard.infer(load(path), path)
    assert known is not None
    shapes = {v.name: shape for v, (shape, _) in known.items()}
    assert shapes["g"] == shape_of(["batch", 8])
    assert shapes["y"] == shape_of(["batch", 2, 2, 2])
