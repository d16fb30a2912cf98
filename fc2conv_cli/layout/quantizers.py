"""QuantizeLinear and DequantizeLinear of activations: elementwise, so that any layout passes through them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from fc2conv_cli.dequantization import DOMAINS
from fc2conv_cli.shapes import Shapes

_OP_TYPES = frozenset({"QuantizeLinear", "DequantizeLinear"})


def is_quantizer(node: ir.Node, shapes: Shapes) -> bool:
    """Whether a node quantises or dequantises a whole tensor with one scale."""
    if node.op_type not in _OP_TYPES or node.domain not in DOMAINS or len(node.inputs) < 2:
        return False
    if any(attribute.is_ref() for attribute in node.attributes.values()):
        return False
    shape = None if node.inputs[1] is None else shapes.shape(node.inputs[1])
    return shape is not None and len(shape) <= 1 and all(size.is_one for size in shape)


def result_dtype(node: ir.Node, shapes: Shapes) -> ir.DataType | None:
    """The type of a quantizer's result, from its operands: inference does not know onnxruntime's own operators."""
    given: int = node.attributes.get_int("output_dtype", 0)
    if given:
        return ir.DataType(given)
    if node.op_type == "DequantizeLinear":
        return None if node.inputs[1] is None else shapes.dtype(node.inputs[1])
    zero_point = node.inputs[2] if len(node.inputs) > 2 else None
    return ir.DataType.UINT8 if zero_point is None else shapes.dtype(zero_point)


def source_dtype(node: ir.Node, shapes: Shapes) -> ir.DataType | None:
    """The type of what a quantizer reads."""
    operand = 1 if node.op_type == "QuantizeLinear" else 2
    value = node.inputs[operand] if len(node.inputs) > operand else node.inputs[0]
    return None if value is None else shapes.dtype(value)


def undoes(quantize: ir.Node, dequantize: ir.Node) -> bool:
    """Whether ``quantize(dequantize(q)) == q`` for every q: both have the same scale and zero point.

    In float32 ``(q - zero_point) * scale / scale`` is within two roundings of an integer below 2**17, so that it rounds
    to that integer; a scale that is subnormal or NaN loses it, and one that is so large that the product overflows.
    """
    if quantize.op_type != "QuantizeLinear" or dequantize.op_type != "DequantizeLinear":
        return False
    if quantize.domain != dequantize.domain:
        return False
    tensors = [[_constant(node, i) for i in (1, 2)] for node in (quantize, dequantize)]
    (ours, our_zero), (theirs, their_zero) = tensors
    if ours is None or theirs is None or our_zero is None or their_zero is None:
        return False
    limits = np.finfo(np.float32)
    if ours.dtype != np.float32 or not ((ours >= limits.tiny) & (ours <= limits.max / 2**17)).all():
        return False
    same_type = our_zero.dtype == their_zero.dtype and ours.dtype == theirs.dtype
    return bool(same_type and np.array_equal(ours, theirs) and np.array_equal(our_zero, their_zero))


def _constant(node: ir.Node, index: int) -> npt.NDArray[np.generic] | None:
    value = node.inputs[index] if index < len(node.inputs) else None
    if value is None or value.is_graph_input():
        return None  # an input may be overridden
    tensor = ir.convenience.get_const_tensor(value)
    return None if tensor is None else tensor.numpy().reshape(-1)
