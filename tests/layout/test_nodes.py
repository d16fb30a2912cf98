from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from helpers import model, random, value
from onnx import TensorProto, helper

from fc2conv_cli import inspect
from fc2conv_cli.sizes import Size


def test_bytes_are_counted_by_type_and_symbol(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Transpose", ["x"], ["a"], perm=[1, 0]),
        helper.make_node("Cast", ["a"], ["b"], to=TensorProto.FLOAT16),
        helper.make_node("Transpose", ["b"], ["c"], perm=[1, 0]),
        helper.make_node("Transpose", ["w"], ["v"], perm=[1, 0]),  # of a constant: it does not run
        helper.make_node("CumSum", ["s", "axis"], ["t"]),
        helper.make_node("Transpose", ["t"], ["z"], perm=[1, 0]),
        helper.make_node("MatMul", ["x", "v"], ["m"], name="fc"),
        helper.make_node("Reshape", ["m", "shape"], ["y"]),
    ]
    inputs = [value("x", ["N", 4]), value("s", [2, 3])]
    outputs = [value("c", ["N", 4], TensorProto.FLOAT16), value("y", None), value("z", None)]
    constants = {"w": random((5, 4)), "axis": np.array(0), "shape": np.array([-1])}
    onnx.save(model(nodes, inputs, outputs, constants), tmp_path / "model.onnx")
    count = inspect(tmp_path / "model.onnx").layout_before
    assert count is not None
    assert (count.transposes, count.reshapes) == (3, 1)
    assert count.bytes_moved == (Size(2 * 4 * 4 + 2 * 2 * 4, ("N",)), Size(2 * 4 * 6))
