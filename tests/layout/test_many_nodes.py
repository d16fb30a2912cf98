"""What is done once a node, not once for each two of them: counted in calls, since clocks differ."""

from __future__ import annotations

import sys
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from fc2conv_cli import convert


def _chain(count: int) -> onnx.GraphProto:
    nodes, x = [], "x"
    for i in range(count):
        nodes.append(helper.make_node("MatMul", [x, "w"], [f"m{i}"], name="same"))
        nodes.append(helper.make_node("Relu", [f"m{i}"], [f"r{i}"]))
        x = f"r{i}"
    return _graph(nodes, [x])


def _parallel(count: int) -> onnx.GraphProto:
    nodes = [helper.make_node("MatMul", ["x", "w"], [f"m{i}"], name=f"M{i}") for i in range(count)]
    joined = helper.make_node("Concat", [f"m{i}" for i in range(count)], ["y"], axis=-1)
    return _graph([*nodes, joined], ["y"])


def _outputs(count: int) -> onnx.GraphProto:
    nodes = [helper.make_node("MatMul", ["x", "w"], [f"m{i}"], name=f"M{i}") for i in range(count)]
    return _graph(nodes, [f"m{i}" for i in range(count)])


def _attention(count: int) -> onnx.GraphProto:
    nodes, x = [], "x"
    for i in range(count):
        nodes.append(helper.make_node("MatMul", [x, "w"], [f"q{i}"]))
        nodes.append(helper.make_node("Transpose", [f"q{i}"], [f"k{i}"], perm=[0, 2, 1]))
        nodes.append(helper.make_node("MatMul", [f"q{i}", f"k{i}"], [f"s{i}"]))
        nodes.append(helper.make_node("MatMul", [f"s{i}", f"q{i}"], [f"v{i}"]))
        x = f"v{i}"
    return _graph(nodes, [x])


def _graph(nodes: list[onnx.NodeProto], outputs: list[str]) -> onnx.GraphProto:
    ends = [
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * 3 if name != "x" else ["N", 3, 4])
            for name in names
        ]
        for names in (["x"], outputs)
    ]
    weight = numpy_helper.from_array(np.eye(4, dtype=np.float32) / 2, "w")
    return helper.make_graph(nodes, "g", *ends, [weight])


@pytest.mark.parametrize("graph", [_chain, _parallel, _outputs, _attention])
def test_twice_the_nodes_take_about_twice_the_calls(graph: Any, tmp_path: Path) -> None:
    convert(_saved(graph(8), tmp_path), tmp_path / "out.onnx", verify=False, force=True)  # what is done once
    first, second = (_calls(graph(count), tmp_path) for count in (50, 100))
    assert second < 2.2 * first


def _calls(graph: onnx.GraphProto, folder: Path) -> int:
    path, count = _saved(graph, folder), 0

    def count_call(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal count
        count += 1

    sys.setprofile(count_call)
    try:
        convert(path, folder / "out.onnx", verify=False, force=True)
    finally:
        sys.setprofile(None)
    return count


def _saved(graph: onnx.GraphProto, folder: Path) -> Path:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, folder / "model.onnx")
    return folder / "model.onnx"
