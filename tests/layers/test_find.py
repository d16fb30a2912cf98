from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from helpers import converted, gemm, matmul, model, ops, random, save, value
from onnx import TensorProto, helper

from fc2conv_cli import convert, inspect, verify
from fc2conv_cli.layers import reasons


def skips(proto: onnx.ModelProto, folder: Path) -> list[tuple[str, str]]:
    report = inspect(save(proto, folder / "model.onnx"))
    assert not report.plan.layers
    return [(s.name, s.reason.code) for s in report.plan.skips]


def test_two_runtime_operands_are_no_layer(tmp_path: Path) -> None:
    node = helper.make_node("MatMul", ["x", "w"], ["y"], name="scores")
    proto = model([node], [value("x", ["N", 4]), value("w", [4, 3])], [value("y", None)])
    assert skips(proto, tmp_path) == [("scores", "FC2C-TWO-RUNTIME-OPERANDS")]
    assert inspect(tmp_path / "model.onnx").plan.found == 0


def test_two_constants_are_no_layer(tmp_path: Path) -> None:
    nodes = [helper.make_node("MatMul", ["v", "w"], ["z"], name="fold"), helper.make_node("Add", ["x", "z"], ["y"])]
    proto = model(nodes, [value("x", [2, 3])], [value("y", None)], {"v": random((2, 4)), "w": random((4, 3))})
    assert skips(proto, tmp_path) == [("fold", "FC2C-CONSTANT-RESULT")]


@pytest.mark.parametrize("ir_version", [3, 4, 8])
def test_a_weight_that_a_caller_may_override_is_left(tmp_path: Path, ir_version: int) -> None:
    proto = matmul(["N", 4], random((4, 3)), ir_version=ir_version)
    if ir_version > 3:
        proto.graph.input.append(value("w", [4, 3]))
        assert skips(proto, tmp_path) == [("fc", "FC2C-OVERRIDABLE-WEIGHT")]
    else:
        path, _ = converted(proto, tmp_path)
        assert "MatMul" not in ops(path)
        left = onnx.load(path).graph
        assert {i.name for i in left.initializer} <= {i.name for i in left.input}
        assert "w" not in {i.name for i in left.input}


@pytest.mark.parametrize(("op", "x", "default"), [("Reshape", ["N", 2, 4], [-1, 8]), ("Unsqueeze", ["N", 8], [0])])
def test_a_layout_that_a_caller_may_override_is_not_absorbed(tmp_path: Path, op: str, x: list, default: list) -> None:
    nodes = [helper.make_node(op, ["x", "s"], ["f"]), helper.make_node("MatMul", ["f", "w"], ["y"], name="fc")]
    outputs = [value("y", [None] * (2 if op == "Reshape" else 3))]
    inputs = [value("x", x), value("s", [len(default)], TensorProto.INT64)]
    proto = model(nodes, inputs, outputs, {"s": np.array(default), "w": random((8, 4))})
    source = save(proto, tmp_path / "m.onnx")
    report = convert(source, tmp_path / "out.onnx")
    after = onnx.load(tmp_path / "out.onnx")
    assert [i.name for i in after.graph.input] == ["x", "s"]
    assert op in [n.op_type for n in after.graph.node]
    assert report.verified


@pytest.mark.parametrize("layer", [True, False])
def test_inputs_are_frozen_on_demand(tmp_path: Path, layer: bool) -> None:
    proto = matmul(["N", 4], random((4, 3)))
    if not layer:
        proto.graph.node[0].op_type = "Mul"
        proto.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(random((4,)), "w"))
    proto.graph.input.append(value("w", [4, 3] if layer else [4]))
    report = convert(save(proto, tmp_path / "m.onnx"), tmp_path / "out.onnx", freeze_inputs=True)
    assert report.verified
    assert "'w' can no longer be overridden" in report.notes[-1]
    after = onnx.load(tmp_path / "out.onnx").graph
    assert [i.name for i in after.input] == ["x"]
    assert ("Conv" in [n.op_type for n in after.node]) == layer


def test_an_overridable_input_that_goes_is_noticed(tmp_path: Path) -> None:
    proto = matmul(["N", 4], random((4, 3)))
    theirs = save(proto, tmp_path / "without.onnx")
    proto.graph.input.append(value("w", [4, 3]))
    report = verify(save(proto, tmp_path / "with.onnx"), theirs)
    (failure,) = report.failures
    assert failure.startswith("input 'w' is missing from the converted model (if it was converted with --freeze-inputs")


@pytest.mark.parametrize(
    ("dtype", "code"),
    [(np.float64, "FC2C-UNVERIFIABLE"), (np.int32, "FC2C-UNSUPPORTED-DTYPE"), (np.int64, "FC2C-UNSUPPORTED-DTYPE")],
)
def test_other_dtypes_are_left(tmp_path: Path, dtype: type, code: str) -> None:
    onnx_type = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    proto = matmul(["N", 4], np.ones((4, 3), dtype), dtype=onnx_type)
    assert skips(proto, tmp_path) == [("fc", code)]


def test_products_of_two_activations_are_no_layers(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("MatMulInteger", ["q", "q"], ["z"], name="integers"),
        helper.make_node("DynamicQuantizeMatMul", ["x", "q", "s"], ["y"], name="dynamic", domain="com.microsoft"),
        helper.make_node("GemmFastGelu", ["x", "x"], ["a"], name="gelu", domain="com.microsoft"),
    ]
    inputs = [value("x", [3, 3]), value("q", [3, 3], TensorProto.INT8)]
    outputs = [value("a", [3, 3]), value("y", [3, 3]), value("z", [3, 3], TensorProto.INT32)]
    constants = {"s": np.float32(0.5).reshape(())}
    proto = model(nodes, inputs, outputs, constants, extra_opsets={"com.microsoft": 1})
    assert {code for _, code in skips(proto, tmp_path)} == {"FC2C-TWO-RUNTIME-OPERANDS"}


def test_an_invalid_layer_is_left(tmp_path: Path) -> None:
    proto = matmul(["N", 4], random((4, 3)))
    proto.graph.input[0].CopyFrom(value("x", [2, 5]))
    assert skips(proto, tmp_path) == [("fc", "FC2C-INVALID-SHAPES")]
    assert skips(gemm([2, 5], random((4, 3))), tmp_path) == [("fc", "FC2C-INVALID-SHAPES")]


def test_every_reason_is_a_stable_sentence_with_advice() -> None:
    codes = [reason.code for reason in reasons.REASONS]
    assert len(set(codes)) == len(codes)
    for reason in reasons.REASONS:
        assert reason.code.startswith("FC2C-")
        assert reason.sentence[0].islower()
        assert not reason.sentence.endswith(".")
        assert reason.advice.endswith(".")
        assert len(reason.explanation) > len(reason.sentence)
    declared = [r for r in vars(reasons).values() if isinstance(r, reasons.Reason)]
    assert set(declared) == set(reasons.REASONS)
