"""Which sizes and samples run: a fault at one of them is found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from helpers import INT64, matmul, model, random, save, value
from onnx import helper
from pairs import pair

from fc2conv_cli import errors, verify
from fc2conv_cli.verification.feeding import Feeding


def test_wrong_at_one_size_only(tmp_path: Path) -> None:
    w = random((4, 3))
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["z"]),
        helper.make_node("Shape", ["x"], ["s"], end=1),
        helper.make_node("Equal", ["s", "three"], ["e"]),
        helper.make_node("Cast", ["e"], ["f"], to=1),
        helper.make_node("Add", ["z", "f"], ["y"]),
    ]
    wrong = model(nodes, [value("x", ["N", 4])], [value("y", ["N", 3])], {"w": w, "three": np.array([3])})
    report = pair(tmp_path, matmul(["N", 4], w), wrong)
    assert not report.passed
    assert report.outputs[0].worst is not None
    assert report.outputs[0].worst.max_abs == pytest.approx(1.0)


@pytest.mark.parametrize(("axis", "size"), [(0, 5), (1, 7)])
def test_wrong_at_a_size_that_is_seldom(tmp_path: Path, axis: int, size: int) -> None:
    def added(at: int) -> onnx.ModelProto:
        nodes = [
            helper.make_node("Shape", ["x"], ["s"], start=axis, end=axis + 1),
            helper.make_node("Equal", ["s", "at"], ["e"]),
            helper.make_node("Cast", ["e"], ["f"], to=1),
            helper.make_node("Add", ["x", "f"], ["y"]),
        ]
        return model(nodes, [value("x", ["N", "S", 4])], [value("y", ["N", "S", 4])], {"at": np.array([at])})

    report = pair(tmp_path, added(-1), added(size))
    assert not report.passed
    assert report.cases[-1] == {"N": 5, "S": 7}
    assert pair(tmp_path, added(-1), added(size), feeding=Feeding(dims={"N": (2,), "S": (2,)})).passed


def test_sizes_that_only_that_run_takes_do_not_matter(tmp_path: Path) -> None:
    """A table of four positions: no sequence is longer."""
    nodes = [
        helper.make_node("Shape", ["x"], ["s"], start=0, end=1),
        helper.make_node("Slice", ["table", "zero", "s"], ["rows"]),
        helper.make_node("Add", ["x", "rows"], ["y"]),
    ]
    constants = {"table": random((4, 3)), "zero": np.array([0])}
    four = model(nodes, [value("x", ["S", 3])], [value("y", ["S", 3])], constants)
    report = pair(tmp_path, four, four)
    assert report.passed
    assert report.notes == ()
    assert report.cases == ({"S": 1}, {"S": 3})


def test_sizes_that_the_original_refuses_are_noted_and_others_found(tmp_path: Path) -> None:
    w = random((4, 3, 6, 6))
    nodes = [helper.make_node("Conv", ["x", "w"], ["c"]), helper.make_node("GlobalAveragePool", ["c"], ["y"])]
    image = model(nodes, [value("x", ["N", 3, "H", "W"])], [value("y", ["N", 4, 1, 1])], {"w": w})
    report = pair(tmp_path, image, image)
    assert report.passed
    assert report.cases == ({"N": 8, "H": 8, "W": 8}, {"N": 8, "H": 16, "W": 8}, {"N": 1, "H": 8, "W": 8})
    (note,) = report.notes
    assert note.startswith("the original itself does not run at N=1, H=1, W=1; N=3")


def test_a_model_that_refuses_some_sizes_is_compared_at_larger_ones_too(tmp_path: Path) -> None:
    nodes = [  # runs at 1x1, where everything broadcasts, and at even sizes
        helper.make_node("MaxPool", ["x"], ["p"], kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1),
        helper.make_node("Resize", ["p", "", "scales"], ["r"], mode="nearest"),
        helper.make_node("Add", ["x", "r"], ["y"]),
    ]
    constants = {"scales": np.array([1, 1, 2, 2], np.float32)}
    unet = model(nodes, [value("x", [1, 2, "H", "W"])], [value("y", [1, 2, None, None])], constants)
    report = pair(tmp_path, unet, unet)
    assert {"H": 8, "W": 8} in report.cases
    assert {"H": 8, "W": 16} in report.cases


def test_indices_stay_in_their_table(tmp_path: Path) -> None:
    nodes = [helper.make_node("Gather", ["table", "ids"], ["e"]), helper.make_node("MatMul", ["e", "w"], ["y"])]
    constants = {"table": random((3, 4)), "w": random((4, 3))}
    proto = model(nodes, [value("ids", ["N", "S"], INT64)], [value("y", ["N", "S", 3])], constants)
    assert pair(tmp_path, proto, proto).runs == 17


def test_sizes_stay_within_memory(tmp_path: Path) -> None:
    nodes = [helper.make_node("Flatten", ["x"], ["f"]), helper.make_node("MatMul", ["f", "w"], ["y"])]
    proto = model(nodes, [value("x", ["N", "C", "H", "W"])], [value("y", ["N", 4])], {"w": random((7, 4))})
    with pytest.raises(errors.UnrunnableModelError, match="cannot run it"):
        pair(tmp_path, proto, proto)


def test_every_row_of_a_table_is_looked_up(tmp_path: Path) -> None:
    table = random((40, 3))
    wrong = table.copy()
    wrong[30:] += 1
    paths = []
    for name, rows in (("a", table), ("b", wrong)):
        node = helper.make_node("Gather", ["w", "x"], ["y"])
        proto = model([node], [value("x", ["N", 50], INT64)], [value("y", ["N", 50, 3])], {"w": rows})
        paths.append(save(proto, tmp_path / f"{name}.onnx"))
    assert not verify(*paths).passed


def cut_by(dim: int, *, tied: bool = False) -> onnx.ModelProto:
    """A map of three dynamic dims, as many rows as one of them; `tied`, if the first must equal the third."""
    nodes = [
        helper.make_node("Shape", ["x"], ["s"], start=dim, end=dim + 1),
        helper.make_node("Concat", ["s", "rest"], ["r"], axis=0),
        helper.make_node("Reshape", ["x", "r"], ["y"]),
    ]
    constants = {"rest": np.array([-1])}
    if tied:
        nodes.insert(0, helper.make_node("Einsum", ["x"], ["unused"], equation="abac->bc"))
    return model(nodes, [value("x", ["batch", "height", "width", 4])], [value("y", [None, None])], constants)


def test_dims_of_the_same_parity_are_told_apart(tmp_path: Path) -> None:
    assert not pair(tmp_path, cut_by(0), cut_by(2)).passed
    report = pair(tmp_path, cut_by(0), cut_by(0))
    assert report.passed
    assert report.cases[4:] == (
        {"batch": 5, "height": 7, "width": 6},
        {"batch": 1, "height": 1, "width": 3},
    )


def test_dims_that_are_tied_together_run_as_before(tmp_path: Path) -> None:
    report = pair(tmp_path, cut_by(0, tied=True), cut_by(2, tied=True))
    assert report.passed
    assert report.notes == ()
    assert report.cases[4:] == ({"batch": 5, "height": 7, "width": 5},)
