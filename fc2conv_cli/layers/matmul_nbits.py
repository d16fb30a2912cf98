"""MatMulNBits of onnxruntime: a weight of 4 or 8 bits in blocks, which DequantizeLinear of opset 21 can say too."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from fc2conv_cli.constants import Constant
from fc2conv_cli.dequantization import Dequantization
from fc2conv_cli.layers import reasons
from fc2conv_cli.layers.context import FLOATS, Context
from fc2conv_cli.layers.matmul import product_axes
from fc2conv_cli.layers.per_channel import per_channel
from fc2conv_cli.records import Addend, FullyConnected, Skip
from fc2conv_cli.sizes import Size, shape_of
from fc2conv_cli.views import axis

Array = npt.NDArray[np.generic]

_TYPES = {4: ir.DataType.UINT4, 8: ir.DataType.UINT8}
_FIRST_BLOCKED_OPSET = 21
_INT8_ACTIVATIONS = 4
"""The accuracy_level that lets the kernel quantise the activation to int8."""


class _Packed(NamedTuple):
    """The attributes: K, N, bits and block_size of the operator."""

    in_features: int
    out_features: int
    bits: int
    block_size: int

    @property
    def blocks(self) -> int:
        return self.in_features // self.block_size


def match(node: ir.Node, context: Context) -> FullyConnected | Skip:
    """Read MatMulNBits(A, B, scales, zero_points, g_idx, bias) as a fully connected layer.

    https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.MatMulNBits: B holds N
    rows of K / block_size blocks, the low bits of a byte first, and so does zero_points; without it the zero point is
    in the middle.
    """
    x, shape = node.inputs[0], None if node.inputs[0] is None else context.shapes.shape(node.inputs[0])
    if x is None or shape is None:
        return Skip(node, reasons.UNKNOWN_SHAPE, "its activation")
    packed = _Packed(*(node.attributes.get_int(name, 0) for name in ("K", "N", "bits", "block_size")))
    packed = packed._replace(bits=packed.bits or 4)
    if context.opset < _FIRST_BLOCKED_OPSET:
        return Skip(node, reasons.UNSUPPORTED_OP, "a DequantizeLinear in blocks needs opset 21")
    if (problem := _why_not(node, packed, context)) is not None:
        return Skip(node, reasons.QUANTIZED_WEIGHT, problem)
    weight = _weight(node, packed, context)
    if isinstance(weight, str):
        return Skip(node, reasons.QUANTIZED_WEIGHT, weight)
    contraction = product_axes(shape, shape_of(weight.shape[::-1]), weight_is_left=False)
    if isinstance(contraction, tuple):
        return Skip(node, *contraction)
    contraction = replace(contraction, w=contraction.w[::-1])
    layer = FullyConnected(node, "MatMulNBits", x, node.outputs[0], weight, contraction, absorbed=(node,))
    return _with_bias(layer, context)


def _why_not(node: ir.Node, packed: _Packed, context: Context) -> str | None:
    if packed.bits not in _TYPES:
        return f"it has {packed.bits} bits"
    if packed.block_size <= 0 or packed.in_features % packed.block_size:
        return "its last block is not whole"
    if node.attributes.get_int("accuracy_level", 0) == _INT8_ACTIVATIONS:
        return "its accuracy_level of 4 rounds the activation to int8"
    if (order := _input(node, 4)) is not None and not _in_order(_array(order, context), packed):
        return "its g_idx puts features into blocks out of order"
    return None


def _in_order(g_idx: Array | None, packed: _Packed) -> bool:
    """Whether g_idx says what holds without it: feature k is in block k // block_size."""
    return g_idx is not None and np.array_equal(g_idx, np.arange(packed.in_features) // packed.block_size)


def _weight(node: ir.Node, packed: _Packed, context: Context) -> Constant | str:
    stored, scales, zeros = (_array(_input(node, i), context) for i in (1, 2, 3))
    if stored is None or scales is None or (zeros is None and _input(node, 3) is not None):
        return "its weight, scales or zero points are not constant"
    if ir.DataType.from_numpy(scales.dtype) not in FLOATS:
        return f"its scales are {scales.dtype}"
    n, k, bits, block = packed.out_features, packed.in_features, packed.bits, packed.block_size
    if stored.size * 8 != n * k * bits or scales.size != n * packed.blocks:
        return "its weight or scales do not have the size that its attributes say"
    zero_point = _zero_points(zeros, packed)
    if zero_point is None:
        return "its zero points are floats, or not as many as it has blocks"
    dtype = _TYPES[bits]
    outer, inner = axis("k.0", Size.of(packed.blocks)), axis("k.1", Size.of(block))
    rows = axis("m", Size.of(n))
    dequantization = Dequantization(
        scales.reshape(n, packed.blocks),
        zero_point,
        (rows, outer + inner),
        (rows, outer),
        ir.DataType.from_numpy(scales.dtype),
    )
    weight = _input(node, 1)
    assert weight is not None  # `stored` came from it
    data = stored.reshape(-1)
    tensor = ir.PackedTensor(data, dtype, shape=[n, k]) if bits == 4 else ir.tensor(data.reshape(n, k))
    origin = ir.Value(name=weight.name, const_value=tensor)
    return Constant(origin, (), (n, k), dtype, dequantization)


def _zero_points(zeros: Array | None, packed: _Packed) -> Array | None:
    shape = (packed.out_features, packed.blocks)
    dtype = _TYPES[packed.bits]
    if zeros is None:
        return np.full(shape, 2 ** (packed.bits - 1), np.uint8).astype(dtype.numpy())
    width = -(-packed.blocks * packed.bits // 8)
    if zeros.dtype != np.uint8 or zeros.size != packed.out_features * width:
        return None
    if packed.bits == 8:
        return zeros.reshape(shape)
    whole = ir.PackedTensor(zeros.reshape(-1), dtype, shape=[packed.out_features, 2 * width]).numpy()
    return whole[:, : packed.blocks]


def _with_bias(layer: FullyConnected, context: Context) -> FullyConnected:
    bias = _input(layer.node, 5)
    if bias is None:
        return layer
    array = _array(bias, context)
    found = None if array is None else per_channel(array, layer.contraction)
    return replace(layer, addend=Addend(bias, 1.0)) if found is None else replace(layer, bias=found)


def _array(value: ir.Value | None, context: Context) -> Array | None:
    constant = None if value is None else context.constants.find(value)
    return None if constant is None else context.constants.array(constant)


def _input(node: ir.Node, index: int) -> ir.Value | None:
    return node.inputs[index] if index < len(node.inputs) else None
