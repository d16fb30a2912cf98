from __future__ import annotations

from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import onnx_ir as ir
import pytest
from helpers import assert_close, check, converted, model, random, run, value
from onnx import TensorProto, helper, numpy_helper

from fc2conv_cli.constants import Constants
from fc2conv_cli.shapes import infer


def with_weight(nodes: list[onnx.NodeProto], constants: dict[str, np.ndarray]) -> onnx.ModelProto:
    """A layer whose weight "w" is what the nodes compute."""
    layer = helper.make_node("MatMul", ["x", "w"], ["y"], name="fc")
    return model([*nodes, layer], [value("x", ["N", 4])], [value("y", None)], constants)


WEIGHTS = {
    "constant node": ([helper.make_node("Constant", [], ["w"], value=numpy_helper.from_array(random((4, 3))))], {}),
    "transpose": ([helper.make_node("Transpose", ["a"], ["w"])], {"a": random((3, 4))}),
    "reshape": ([helper.make_node("Reshape", ["a", "s"], ["w"])], {"a": random((2, 6)), "s": np.array([4, 3])}),
    "reshape then transpose": (
        [helper.make_node("Reshape", ["a", "s"], ["b"]), helper.make_node("Transpose", ["b"], ["w"])],
        {"a": random((3, 2, 2)), "s": np.array([3, 4])},
    ),
    "interleaved reshapes": (
        [
            helper.make_node("Reshape", ["a", "s"], ["b"]),
            helper.make_node("Transpose", ["b"], ["c"]),
            helper.make_node("Reshape", ["c", "t"], ["w"]),
        ],
        {"a": random((12,)), "s": np.array([2, 6]), "t": np.array([4, 3])},
    ),
    "cast": ([helper.make_node("Cast", ["a"], ["w"], to=1)], {"a": random((4, 3), np.float16)}),
    "mul": ([helper.make_node("Mul", ["a", "b"], ["w"])], {"a": random((4, 3)), "b": random((1, 3))}),
    "mul of transposed": (
        [helper.make_node("Mul", ["a", "b"], ["c"]), helper.make_node("Transpose", ["c"], ["w"])],
        {"a": random((3, 4)), "b": random((3, 1))},
    ),
    "expand": ([helper.make_node("Expand", ["a", "s"], ["w"])], {"a": random((1, 3)), "s": np.array([4, 3])}),
    "constant of shape": (
        [helper.make_node("ConstantOfShape", ["s"], ["w"], value=numpy_helper.from_array(np.array([0.5], np.float32)))],
        {"s": np.array([4, 3])},
    ),
    "identity": ([helper.make_node("Identity", ["a"], ["w"])], {"a": random((4, 3))}),
}


@pytest.mark.parametrize("name", WEIGHTS)
def test_weights_that_are_computed_from_constants(tmp_path: Path, name: str) -> None:
    left = check(with_weight(*WEIGHTS[name]), tmp_path, [(1, 4), (3, 4)])
    assert left == ["Unsqueeze", "Conv", "Squeeze"]  # nothing is left of what computed the weight


def test_a_weight_that_something_else_reads_stays(tmp_path: Path) -> None:
    nodes, constants = WEIGHTS["transpose"]
    proto = with_weight(nodes, constants)
    proto.graph.node.append(helper.make_node("Identity", ["w"], ["also"]))
    proto.graph.output.append(value("also", None))
    assert "Transpose" in check(proto, tmp_path, [(3, 4)])


def test_a_weight_that_is_an_output_stays(tmp_path: Path) -> None:
    proto = with_weight([], {"w": random((4, 3))})
    proto.graph.output.append(value("w", [4, 3]))
    assert "Conv" in check(proto, tmp_path, [(3, 4)])


def test_views_of_a_constant_are_not_computed(tmp_path: Path) -> None:
    nodes, constants = WEIGHTS["reshape then transpose"]
    irmodel = ir.from_proto(with_weight(nodes, constants))
    shapes = infer(irmodel)
    known = Constants(irmodel, shapes)
    weight = next(n for n in irmodel.graph if n.op_type == "MatMul").inputs[1]
    assert weight is not None
    found = known.find(weight)
    assert found is not None
    assert found.origin.name == "a"
    assert found.shape == (4, 3)
    array = known.array(found)
    np.testing.assert_array_equal(array, constants["a"].reshape(3, 4).T)


@pytest.mark.parametrize("op", ["RandomNormalLike", "Dropout"])
def test_what_is_random_is_not_constant(op: str) -> None:
    irmodel = ir.from_proto(with_weight([helper.make_node(op, ["a"], ["w"])], {"a": random((4, 3))}))
    known = Constants(irmodel, infer(irmodel))
    weight = next(n for n in irmodel.graph if n.op_type == "MatMul").inputs[1]
    assert weight is not None
    assert known.find(weight) is None


def test_an_index_computed_from_a_shape_is_not_constant(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("ConstantOfShape", ["s"], ["z"]),
        helper.make_node("MatMul", ["x", "zt"], ["y"]),
        helper.make_node("Transpose", ["z"], ["zt"]),
    ]
    order = [nodes[0], nodes[1], nodes[3], nodes[2]]
    proto = model(order, [value("x", ["N", 4])], [value("y", None)], {})
    irmodel = ir.from_proto(proto)
    known = Constants(irmodel, infer(irmodel))
    assert not any(known.is_constant(v) for n in irmodel.graph for v in n.outputs)


@pytest.mark.parametrize("dtype", [ml_dtypes.bfloat16, ml_dtypes.int4, ml_dtypes.uint4, ml_dtypes.float8_e4m3fn])
def test_weights_that_are_cast_from_types_that_numpy_lacks(tmp_path: Path, dtype: type) -> None:
    nodes = [
        helper.make_node("Cast", ["v"], ["w"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["x", "w"], ["y"], name="fc"),
    ]
    weight = np.random.default_rng(0).integers(0, 7, (8, 6)).astype(dtype)
    proto = model(nodes, [value("x", ["N", 8])], [value("y", ["N", 6])], {"v": weight}, opset=21, ir_version=10)
    path, report = converted(proto, tmp_path)
    assert report.plan.layers
    x = {"x": random((3, 8))}
    assert_close(run(path, x), run(proto, x))
