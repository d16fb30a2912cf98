"""MatMulInteger and its relatives with a float result: ConvInteger, and standard nodes that rescale its sums."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from fc2conv_cli.layers import matmul, reasons
from fc2conv_cli.layers.context import INTEGERS, Context, Operands
from fc2conv_cli.layers.integers import (
    FIRST_DYNAMIC_OPSET,
    FIRST_INTEGER_OPSET,
    INEXACT,
    is_scalar,
    may_saturate,
    one_zero_point,
    operand,
)
from fc2conv_cli.records import Addend, FullyConnected, IntegerConv, Rescale, Skip

Array = npt.NDArray[np.generic]


def match_matmul_integer(node: ir.Node, context: Context) -> FullyConnected | Skip:
    """Read MatMulInteger(a, b, a_zero, b_zero) as a fully connected layer."""
    found = _product(node, context)
    if isinstance(found, Skip):
        return found
    return _summed(*found, context, (operand(node, 2), operand(node, 3)))


def match_matmul_integer_to_float(node: ir.Node, context: Context) -> FullyConnected | Skip:
    """Read MatMulIntegerToFloat(a, b, a_scale, b_scale, a_zero, b_zero, bias) as a fully connected layer.

    https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.MatMulIntegerToFloat
    """
    found = _product(node, context)
    if isinstance(found, Skip):
        return found
    scales, zeros = (operand(node, 2), operand(node, 3)), (operand(node, 4), operand(node, 5))
    return _with_bias(_rescaled(_summed(*found, context, zeros), scales, context), operand(node, 6))


def match_dynamic_quantize_matmul(node: ir.Node, context: Context) -> FullyConnected | Skip:
    """Read DynamicQuantizeMatMul(a, b, b_scale, b_zero, bias) as a fully connected layer.

    https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.DynamicQuantizeMatMul
    """
    found = _product(node, context)
    if isinstance(found, Skip):
        return found
    summed = _summed(*found, context, (None, operand(node, 3)), quantizes=True)
    return _with_bias(_rescaled(summed, (operand(node, 2),), context), operand(node, 4))


def qgemm_to_float(layer: FullyConnected, operands: Operands, context: Context) -> FullyConnected | Skip:
    """A QGemm without a scale of its result: the sums, plus an int32 C, times both scales."""
    node = layer.node
    scales, zeros = (operand(node, 1), operand(node, 4)), (operand(node, 2), operand(node, 5))
    found = _rescaled(_summed(layer, operands, context, zeros), scales, context)
    if isinstance(found, Skip) or found.integer is None or found.integer.rescale is None:
        return found
    rescale = replace(found.integer.rescale, bias=operand(node, 6))
    return replace(found, integer=replace(found.integer, rescale=rescale))


_Product = tuple[FullyConnected, Operands]


def _product(node: ir.Node, context: Context) -> _Product | Skip:
    operands = context.operands(node, (0, 1), INTEGERS)
    if isinstance(operands, Skip):
        return operands
    layer = matmul.product(node, operands)
    return layer if isinstance(layer, Skip) else (layer, operands)


def _summed(
    layer: FullyConnected,
    operands: Operands,
    context: Context,
    zeros: tuple[ir.Value | None, ir.Value | None],
    *,
    quantizes: bool = False,
) -> FullyConnected | Skip:
    """The layer as a ConvInteger."""
    node, (x_zero, w_zero) = layer.node, zeros
    first = FIRST_DYNAMIC_OPSET if quantizes else FIRST_INTEGER_OPSET
    if context.opset < first:
        return Skip(node, reasons.UNSUPPORTED_OP, f"an integer convolution of it needs opset {first}")
    if operands.weight_is_left:
        return Skip(node, reasons.NO_EQUAL_KERNEL, "its weight is on the left")
    if x_zero is not None and not is_scalar(x_zero, context):
        return Skip(node, reasons.NO_EQUAL_KERNEL, "the activation has more than one zero point")
    if w_zero is not None and not one_zero_point(w_zero, context):
        return Skip(node, reasons.NO_EQUAL_KERNEL, "the zero points of the weight differ")
    given = context.shapes.dtype(operands.x if x_zero is None else x_zero)
    x_dtype = ir.DataType.UINT8 if quantizes else given
    if x_dtype not in INTEGERS:
        return Skip(node, reasons.UNKNOWN_SHAPE, "the type of the activation")
    if (problem := _not_exact(x_dtype, operands, context)) is not None:
        return Skip(node, reasons.NO_EQUAL_KERNEL, problem)
    ours: list[ir.Value | Array] = [] if x_zero is None else [_scalar(x_zero, context)]
    if w_zero is not None and not ours and not quantizes:
        ours = [np.zeros((), x_dtype.numpy())]
    after = (*ours, *([] if w_zero is None else [_scalar(w_zero, context)]))
    conv = IntegerConv("ConvInteger", x_dtype, ir.DataType.INT32, (), after, quantizes=quantizes)
    return replace(layer, integer=conv)


def _rescaled(
    layer: FullyConnected | Skip, scales: tuple[ir.Value | None, ...], context: Context
) -> FullyConnected | Skip:
    """The layer with its sums turned into floats; the last scale may be one for each output."""
    if isinstance(layer, Skip) or layer.integer is None:
        return layer
    if len(layer.weight.shape) != 2:
        return Skip(layer.node, reasons.NO_EQUAL_KERNEL, "its weight is not a matrix")
    shapes = [None if scale is None else context.shapes.shape(scale) for scale in scales]
    if any(shape is None or len(shape) > 1 for shape in shapes):
        return Skip(layer.node, reasons.NO_EQUAL_KERNEL, "a scale is neither one number nor one for each output")
    if any(shape and not shape[0].is_one for shape in shapes[:-1]):
        return Skip(layer.node, reasons.NO_EQUAL_KERNEL, "the activation has more than one scale")
    factors = tuple(scale for scale in scales if scale is not None)
    return replace(layer, integer=replace(layer.integer, rescale=Rescale(factors)))


def _with_bias(layer: FullyConnected | Skip, bias: ir.Value | None) -> FullyConnected | Skip:
    return layer if isinstance(layer, Skip) or bias is None else replace(layer, addend=Addend(bias, 1.0))


def _scalar(value: ir.Value, context: Context) -> ir.Value | Array:
    """The value itself, or the one number that all its elements are: ConvInteger takes no more."""
    constant = None if is_scalar(value, context) else context.constants.find(value)
    array = None if constant is None else context.constants.array(constant)
    return value if array is None or array.min() != array.max() else np.asarray(array.reshape(-1)[0])


def _not_exact(x_dtype: ir.DataType, operands: Operands, context: Context) -> str | None:
    """Why MatMulInteger and ConvInteger may give different integers in onnxruntime on some processor."""
    if context.unverifiable:
        return None
    if (x_dtype, operands.weight.dtype) == INEXACT:
        return "int8 activations with uint8 weights"
    saturates = may_saturate(x_dtype, operands, context)
    return "uint8 activations with int8 weights beyond -64 and 64" if saturates else None
