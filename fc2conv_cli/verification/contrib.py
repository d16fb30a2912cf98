"""Onnxruntime's own operators for ONNX's reference evaluator, as their documentation defines them.

https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md; integers are summed exactly.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from onnx.reference.op_run import OpRun
from onnx.reference.ops.op_dequantize_linear import DequantizeLinear_21
from onnx.reference.ops.op_quantize_linear import QuantizeLinear_21

Array = npt.NDArray[Any]

_DOMAIN = "com.microsoft"


class QuantizeLinear(QuantizeLinear_21):
    """The standard one with more types."""

    op_domain = _DOMAIN


class DequantizeLinear(DequantizeLinear_21):
    """The standard one with more types."""

    op_domain = _DOMAIN


def _summed(a: Array, b: Array, a_zero: Array | None, b_zero: Array | None) -> Array:
    left, right = a.astype(np.int64), b.astype(np.int64)
    left = left if a_zero is None else left - a_zero.astype(np.int64)
    right = right if b_zero is None else right - b_zero.astype(np.int64)
    sums: Array = np.matmul(left, right)
    return sums


class MatMulIntegerToFloat(OpRun):
    """``(a - a_zero) @ (b - b_zero) * a_scale * b_scale + bias``."""

    op_domain = _DOMAIN

    def _run(
        self,
        a: Array,
        b: Array,
        a_scale: Array,
        b_scale: Array,
        a_zero: Array | None = None,
        b_zero: Array | None = None,
        bias: Array | None = None,
    ) -> tuple[Array]:
        result = _summed(a, b, a_zero, b_zero).astype(np.float32) * (a_scale * b_scale)
        return ((result if bias is None else result + bias).astype(np.float32),)


class DynamicQuantizeMatMul(OpRun):
    """The same, on an activation that DynamicQuantizeLinear quantises."""

    op_domain = _DOMAIN

    def _run(
        self, a: Array, b: Array, b_scale: Array, b_zero: Array | None = None, bias: Array | None = None
    ) -> tuple[Array]:
        low, high = min(float(a.min(initial=0)), 0.0), max(float(a.max(initial=0)), 0.0)
        scale = np.float32((np.float32(high) - np.float32(low)) / np.float32(255)) or np.float32(1)
        zero = np.uint8(np.clip(np.rint(-np.float32(low) / scale), 0, 255))
        q = np.clip(np.rint(a / scale) + zero, 0, 255).astype(np.uint8)
        result = _summed(q, b, np.asarray(zero), b_zero).astype(np.float32) * (scale * b_scale)
        return ((result if bias is None else result + bias).astype(np.float32),)


class QGemm(OpRun):
    """``alpha * a_scale * b_scale * ((a - a_zero) @ (b - b_zero) + c)``, quantised if the result has a scale."""

    op_domain = _DOMAIN

    def _run(
        self,
        a: Array,
        a_scale: Array,
        a_zero: Array,
        b: Array,
        b_scale: Array,
        b_zero: Array,
        c: Array | None = None,
        y_scale: Array | None = None,
        y_zero: Array | None = None,
        alpha: float = 1.0,
        transA: int = 0,
        transB: int = 0,
    ) -> tuple[Array]:
        sums = _summed(a.T if transA else a, (b.T if transB else b), a_zero, b_zero)
        result = (sums if c is None else sums + c).astype(np.float64) * a_scale * b_scale * alpha
        if y_scale is None or y_zero is None:
            return (result.astype(np.float32),)
        info = np.iinfo(y_zero.dtype)
        return (np.clip(np.rint(result / y_scale) + y_zero, info.min, info.max).astype(y_zero.dtype),)


class FusedMatMul(OpRun):
    """``alpha * a @ b``, each read transposed as its attributes say."""

    op_domain = _DOMAIN

    def _run(
        self,
        a: Array,
        b: Array,
        alpha: float = 1.0,
        transA: int = 0,
        transB: int = 0,
        transBatchA: int = 0,
        transBatchB: int = 0,
    ) -> tuple[Array]:
        left, right = _read(a, transA, transBatchA), _read(b, transB, transBatchB)
        return ((np.matmul(left.astype(np.float64), right.astype(np.float64)) * alpha).astype(a.dtype),)


def _read(array: Array, swapped: int, batch_last: int) -> Array:
    if batch_last and array.ndim > 2:
        array = np.moveaxis(array, 0, -2)
    return array.swapaxes(-1, -2) if swapped and array.ndim > 1 else array


class GemmFastGelu(OpRun):
    """A product, a bias, and the Gelu that tanh approximates."""

    op_domain = _DOMAIN

    def _run(self, x: Array, w: Array, bias: Array | None = None) -> tuple[Array]:
        z = np.matmul(x.astype(np.float64), w.astype(np.float64)) + (0.0 if bias is None else bias.astype(np.float64))
        return ((0.5 * z * (1 + np.tanh(np.sqrt(2 / np.pi) * (z + 0.044715 * z**3)))).astype(x.dtype),)


OPERATORS: list[Any] = [
    QuantizeLinear,
    DequantizeLinear,
    MatMulIntegerToFloat,
    DynamicQuantizeMatMul,
    QGemm,
    FusedMatMul,
    GemmFastGelu,
]
"""All of them."""
