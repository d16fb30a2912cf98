"""--allow-unverifiable: what the standard allows and onnxruntime's CPU cannot run."""

from __future__ import annotations

from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import pytest
from helpers import converted, gemm, inspect_skips, matmul, model, ops, random, save, value
from onnx import TensorProto, helper

from fc2conv_cli import convert, verify
from fc2conv_cli.errors import UnrunnableModelError
from fc2conv_cli.verification.compare import Settings

FLOATS = {TensorProto.DOUBLE: np.float64, TensorProto.BFLOAT16: ml_dtypes.bfloat16}


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("spelling", ["MatMul", "Gemm"])
def test_other_floats(tmp_path: Path, dtype: int, spelling: str) -> None:
    weight, bias = (random(shape).astype(FLOATS[dtype]) for shape in ((8, 5), (5,)))
    if spelling == "MatMul":
        proto = matmul(["B", "S", 8], weight, bias, dtype=dtype, opset=22, ir_version=10)
    else:
        proto = gemm(["N", 8], weight, bias, dtype=dtype, alpha=0.5, beta=2.0, opset=22, ir_version=10)
    assert [code for _, code, _ in inspect_skips(proto, tmp_path)] == ["FC2C-UNVERIFIABLE"]
    path, report = converted(proto, tmp_path, allow_unverifiable=True)
    assert report.verified
    assert "reference evaluator" in report.verification.engine
    assert ops(path).count("Conv") == 1
    assert {v.type.tensor_type.elem_type for v in onnx.load(path).graph.output} == {dtype}
    assert verify(tmp_path / "model.onnx", path, settings=Settings(reference=True)).passed


def test_a_wrong_result_does_not_pass(tmp_path: Path) -> None:
    proto = matmul(["N", 8], random((8, 5), np.float64), dtype=TensorProto.DOUBLE)
    path, _ = converted(proto, tmp_path, allow_unverifiable=True)
    wrong = onnx.load(path)
    (kernel,) = [i for i in wrong.graph.initializer if i.name == "fc.weight"]
    array = onnx.numpy_helper.to_array(kernel).copy()
    array[0, 0] += 1e-6
    kernel.CopyFrom(onnx.numpy_helper.from_array(array, "fc.weight"))
    report = verify(tmp_path / "model.onnx", save(wrong, path), settings=Settings(reference=True))
    assert not report.passed


def test_without_the_flag_such_a_result_cannot_be_verified(tmp_path: Path) -> None:
    path, _ = converted(
        matmul(["N", 8], random((8, 5), np.float64), dtype=TensorProto.DOUBLE), tmp_path, allow_unverifiable=True
    )
    assert not verify(tmp_path / "model.onnx", path).passed
    bfloat16 = matmul(["N", 8], random((8, 5)).astype(ml_dtypes.bfloat16), dtype=TensorProto.BFLOAT16, opset=22)
    path, _ = converted(bfloat16, tmp_path, allow_unverifiable=True)
    with pytest.raises(UnrunnableModelError):
        verify(tmp_path / "model.onnx", path)


