"""QLinearMatMul and QGemm become QLinearConv, bit for bit."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from helpers import converted, inspect_skips, model, ops, run, value
from onnx import TensorProto, helper
from quantised import PAIRS, assert_equal, integers, onnx_type, quantise_static, scales


@pytest.mark.parametrize(("x", "w"), PAIRS)
@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("rank", [2, 3])
def test_qlinear_matmul(tmp_path: Path, x: str, w: str, per_channel: bool, rank: int) -> None:
    constants = {"w": integers((32, 6), w), **scales(x, w, 6, per_channel)}
    names = ["x", "xs", "xz", "w", "ws", "wz", "ys", "yz"]
    lead: list[int | str] = ["N", "S"][: rank - 1]  # type: ignore[assignment]
    proto = model(
        [helper.make_node("QLinearMatMul", names, ["y"], name="fc")],
        [value("x", [*lead, 32], onnx_type(x))], [value("y", [*lead, 6], onnx_type(x))], constants,
    )  # fmt: skip
    left = assert_equal(proto, tmp_path, [(1,) * (rank - 1) + (32,), (3,) * (rank - 1) + (32,)], x)
    assert left.count("QLinearConv") == 1
    assert "QLinearMatMul" not in left


@pytest.mark.parametrize(("x", "w"), PAIRS)
@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("trans", [0, 1])
@pytest.mark.parametrize("bias", [False, True])
def test_qgemm(tmp_path: Path, x: str, w: str, per_channel: bool, trans: int, bias: bool) -> None:
    constants = {"w": integers((6, 32) if trans else (32, 6), w), **scales(x, w, 6, per_channel)}
    if bias:
        constants["c"] = np.random.default_rng(1).integers(-5000, 5000, 6).astype(np.int32)
    names = ["x", "xs", "xz", "w", "ws", "wz", "c" if bias else "", "ys", "yz"]
    proto = model(
        [helper.make_node("QGemm", names, ["y"], name="fc", domain="com.microsoft", transB=trans)],
        [value("x", ["N", 32], onnx_type(x))], [value("y", ["N", 6], onnx_type(x))], constants,
        extra_opsets={"com.microsoft": 1},
    )  # fmt: skip
    assert assert_equal(proto, tmp_path, [(1, 32), (3, 32)], x) == ["Unsqueeze", "QLinearConv", "Squeeze"]


@pytest.mark.parametrize("limit", [64, 256])
def test_a_flattened_map_is_read_as_it_is_unless_the_kernel_may_saturate(tmp_path: Path, limit: int) -> None:
    weight = integers((60, 6), "int8", limit=limit)
    constants = {"w": weight, **scales("uint8", "int8", 6, True), "s": np.array([0, 60])}
    nodes = [
        helper.make_node("Reshape", ["x", "s"], ["f"]),
        helper.make_node("QLinearMatMul", ["f", "xs", "xz", "w", "ws", "wz", "ys", "yz"], ["y"], name="fc"),
    ]
    proto = model(
        nodes, [value("x", ["N", 3, 4, 5], TensorProto.UINT8)], [value("y", ["N", 6], TensorProto.UINT8)], constants
    )
    left = assert_equal(proto, tmp_path, [(1, 3, 4, 5), (3, 3, 4, 5)], "uint8")
    assert left == (["QLinearConv", "Squeeze"] if limit == 64 else ["Reshape", "QLinearConv", "Squeeze"])


@pytest.mark.parametrize(("activations", "weights"), PAIRS)
@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize(
    ("name", "shape", "layers"),
    [("digits_cnn", (2, 1, 8, 8), 2), ("mlp", (2, 64), 3), ("transformer_encoder", (2, 5, 64), 8)],
)
def test_onnxruntimes_own_quantiser(
    tmp_path: Path, name: str, shape: tuple[int, ...], layers: int, per_channel: bool, activations: str, weights: str
) -> None:
    kinds = {"uint8": "QUInt8", "int8": "QInt8"}
    quant_format = pytest.importorskip("onnxruntime.quantization").QuantFormat.QOperator
    quantised = quantise_static(
        name, shape, tmp_path, kinds[activations], kinds[weights], per_channel=per_channel, quant_format=quant_format
    )
    if per_channel and weights == "uint8":
        found = inspect_skips(quantised, tmp_path)  # each channel has a zero point of its own
        assert {code for _, code, _ in found} <= {"FC2C-NO-EQUAL-KERNEL", "FC2C-TWO-RUNTIME-OPERANDS"}
        assert len([code for _, code, _ in found if code == "FC2C-NO-EQUAL-KERNEL"]) == layers
        return
    path, report = converted(quantised, tmp_path)
    assert report.verified
    assert len(report.plan.layers) == layers
    before, after = Counter(ops(tmp_path / "model.onnx")), Counter(ops(path))
    assert after["QGemm"] == 0
    assert after["QLinearConv"] == before["QLinearConv"] + layers
    left = after["QLinearMatMul"]  # of two runtime values, in attention
    assert left == sum(not s.reason.is_layer for s in report.plan.skips)
    for size in (1, 3):
        x = {"x": np.random.default_rng(size).standard_normal((size, *shape[1:])).astype(np.float32)}
        np.testing.assert_array_equal(run(path, x)[0], run(quantised, x)[0])
