"""What layers of integers share: what onnxruntime can run bounds what they can become.

Scales and zero points keep their values and are read as they are; only the weight moves. Measured with onnxruntime 1.31
on a processor with AVX2 and no VNNI:

* QLinearConv equals QLinearMatMul and QGemm for every pair of types that has a kernel; with uint8 activations and int8
  weights beyond -64 and 64 only if it sums in the same order, since both saturate: with a 1x1 kernel.
* ConvInteger is exact but for int8 activations with uint8 weights.
* MatMulInteger is exact but for uint8 activations with int8 weights, where sums of two products saturate in 16 bits.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from fc2conv_cli.layers.context import Context, Operands

INEXACT = (ir.DataType.INT8, ir.DataType.UINT8)
"""Activation and weight: no kernel of QLinearConv, and one of ConvInteger that is not exact."""
FIRST_INTEGER_OPSET, FIRST_DYNAMIC_OPSET = 10, 11
"""That have QLinearConv and ConvInteger, and DynamicQuantizeLinear."""
_SAFE_WEIGHT = 64
"""255 * 64 * 2 stays below 2**15: two products of this size do not saturate."""


def may_saturate(x_dtype: ir.DataType, operands: Operands, context: Context) -> bool:
    """Whether two products of neighbours may exceed 16 bits, where some processors add them."""
    if (x_dtype, operands.weight.dtype) != (ir.DataType.UINT8, ir.DataType.INT8):
        return False
    array = context.constants.array(operands.weight).astype(np.int16)
    return bool(array.min() < -_SAFE_WEIGHT or array.max() > _SAFE_WEIGHT)


def is_scalar(value: ir.Value, context: Context) -> bool:
    """Whether a value is one number, as a scalar or as a vector of it."""
    shape = context.shapes.shape(value)
    return shape is not None and all(size.is_one for size in shape) and len(shape) <= 1


def one_zero_point(value: ir.Value, context: Context) -> bool:
    """Whether all weights have the same zero point (or onnxruntime's kernels are no bound)."""
    if is_scalar(value, context):
        return True
    constant = context.constants.find(value)
    if constant is None or 0 in constant.shape:
        return False
    array = context.constants.array(constant)
    return bool(array.min() == array.max()) or (context.unverifiable and array.ndim == 1)


def operand(node: ir.Node, index: int) -> ir.Value | None:
    """An input of a node; None if the node leaves it out."""
    return node.inputs[index] if index < len(node.inputs) else None