def integers(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    info = np.iinfo(dtype)
    return np.random.default_rng(3).integers(info.min, info.max + 1, shape).astype(dtype)


@pytest.mark.parametrize(("x", "w"), [("uint8", "int8"), ("int8", "uint8"), ("uint8", "uint8")])
def test_integers_that_onnxruntime_cannot_sum_exactly(tmp_path: Path, x: str, w: str) -> None:
    dtype = int(helper.np_dtype_to_tensor_dtype(np.dtype(x)))
    constants = {"w": integers((32, 6), w), "xz": np.array(3, x), "wz": integers((6,), w)}
    node = helper.make_node("MatMulInteger", ["x", "w", "xz", "wz"], ["y"], name="fc")
    proto = model([node], [value("x", ["N", 32], dtype)], [value("y", ["N", 6], TensorProto.INT32)], constants)
    assert [code for _, code, _ in inspect_skips(proto, tmp_path)] == ["FC2C-NO-EQUAL-KERNEL"]
    path, report = converted(proto, tmp_path, allow_unverifiable=True)
    assert report.verified
    assert "ConvInteger" in ops(path)
    assert report.verification.outputs[0].worst.max_abs == 0


def test_gemm_fast_gelu(tmp_path: Path) -> None:
    node = helper.make_node("GemmFastGelu", ["x", "w", "b"], ["y"], name="fc", domain="com.microsoft")
    constants = {"w": random((8, 5)), "b": random((5,))}
    proto = model(
        [node], [value("x", ["N", 8])], [value("y", ["N", 5])], constants, opset=20, ir_version=9,
        extra_opsets={"com.microsoft": 1},
    )  # fmt: skip
    assert [code for _, code, _ in inspect_skips(proto, tmp_path)] == ["FC2C-UNVERIFIABLE"]
    path, report = converted(proto, tmp_path, allow_unverifiable=True)
    assert report.verified
    assert ops(path) == ["Unsqueeze", "Conv", "Squeeze", "Gelu"]
    proto.opset_import[0].version = 17
    path = save(proto, tmp_path / "old.onnx")
    report = convert(path, tmp_path / "old.out.onnx", allow_unverifiable=True, verify=False)
    assert [s.reason.code for s in report.plan.skips] == ["FC2C-UNSUPPORTED-OP"]


def test_bfloat16_before_the_standard_had_a_conv_for_it(tmp_path: Path) -> None:
    proto = matmul(["N", 8], random((8, 5)).astype(ml_dtypes.bfloat16), dtype=TensorProto.BFLOAT16, opset=21)
    path = save(proto, tmp_path / "m.onnx")
    report = convert(path, tmp_path / "o.onnx", allow_unverifiable=True, verify=False)
    assert [(s.reason.code, s.detail) for s in report.plan.skips] == [
        ("FC2C-UNSUPPORTED-DTYPE", "a Conv of bfloat16 needs opset 22")
    ]


@pytest.mark.parametrize("op", ["DynamicQuantizeMatMul", "MatMulIntegerToFloat", "QGemm"])
def test_onnxruntimes_own_sums_of_integers(tmp_path: Path, op: str) -> None:
    constants = {
        "w": integers((32, 6), "int8"), "xs": np.float32(0.02).reshape(()), "xz": np.array(3, np.uint8),
        "ws": np.full(6, 0.01, np.float32), "wz": integers((6,), "int8"),
    }  # fmt: skip
    names = {
        "DynamicQuantizeMatMul": ["x", "w", "ws", "wz"],
        "MatMulIntegerToFloat": ["x", "w", "xs", "ws", "xz", "wz"],
        "QGemm": ["x", "xs", "xz", "w", "ws", "wz"],
    }[op]
    node = helper.make_node(op, names, ["y"], name="fc", domain="com.microsoft")
    dtype = TensorProto.FLOAT if op == "DynamicQuantizeMatMul" else TensorProto.UINT8
    proto = model(
        [node], [value("x", ["N", 32], dtype)], [value("y", ["N", 6])],
        {k: v for k, v in constants.items() if k in names}, extra_opsets={"com.microsoft": 1},
    )  # fmt: skip
    path, report = converted(proto, tmp_path, allow_unverifiable=True)
    assert report.verified
    assert "reference evaluator" in report.verification.engine
    assert "ConvInteger" in ops(path)


def test_what_neither_engine_can_run_is_no_mismatch(tmp_path: Path) -> None:
    node = helper.make_node("FusedGemm", ["x", "w"], ["y"], name="fc", domain="com.microsoft", activation="Relu")
    double = TensorProto.DOUBLE
    proto = model(
        [node], [value("x", ["N", 8], double)], [value("y", ["N", 5], double)],
        {"w": random((8, 5), np.float64)}, extra_opsets={"com.microsoft": 1},
    )  # fmt: skip
    path = save(proto, tmp_path / "m.onnx")
    with pytest.raises(UnrunnableModelError):
        convert(path, tmp_path / "o.onnx", allow_unverifiable=True)


def test_what_onnxruntime_can_run_is_compared_there(tmp_path: Path) -> None:
    _, report = converted(matmul(["N", 8], random((8, 5))), tmp_path, allow_unverifiable=True)
    assert report.verification.engine == "onnxruntime"
