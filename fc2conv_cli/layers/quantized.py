"""Layers of integers: QLinearMatMul and QGemm become QLinearConv, bit for bit, and sums of integers ConvInteger.

Scales and zero points keep their values and are read as they are; only the weight moves. What onnxruntime can run
bounds the choice (measured with 1.31 on a processor with AVX2 and no VNNI):

* QLinearConv equals QLinearMatMul and QGemm for every pair of types that has a kernel; with uint8 activations and int8
  weights beyond -64 and 64 only if it sums in the same order, since both saturate: with a 1x1 kernel.
* ConvInteger is exact but for int8 activations with uint8 weights.
* MatMulInteger is exact but for uint8 activations with int8 weights, where sums of two products saturate in 16 bits.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from fc2conv_cli.layers import gemm, matmul, reasons
from fc2conv_cli.layers.context import INTEGERS, Context, Operands
from fc2conv_cli.records import Addend, FullyConnected, IntegerConv, Rescale, Skip
from fc2conv_cli.sizes import Size

Array = npt.NDArray[np.generic]

_INEXACT = (ir.DataType.INT8, ir.DataType.UINT8)
"""Activation and weight: no kernel of QLinearConv, and one of ConvInteger that is not exact."""
_SAFE_WEIGHT = 64
"""255 * 64 * 2 stays below 2**15: two products of this size do not saturate."""


def match_qlinear_matmul(node: ir.Node, context: Context) -> FullyConnected | Skip:
    """Read QLinearMatMul(a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero) as a fully connected layer."""
    operands = context.operands(node, (0, 3), INTEGERS)
    if isinstance(operands, Skip):
        return operands
    layer = matmul.product(node, operands)
    return layer if isinstance(layer, Skip) else _qlinear(layer, operands, context, bias=None)


def match_qgemm(node: ir.Node, context: Context) -> FullyConnected | Skip:
    """Read QGemm(a, a_scale, a_zero, b, b_scale, b_zero, C, y_scale, y_zero) with an integer result as a layer.

    https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.QGemm: C is int32 with
    the scale a_scale * b_scale, which is what QLinearConv takes as its bias.
    """
    operands = context.operands(node, (0, 3), INTEGERS)
    if isinstance(operands, Skip):
        return operands
    layer = gemm.product(node, operands)
    if isinstance(layer, Skip):
        return layer
    if _input(node, 7) is None:
        return _qgemm_to_float(layer, operands, context)
    if layer.alpha != 1:
        return Skip(node, reasons.NO_EQUAL_KERNEL, "its alpha is not 1")
    return _qlinear(layer, operands, context, bias=_input(node, 6))


def _qlinear(
    layer: FullyConnected, operands: Operands, context: Context, bias: ir.Value | None
) -> FullyConnected | Skip:
    node = layer.node
    y = 6 if node.op_type == "QLinearMatMul" else 7
    x_scale, x_zero, w_scale, w_zero, y_scale, y_zero = (_input(node, i) for i in (1, 2, 4, 5, y, y + 1))
    if x_scale is None or x_zero is None or w_scale is None or w_zero is None or y_scale is None or y_zero is None:
        return Skip(node, reasons.NO_EQUAL_KERNEL, "a zero point is left to its default")
    if (problem := _why_not(layer, operands, context, w_scale, w_zero, (x_scale, x_zero, y_scale, y_zero))) is not None:
        return Skip(node, reasons.NO_EQUAL_KERNEL, problem)
    x_dtype, dtype = (context.shapes.dtype(v) for v in (x_zero, y_zero))
    if x_dtype is None or dtype is None:
        return Skip(node, reasons.UNKNOWN_SHAPE, "the type of a zero point")
    if (x_dtype, operands.weight.dtype) == _INEXACT and not context.unverifiable:
        return Skip(node, reasons.NO_EQUAL_KERNEL, "int8 activations with uint8 weights")
    if bias is not None and context.shapes.shape(bias) != (Size.of(layer.contraction.out_features),):
        return Skip(node, reasons.NO_EQUAL_KERNEL, "its C is not one number for each output")
    after = (w_scale, w_zero, y_scale, y_zero, *([] if bias is None else [bias]))
    keeps_order = _may_saturate(x_dtype, operands, context) and not context.unverifiable
    conv = IntegerConv("QLinearConv", x_dtype, dtype, (x_scale, x_zero), after, keeps_order)
    return replace(layer, alpha=1.0, integer=conv)


def _why_not(
    layer: FullyConnected,
    operands: Operands,
    context: Context,
    w_scale: ir.Value,
    w_zero: ir.Value,
    scalars: tuple[ir.Value, ...],
) -> str | None:
    if operands.weight_is_left or layer.contraction.groups > 1 or len(operands.weight.shape) != 2:
        return "its weight is not a matrix on the right"
    if any(not _is_scalar(v, context) for v in scalars):
        return "the activation has more than one scale or zero point"
    for value in (w_scale, w_zero):
        shape = context.shapes.shape(value)
        if shape is None or len(shape) > 1 or any(size.static is None for size in shape):
            return "the scale of the weight is neither one number nor one for each output"
    if not _one_zero_point(w_zero, context):
        return "the zero points of the weight differ"
    return None


def match_matmul_integer(node: ir.Node, context: Context) -> FullyConnected | Skip:
    """Read MatMulInteger(a, b, a_zero, b_zero) as a fully connected layer."""
    operands = context.operands(node, (0, 1), INTEGERS)
    layer = operands if isinstance(operands, Skip) else matmul.product(node, operands)
    if isinstance(operands, Skip) or isinstance(layer, Skip):
        return layer
    return _summed(layer, operands, context, (_input(node, 2), _input(node, 3)))


def match_matmul_integer_to_float(node: ir.Node, context: Context) -> FullyConnected | Skip:
    """Read MatMulIntegerToFloat(a, b, a_scale, b_scale, a_zero, b_zero, bias) as a fully connected layer.

    https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.MatMulIntegerToFloat
    """
    operands = context.operands(node, (0, 1), INTEGERS)
    layer = operands if isinstance(operands, Skip) else matmul.product(node, operands)
    if isinstance(operands, Skip) or isinstance(layer, Skip):
        return layer
    scales, zeros = (_input(node, 2), _input(node, 3)), (_input(node, 4), _input(node, 5))
    return _with_bias(_rescaled(_summed(layer, operands, context, zeros), scales, context), _input(node, 6))


def match_dynamic_quantize_matmul(node: ir.Node, context: Context) -> FullyConnected | Skip:
    """Read DynamicQuantizeMatMul(a, b, b_scale, b_zero, bias) as a fully connected layer.

    https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.DynamicQuantizeMatMul
    """
    operands = context.operands(node, (0, 1), INTEGERS)
    layer = operands if isinstance(operands, Skip) else matmul.product(node, operands)
    if isinstance(operands, Skip) or isinstance(layer, Skip):
        return layer
    summed = _summed(layer, operands, context, (None, _input(node, 3)), quantizes=True)
    return _with_bias(_rescaled(summed, (_input(node, 2),), context), _input(node, 4))


def _qgemm_to_float(layer: FullyConnected, operands: Operands, context: Context) -> FullyConnected | Skip:
    node = layer.node
    scales, zeros = (_input(node, 1), _input(node, 4)), (_input(node, 2), _input(node, 5))
    found = _rescaled(_summed(layer, operands, context, zeros), scales, context)
    if isinstance(found, Skip) or found.integer is None or found.integer.rescale is None:
        return found
    rescale = replace(found.integer.rescale, bias=_input(node, 6))
    return replace(found, integer=replace(found.integer, rescale=rescale))


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
    if operands.weight_is_left:
        return Skip(node, reasons.NO_EQUAL_KERNEL, "its weight is on the left")
    if x_zero is not None and not _is_scalar(x_zero, context):
        return Skip(node, reasons.NO_EQUAL_KERNEL, "the activation has more than one zero point")
    if w_zero is not None and not _one_zero_point(w_zero, context):
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
    constant = None if _is_scalar(value, context) else context.constants.find(value)
    array = None if constant is None else context.constants.array(constant)
    return value if array is None or array.min() != array.max() else np.asarray(array.reshape(-1)[0])


def _not_exact(x_dtype: ir.DataType, operands: Operands, context: Context) -> str | None:
    """Why MatMulInteger and ConvInteger may give different integers in onnxruntime on some processor."""
    if context.unverifiable:
        return None
    if (x_dtype, operands.weight.dtype) == _INEXACT:
        return "int8 activations with uint8 weights"
    saturates = _may_saturate(x_dtype, operands, context)
    return "uint8 activations with int8 weights beyond -64 and 64" if saturates else None


def _may_saturate(x_dtype: ir.DataType, operands: Operands, context: Context) -> bool:
    """Whether two products of neighbours may exceed 16 bits, where some processors add them."""
    if (x_dtype, operands.weight.dtype) != (ir.DataType.UINT8, ir.DataType.INT8):
        return False
    array = context.constants.array(operands.weight).astype(np.int16)
    return bool(array.min() < -_SAFE_WEIGHT or array.max() > _SAFE_WEIGHT)


def _is_scalar(value: ir.Value, context: Context) -> bool:
    shape = context.shapes.shape(value)
    return shape is not None and all(size.is_one for size in shape) and len(shape) <= 1


def _one_zero_point(value: ir.Value, context: Context) -> bool:
    if _is_scalar(value, context) or context.unverifiable:
        return True
    constant = context.constants.find(value)
    return constant is not None and bool((array := context.constants.array(constant)).min() == array.max())


def _input(node: ir.Node, index: int) -> ir.Value | None:
    return node.inputs[index] if index < len(node.inputs) else None
