"""Fill values of masked places: what stands beside them is held to its own size."""

from __future__ import annotations

from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import pytest
from helpers import model, random, value
from onnx import TensorProto, helper
from pairs import pair

from fc2conv_cli.verification.fills import fills, magnitudes
from fc2conv_cli.verification.metrics import Tolerance, compare

LOWEST = float(np.finfo(np.float32).min)


def masked(w: np.ndarray, fill: float) -> onnx.ModelProto:
    """``x @ w``, and a fill value where a mask is false."""
    nodes = [helper.make_node("MatMul", ["x", "w"], ["z"]), helper.make_node("Where", ["mask", "z", "fill"], ["y"])]
    inputs = [value("x", ["N", 16]), value("mask", ["N", 8], TensorProto.BOOL)]
    dtype = int(helper.np_dtype_to_tensor_dtype(w.dtype))
    inputs[0].type.tensor_type.elem_type = dtype
    return model(nodes, inputs, [value("y", ["N", 8], dtype)], {"w": w, "fill": np.array(fill, w.dtype)})


@pytest.mark.parametrize(
    ("dtype", "fill"),
    [(np.float32, LOWEST), (np.float32, -LOWEST), (np.float32, -1e38), (np.float16, -65504.0)],
)
def test_a_fault_beside_them_is_found(tmp_path: Path, dtype: type, fill: float) -> None:
    right = random((16, 8)).astype(dtype)
    wrong = right.copy()
    wrong[:, 3] *= np.asarray(1.05, dtype)
    report = pair(tmp_path, masked(right, fill), masked(wrong, fill))
    (output,) = report.outputs
    assert output.verdict == "different"
    assert output.worst is not None
    assert output.worst.max_reference < 100
    same = pair(tmp_path, masked(right, fill), masked(right, fill))
    assert same.passed
    assert same.outputs[0].notes == ()


def test_another_fill_value_is_a_difference(tmp_path: Path) -> None:
    w = random((16, 8))
    assert not pair(tmp_path, masked(w, LOWEST), masked(w, -1e38)).passed


def test_zeros_beside_them_are_no_excuse(tmp_path: Path) -> None:
    w = np.zeros((16, 8), np.float32)
    report = pair(tmp_path, masked(w, LOWEST), masked(w, LOWEST))
    assert report.passed
    assert not any("all values are 0" in note for note in report.outputs[0].notes)
    assert not pair(tmp_path, masked(w, LOWEST), masked(w + np.float32(0.01), LOWEST)).passed


def test_a_place_that_one_model_fills_is_measured_by_all() -> None:
    ours, theirs = np.array([LOWEST, 1.0], np.float32), np.array([1.0, 1.0], np.float32)
    assert magnitudes(ours, theirs).tolist() == [-LOWEST, 1.0]
    assert not compare(ours, theirs, Tolerance(1e-5, 1e-5)).passed


def test_large_values_that_were_computed_are_none() -> None:
    computed = np.array([1e31, 2e32, 3e33, 1.0])
    assert not fills(computed).any()
    assert compare(computed, computed + np.array([0, 0, 0, 1e-3]), Tolerance(1e-10, 1e-10)).passed
    assert fills(np.array([-np.inf, np.nan, 1e30, -1e30, 5.0])).tolist() == [False, False, True, True, False]
    assert fills(np.array([65504, 65000], np.float16)).tolist() == [True, False]
    assert fills(np.array([-3.39e38, 1], ml_dtypes.bfloat16)).tolist() == [True, False]
    assert not fills(np.array([2**31 - 1, 5])).any()
