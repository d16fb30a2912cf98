"""Copies of a graph with other outputs; the file itself stays as it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from helpers import SAMPLES, model, random, save, value
from networks import mlp
from onnx import helper

from fc2conv_cli.verification.instrument import Engine, Instrumented, bodies, in_onnxruntime, in_reference


@pytest.mark.parametrize("engine", [in_onnxruntime, in_reference])
@pytest.mark.parametrize("external", [False, True])
def test_inner_values_come_out(tmp_path: Path, engine: Engine, external: bool) -> None:
    path = tmp_path / "m.onnx"
    onnx.save(mlp(2), path, save_as_external_data=external, location="w.bin", size_threshold=0)
    looked_at = Instrumented(path)
    before = looked_at.proto.SerializeToString()
    values = looked_at.tapped(engine, ["v0", "v1"]).run({"x": random((3, 16))})
    assert list(values) == ["v0", "v1"]
    np.testing.assert_array_equal(values["v1"], np.maximum(values["v0"], 0))
    assert looked_at.proto.SerializeToString() == before


def test_what_is_constant(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Relu", ["w"], ["a"]),
        helper.make_node("Constant", [], ["b"], value_float=1.0),
        helper.make_node("Mul", ["a", "b"], ["c"]),
        helper.make_node("Mul", ["c", "x"], ["y"]),
    ]
    proto = model(nodes, [value("x", [2])], [value("y", [2])], {"w": random((2,))})
    looked_at = Instrumented(save(proto, tmp_path / "m.onnx"))
    assert [name for name in ("w", "a", "b", "c", "x", "y") if looked_at.is_constant(name)] == ["w", "a", "b", "c"]
    assert [looked_at.has(name) for name in ("x", "y", "w", "nobody")] == [True, True, False, False]
    assert [looked_at.place(name) for name in ("x", "a", "y")] == [-1, 0, 3]


def test_bodies_of_bodies() -> None:
    def branch(name: str, *inner: onnx.NodeProto) -> onnx.GraphProto:
        return helper.make_graph([*inner, helper.make_node("Relu", ["x"], [name])], name, [], [value(name, [2])])

    inside = helper.make_node("If", ["c"], ["z"], then_branch=branch("p"), else_branch=branch("q"))
    outside = helper.make_node("If", ["c"], ["y"], then_branch=branch("r", inside), else_branch=branch("s"))
    proto = helper.make_model(helper.make_graph([outside], "g", [], []))
    assert sorted(node.output[0] for nodes in bodies(proto) for node in nodes) == ["p", "q", "r", "s", "z"]
    assert list(bodies(onnx.load(SAMPLES / "mlp.onnx"))) == []
