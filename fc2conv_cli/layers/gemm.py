"""Gemm: ``alpha * A' @ B' + beta * C`` with a constant B; ' is an optional transposition."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import onnx_ir as ir

from fc2conv_cli.contraction import Contraction
from fc2conv_cli.layers import reasons
from fc2conv_cli.layers.context import Context, Operands
from fc2conv_cli.layers.per_channel import per_channel
from fc2conv_cli.layers.qdq import integer_bias
from fc2conv_cli.layers.scale import scaled, survives
from fc2conv_cli.records import Addend, FullyConnected, Skip
from fc2conv_cli.sizes import Size
from fc2conv_cli.views import axis


def match(node: ir.Node, context: Context) -> FullyConnected | Skip:
    """Read a Gemm node (opset 1 to 25) with one constant factor as a fully connected layer.

    Its C may be absent, scalar, or broadcast to (M, N) in any way; a C that is constant along positions is a bias. A
    constant C is scaled by beta here, exactly as the node would.
    """
    operands = context.operands(node)
    layer = operands if isinstance(operands, Skip) else product(node, operands)
    c = node.inputs[2] if len(node.inputs) > 2 else None
    if c is not None and c.is_graph_input() and c.graph in context.function_graphs:
        return Skip(node, reasons.WEIGHT_IS_ARGUMENT, "or its C, which a call may also leave out")
    return layer if isinstance(layer, Skip) else _with_c(layer, context)


def product(node: ir.Node, operands: Operands) -> FullyConnected | Skip:
    """The layer without its C: the product of two matrices, transposed as the node's attributes say."""
    x, shape, weight, weight_is_left = operands
    if len(shape) != 2 or len(weight.shape) != 2:
        return Skip(node, reasons.INVALID_SHAPES, "a Gemm multiplies matrices")
    # Whether the rows are summed, for each operand: A is (M, K) and B is (K, N) unless transposed.
    a_sums_rows, b_sums_rows = bool(node.attributes.get_int("transA", 0)), not node.attributes.get_int("transB", 0)
    x_sums_rows, w_sums_rows = (b_sums_rows, a_sums_rows) if weight_is_left else (a_sums_rows, b_sums_rows)
    k, outs = weight.shape if w_sums_rows else weight.shape[::-1]
    features, positions = shape if x_sums_rows else shape[::-1]
    if features.static not in (None, k):
        return Skip(node, reasons.INVALID_SHAPES, f"{features} features meet a weight for {k}")
    axes = _axes((k, outs, positions), x_sums_rows, w_sums_rows, weight_is_left)
    alpha = node.attributes.get_float("alpha", 1.0)
    return FullyConnected(node, node.op_type, x, node.outputs[0], weight, axes, alpha=alpha, absorbed=(node,))


@cache
def _axes(sizes: tuple[int, int, Size], x_sums_rows: bool, w_sums_rows: bool, weight_is_left: bool) -> Contraction:
    """The axes of x, w and y for the sizes of the features, the outputs and the positions."""
    features, outs, positions = sizes
    k, m, n = axis("k", Size.of(features)), axis("m", Size.of(outs)), axis("n", positions)
    return Contraction(
        x=(k, n) if x_sums_rows else (n, k),
        w=(k, m) if w_sums_rows else (m, k),
        y=(m, n) if weight_is_left else (n, m),
        positions=((), n) if weight_is_left else (n,),
    )


def _with_c(layer: FullyConnected, context: Context) -> FullyConnected:
    c = layer.node.inputs[2] if len(layer.node.inputs) > 2 else None
    beta = layer.node.attributes.get_float("beta", 1.0)
    if c is None or beta == 0:
        return layer
    constant = context.constants.find(c)
    array = None if constant is None else per_channel(context.constants.array(constant), layer.contraction)
    if array is None and (layer.alpha, beta) == (1, 1) and (found := integer_bias(c, layer, context)) is not None:
        return replace(layer, bias=found.integers, bias_scale=found.dequantization)
    if array is None:
        return replace(layer, addend=Addend(c, beta))
    if beta != 1 and not survives(array, beta):
        return replace(layer, addend=Addend(c, beta))
    return replace(layer, bias=array if beta == 1 else scaled(array, beta))
