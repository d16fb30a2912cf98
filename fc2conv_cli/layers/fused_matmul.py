"""FusedMatMul of onnxruntime: a MatMul that may read its operands transposed, times alpha.

https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.FusedMatMul: transA and transB
swap the last two axes; transBatchA and transBatchB say that the first axis is stored before the batch axes though it
belongs behind them, ``(M, batch..., K)``. They are a view of either operand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import onnx_ir as ir

from fc2conv_cli.layers.context import Context
from fc2conv_cli.layers.matmul import product_axes
from fc2conv_cli.records import FullyConnected, Skip
from fc2conv_cli.sizes import shape_of

_T = TypeVar("_T")


def match(node: ir.Node, context: Context) -> FullyConnected | Skip:
    """Read a FusedMatMul node as a fully connected layer."""
    operands = context.operands(node)
    if isinstance(operands, Skip):
        return operands
    x, shape, weight, weight_is_left = operands
    x_order = _order(node, "B" if weight_is_left else "A", len(shape))
    w_order = _order(node, "A" if weight_is_left else "B", len(weight.shape))
    stored = shape_of(weight.shape)
    x_dims, w_dims = tuple(shape[i] for i in x_order), tuple(stored[i] for i in w_order)
    contraction = product_axes(x_dims, w_dims, weight_is_left=weight_is_left)
    if isinstance(contraction, tuple):
        return Skip(node, *contraction)
    contraction = replace(contraction, x=_as_stored(contraction.x, x_order), w=_as_stored(contraction.w, w_order))
    alpha = node.attributes.get_float("alpha", 1.0)
    return FullyConnected(node, "FusedMatMul", x, node.outputs[0], weight, contraction, alpha=alpha, absorbed=(node,))


def _order(node: ir.Node, operand: str, rank: int) -> list[int]:
    """By axis of the operand as MatMul would read it: the axis of the operand as it is stored."""
    order = list(range(rank))
    if rank < 2:
        return order
    if node.attributes.get_int(f"transBatch{operand}", 0):
        order = [*order[1:-1], order[0], order[-1]]
    if node.attributes.get_int(f"trans{operand}", 0):
        order[-2:] = order[-1], order[-2]
    return order


def _as_stored(axes: Sequence[_T], order: Sequence[int]) -> tuple[_T, ...]:
    return tuple(axes[order.index(i)] for i in range(len(order)))
