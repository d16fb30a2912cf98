"""QLinearMatMul and QGemm with an integer result: QLinearConv, bit for bit."""

from __future__ import annotations

from dataclasses import replace

import onnx_ir as ir

from fc2conv_cli.layers import gemm, matmul, reasons
from fc2conv_cli.layers.context import INTEGERS, Context, Operands
from fc2conv_cli.layers.integer_sums import qgemm_to_float
from fc2conv_cli.layers.integers import FIRST_INTEGER_OPSET, INEXACT, is_scalar, may_saturate, one_zero_point, operand
from fc2conv_cli.records import FullyConnected, IntegerConv, Skip
from fc2conv_cli.sizes import Size


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
    if operand(node, 7) is None:
        return qgemm_to_float(layer, operands, context)
    if layer.alpha != 1:
        return Skip(node, reasons.NO_EQUAL_KERNEL, "its alpha is not 1")
    return _qlinear(layer, operands, context, bias=operand(node, 6))


def _qlinear(
    layer: FullyConnected, operands: Operands, context: Context, bias: ir.Value | None
) -> FullyConnected | Skip:
    node = layer.node
    if context.opset < FIRST_INTEGER_OPSET:
        return Skip(node, reasons.UNSUPPORTED_OP, f"an integer convolution of it needs opset {FIRST_INTEGER_OPSET}")
    y = 6 if node.op_type == "QLinearMatMul" else 7
    x_scale, x_zero, w_scale, w_zero, y_scale, y_zero = (operand(node, i) for i in (1, 2, 4, 5, y, y + 1))
    if x_scale is None or x_zero is None or w_scale is None or w_zero is None or y_scale is None or y_zero is None:
        return Skip(node, reasons.NO_EQUAL_KERNEL, "a zero point is left to its default")
    if (problem := _why_not(layer, operands, context, w_scale, w_zero, (x_scale, x_zero, y_scale, y_zero))) is not None:
        return Skip(node, reasons.NO_EQUAL_KERNEL, problem)
    x_dtype, dtype = (context.shapes.dtype(v) for v in (x_zero, y_zero))
    if x_dtype is None or dtype is None:
        return Skip(node, reasons.UNKNOWN_SHAPE, "the type of a zero point")
    if (x_dtype, operands.weight.dtype) == INEXACT and not context.unverifiable:
        return Skip(node, reasons.NO_EQUAL_KERNEL, "int8 activations with uint8 weights")
    if bias is not None and context.shapes.shape(bias) != (Size.of(layer.contraction.out_features),):
        return Skip(node, reasons.NO_EQUAL_KERNEL, "its C is not one number for each output")
    after = (w_scale, w_zero, y_scale, y_zero, *([] if bias is None else [bias]))
    keeps_order = may_saturate(x_dtype, operands, context) and not context.unverifiable
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
    if any(not is_scalar(v, context) for v in scalars):
        return "the activation has more than one scale or zero point"
    for value in (w_scale, w_zero):
        shape = context.shapes.shape(value)
        if shape is None or len(shape) > 1 or any(size.static is None for size in shape):
            return "the scale of the weight is neither one number nor one for each output"
    if not one_zero_point(w_zero, context):
        return "the zero points of the weight differ"
    return None
