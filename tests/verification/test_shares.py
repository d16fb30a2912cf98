"""Softmax and its kin before opset 13: all elements from the axis on share one sum."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from helpers import assert_close, model, random, run, save, value
from onnx import helper

from fc2conv_cli import verify
from fc2conv_cli.verification import shares
from fc2conv_cli.verification.reference import ReferenceRunner

OPERATORS = ("Softmax", "LogSoftmax", "Hardmax")


@pytest.mark.parametrize("opset", [9, 11, 12, 13, 18])
@pytest.mark.parametrize("axis", [None, 0, 1, 2, -1, -2])
@pytest.mark.parametrize("op", OPERATORS)
def test_as_in_onnxruntime(tmp_path: Path, op: str, axis: int | None, opset: int) -> None:
    attributes = {} if axis is None else {"axis": axis}
    node = helper.make_node(op, ["x"], ["y"], **attributes)
    proto = model([node], [value("x", [2, 3, 4])], [value("y", [2, 3, 4])], opset=opset, ir_version=6)
    x = {"x": random((2, 3, 4))}
    assert_close(list(ReferenceRunner(save(proto, tmp_path / "m.onnx")).run(x).values()), run(proto, x))


def test_the_opset_of_a_function_counts(tmp_path: Path) -> None:
    node = helper.make_node("Softmax", ["a"], ["b"], axis=1)
    function = helper.make_function("own", "F", ["a"], ["b"], [node], [helper.make_opsetid("", 11)])
    proto = model(
        [helper.make_node("F", ["x"], ["y"], domain="own")], [value("x", [2, 3, 4])], [value("y", [2, 3, 4])],
        extra_opsets={"own": 1},
    )  # fmt: skip
    proto.functions.append(function)
    y = ReferenceRunner(save(proto, tmp_path / "m.onnx")).run({"x": random((2, 3, 4))})["y"]
    np.testing.assert_allclose(y.sum(axis=(1, 2)), 1, rtol=1e-6)


def quantised(op: str, *, along: bool) -> onnx.ModelProto:
    """A quantised product with shares over two axes, or wrongly along the first of them."""
    over = [helper.make_node(op, ["m"], ["y"], axis=1)]
    if along:
        over = [
            helper.make_node("Transpose", ["m"], ["t"], perm=[0, 2, 1]),
            helper.make_node(op, ["t"], ["u"], axis=2),
            helper.make_node("Transpose", ["u"], ["y"], perm=[0, 2, 1]),
        ]
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["d"]),
        helper.make_node("MatMul", ["d", "w"], ["m"]),
        *over,
    ]
    constants = {"w": random((16, 8)), "s": np.array(0.05, np.float32), "z": np.array(0, np.int8)}
    return model(nodes, [value("x", ["N", 3, 16])], [value("y", ["N", 3, 8])], constants, opset=11, ir_version=6)


@pytest.mark.parametrize("op", OPERATORS)
def test_a_true_difference_is_not_overruled(tmp_path: Path, op: str) -> None:
    ours, theirs = (save(quantised(op, along=a), tmp_path / f"{a}.onnx") for a in (False, True))
    assert not verify(ours, theirs).passed


def test_an_evaluator_that_has_the_original_do_something_else_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shares, "OPERATORS", [])
    ours, theirs = (save(quantised("Softmax", along=a), tmp_path / f"{a}.onnx") for a in (False, True))
    report = verify(ours, theirs)
    assert not report.passed
    assert report.engine == "onnxruntime"
    assert "finds no difference, but does not count: the original itself gives something else" in report.notes[-1]
