"""MatMulInteger and its relatives become ConvInteger."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import onnx
import pytest
from helpers import SAMPLES, assert_close, converted, inspect_skips, model, ops, random, run, value
from onnx import TensorProto, helper
from quantised import assert_equal, integers, onnx_type, scales


def matmul_integer(x: str, w: np.ndarray, **zeros: np.ndarray) -> onnx.ModelProto:
    node = helper.make_node("MatMulInteger", ["x", "w", *zeros], ["y"], name="fc")
    return model(
        [node], [value("x", ["N", 32], onnx_type(x))], [value("y", ["N", 6], TensorProto.INT32)], {"w": w, **zeros}
    )


@pytest.mark.parametrize(("x", "w", "limit"), [("uint8", "int8", 64), ("uint8", "uint8", 256), ("int8", "int8", 256)])
@pytest.mark.parametrize("zeros", [0, 1, 2])
def test_matmul_integer(tmp_path: Path, x: str, w: str, limit: int, zeros: int) -> None:
    points = {"xz": np.array(7, x), "wz": np.array(3, w)}
    proto = matmul_integer(x, integers((32, 6), w, limit=limit), **dict(list(points.items())[:zeros]))
    assert assert_equal(proto, tmp_path, [(1, 32), (3, 32)], x) == ["Unsqueeze", "ConvInteger", "Squeeze"]


def test_equal_zero_points_of_channels_reduce_to_one(tmp_path: Path) -> None:
    weight = integers((32, 6), "int8")
    proto = matmul_integer("int8", weight, xz=np.array(0, np.int8), wz=np.zeros(6, np.int8))
    assert "ConvInteger" in assert_equal(proto, tmp_path, [(3, 32)], "int8")
    ((_, code, sentence),) = inspect_skips(
        matmul_integer("int8", weight, xz=np.array(0, np.int8), wz=np.arange(6).astype(np.int8)), tmp_path
    )
    assert code == "FC2C-NO-EQUAL-KERNEL"
    assert "zero points of the weight differ" in sentence


@pytest.mark.parametrize(
    ("x", "w", "detail"),
    [("uint8", "int8", "beyond -64 and 64"), ("int8", "uint8", "int8 activations with uint8 weights")],
)
def test_kernels_that_would_not_agree(tmp_path: Path, x: str, w: str, detail: str) -> None:
    ((_, code, sentence),) = inspect_skips(matmul_integer(x, integers((32, 6), w)), tmp_path)
    assert code == "FC2C-NO-EQUAL-KERNEL"
    assert detail in sentence


def test_a_zero_point_of_the_weight_alone(tmp_path: Path) -> None:
    node = helper.make_node("MatMulInteger", ["x", "w", "", "wz"], ["y"], name="fc")
    constants = {"w": integers((32, 6), "uint8"), "wz": np.array(130, np.uint8)}
    proto = model(
        [node], [value("x", ["N", 32], TensorProto.UINT8)], [value("y", ["N", 6], TensorProto.INT32)], constants
    )
    assert "ConvInteger" in assert_equal(proto, tmp_path, [(1, 32), (3, 32)], "uint8")


MICROSOFT = {"extra_opsets": {"com.microsoft": 1}}


def assert_close_floats(proto: onnx.ModelProto, folder: Path, feeds: list[np.ndarray]) -> list[str]:
    path, report = converted(proto, folder)
    assert report.verified
    for x in feeds:
        assert_close(run(path, {"x": x}), run(proto, {"x": x}), 1e-6)
    return ops(path)


@pytest.mark.parametrize(("x", "w", "limit"), [("uint8", "int8", 64), ("uint8", "uint8", 256), ("int8", "int8", 256)])
@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("alpha", [1.0, 0.5])
def test_a_qgemm_of_floats(
    tmp_path: Path, x: str, w: str, limit: int, per_channel: bool, bias: bool, alpha: float
) -> None:
    constants = {"w": integers((32, 6), w, limit=limit), **scales(x, w, 6, per_channel)}
    del constants["ys"], constants["yz"]
    if bias:
        constants["c"] = np.random.default_rng(1).integers(-5000, 5000, 6).astype(np.int32)
    names = ["x", "xs", "xz", "w", "ws", "wz", *(["c"] if bias else [])]
    node = helper.make_node("QGemm", names, ["y"], name="fc", domain="com.microsoft", alpha=alpha)
    proto = model([node], [value("x", ["N", 32], onnx_type(x))], [value("y", ["N", 6])], constants, **MICROSOFT)
    left = assert_close_floats(proto, tmp_path, [integers((n, 32), x) for n in (1, 3)])
    assert left[:3] == ["Unsqueeze", "ConvInteger", "Squeeze"]


@pytest.mark.parametrize(("x", "w", "limit"), [("uint8", "int8", 64), ("uint8", "uint8", 256), ("int8", "int8", 256)])
@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("extras", ["", "zeros", "zeros and bias"])
def test_matmul_integer_to_float(tmp_path: Path, x: str, w: str, limit: int, per_channel: bool, extras: str) -> None:
    constants = {"w": integers((32, 6), w, limit=limit), **scales(x, w, 6, per_channel)}
    names = ["x", "w", "xs", "ws", *(["xz", "wz"] if extras else []), *(["b"] if "bias" in extras else [])]
    constants = {k: v for k, v in constants.items() if k in names}
    if "b" in names:
        constants["b"] = random((6,))
    node = helper.make_node("MatMulIntegerToFloat", names, ["y"], name="fc", domain="com.microsoft")
    proto = model([node], [value("x", ["N", 5, 32], onnx_type(x))], [value("y", ["N", 5, 6])], constants, **MICROSOFT)
    assert "ConvInteger" in assert_close_floats(proto, tmp_path, [integers((n, 5, 32), x) for n in (1, 3)])


@pytest.mark.parametrize(("w", "limit"), [("int8", 64), ("uint8", 256)])
@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("extras", ["", "zero", "zero and bias", "bias"])
@pytest.mark.parametrize("flat", [False, True])
def test_dynamic_quantize_matmul(
    tmp_path: Path, w: str, limit: int, per_channel: bool, extras: str, flat: bool
) -> None:
    constants = {"w": integers((60, 6), w, limit=limit), "ws": scales("uint8", w, 6, per_channel)["ws"]}
    names = ["x", "w", "ws", "wz" if "zero" in extras else "", *(["b"] if "bias" in extras else [])]
    if "zero" in extras:
        constants["wz"] = scales("uint8", w, 6, per_channel)["wz"]
    if "bias" in extras:
        constants["b"] = random((6,))
    nodes = [helper.make_node("DynamicQuantizeMatMul", names, ["y"], name="fc", domain="com.microsoft")]
    if flat:
        nodes[0].input[0] = "f"
        nodes.insert(0, helper.make_node("Flatten", ["x"], ["f"]))
    rest = (3, 4, 5) if flat else (60,)
    proto = model(nodes, [value("x", ["N", *rest])], [value("y", ["N", 6])], constants, **MICROSOFT)
    left = assert_close_floats(proto, tmp_path, [random((n, *rest)) for n in (1, 3)])
    assert left.index("DynamicQuantizeLinear") < left.index("ConvInteger")
    assert "Flatten" not in left
    assert ("Unsqueeze" in left) != flat


def test_two_dynamic_layers_of_one_activation(tmp_path: Path) -> None:
    constants = {f"w{i}": integers((32, 6), "uint8", i) for i in (0, 1)} | {"ws": np.float32(0.01).reshape(())}
    nodes = [
        helper.make_node(
            "DynamicQuantizeMatMul", ["x", f"w{i}", "ws"], [f"y{i}"], name=f"fc{i}", domain="com.microsoft"
        )
        for i in (0, 1)
    ]
    outputs = [value(f"y{i}", ["N", 6]) for i in (0, 1)]
    left = assert_close_floats(
        model(nodes, [value("x", ["N", 32])], outputs, constants, **MICROSOFT), tmp_path, [random((3, 32))]
    )
    assert left.count("DynamicQuantizeLinear") == 1


@pytest.mark.parametrize("op", ["MatMulIntegerToFloat", "DynamicQuantizeMatMul"])
def test_a_scale_of_no_known_form_is_left(tmp_path: Path, op: str) -> None:
    constants = {"w": integers((2, 32, 6), "uint8"), "s": np.float32(0.1).reshape(())}
    names = ["x", "w", "s", "s"] if op == "MatMulIntegerToFloat" else ["x", "w", "s"]
    node = helper.make_node(op, names, ["y"], name="fc", domain="com.microsoft")
    dtype = TensorProto.UINT8 if op == "MatMulIntegerToFloat" else TensorProto.FLOAT
    proto = model([node], [value("x", [2, 3, 32], dtype)], [value("y", [2, 3, 6])], constants, **MICROSOFT)
    ((_, code, sentence),) = inspect_skips(proto, tmp_path)
    assert code == "FC2C-NO-EQUAL-KERNEL"
    assert "not a matrix" in sentence


@pytest.mark.parametrize("weights", ["QInt8", "QUInt8"])
@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("reduce_range", [False, True])
@pytest.mark.parametrize(
    ("name", "shape", "layers"), [("digits_cnn", (1, 8, 8), 2), ("mlp", (64,), 3), ("transformer_encoder", (5, 64), 8)]
)
def test_onnxruntimes_own_dynamic_quantiser(
    tmp_path: Path, name: str, shape: tuple[int, ...], layers: int, per_channel: bool, weights: str, reduce_range: bool
) -> None:
    logging.disable(logging.WARNING)
    quantization = pytest.importorskip("onnxruntime.quantization")
    proto = onnx.load(SAMPLES / f"{name}.onnx")
    proto.graph.ClearField("value_info")  # the quantiser trips over shapes of weights that it transposes
    quantization.quantize_dynamic(
        proto, tmp_path / "quantised.onnx", per_channel=per_channel, reduce_range=reduce_range,
        weight_type=quantization.QuantType[weights], op_types_to_quantize=["MatMul"],
    )  # fmt: skip
    logging.disable(logging.NOTSET)
    quantised = onnx.load(tmp_path / "quantised.onnx")
    assert "MatMulInteger" in [n.op_type for n in quantised.graph.node]
    path, report = converted(quantised, tmp_path)
    assert report.verified or not report.plan.layers
    assert report.plan.found == layers
    for skip in report.plan.left:
        # full-range int8 saturates in onnxruntime; uint8 with a zero point for each channel has no ConvInteger
        assert (weights, reduce_range) == ("QInt8", False) or (weights, per_channel) == ("QUInt8", True)
        assert skip.reason.code == "FC2C-NO-EQUAL-KERNEL"
    for size in (1, 3):
        x = {"x": random((size, *shape), seed=size)}
        assert_close(run(path, x), run(quantised, x), 1e-6)


def test_layers_behind_onnxruntimes_own_operators_are_seen_too(tmp_path: Path) -> None:
    constants = {"w": integers((32, 16), "uint8"), "s": np.float32(0.01).reshape(()), "v": random((16, 6))}
    nodes = [
        helper.make_node("DynamicQuantizeMatMul", ["x", "w", "s"], ["h"], name="a", domain="com.microsoft"),
        helper.make_node("MatMul", ["h", "v"], ["y"], name="b"),
    ]
    proto = model(nodes, [value("x", ["N", 32])], [value("y", ["N", 6])], constants, **MICROSOFT)
    _, report = converted(proto, tmp_path)
    assert [p.layer.name for p in report.plan.layers] == ["a", "b"]
    assert [p.layer.becomes for p in report.plan.layers] == ["ConvInteger", "Conv"]
    assert "ConvInteger 1x1" in str(report)


@pytest.mark.parametrize(("op", "opset"), [("DynamicQuantizeMatMul", 10), ("MatMulIntegerToFloat", 9)])
def test_an_opset_without_integer_convolutions(tmp_path: Path, op: str, opset: int) -> None:
    dynamic = op == "DynamicQuantizeMatMul"
    constants = {"w": integers((32, 6), "uint8"), "s": np.float32(0.1).reshape(())}
    node = helper.make_node(op, ["x", "w", "s"] if dynamic else ["x", "w", "s", "s"], ["y"], domain="com.microsoft")
    dtype = TensorProto.FLOAT if dynamic else TensorProto.UINT8
    proto = model([node], [value("x", ["N", 32], dtype)], [value("y", ["N", 6])], constants, opset=opset, **MICROSOFT)
    ((_, code, sentence),) = inspect_skips(proto, tmp_path)
    assert code == "FC2C-UNSUPPORTED-OP"
    assert f"needs opset {opset + 1}" in sentence


def test_scales_of_different_rank(tmp_path: Path) -> None:
    constants = {
        "w": integers((32, 6), "uint8"), "xs": np.full(1, 0.1, np.float32), "ws": np.float32(0.1).reshape(()),
    }  # fmt: skip
    node = helper.make_node("MatMulIntegerToFloat", ["x", "w", "xs", "ws"], ["y"], domain="com.microsoft")
    proto = model([node], [value("x", ["N", 32], TensorProto.UINT8)], [value("y", ["N", 6])], constants, **MICROSOFT)
    path, _ = converted(proto, tmp_path)
    onnx.checker.check_model(onnx.load(path), full_check=True)
