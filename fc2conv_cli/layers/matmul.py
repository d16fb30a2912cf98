"""MatMul with one constant operand: activations of any rank, weights of any rank.

A batch axis of the weight that the activation shares picks a matrix for each entry: a grouped convolution. One
that the activation lacks makes more outputs of the same input: more out channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import onnx_ir as ir

from fc2conv_cli.contraction import Contraction
from fc2conv_cli.layers import reasons
from fc2conv_cli.layers.context import Context, Operands
from fc2conv_cli.records import FullyConnected, Skip
from fc2conv_cli.sizes import ONE, Shape, Size, shape_of
from fc2conv_cli.views import Axis, axis


def match(node: ir.Node, context: Context) -> FullyConnected | Skip:
    """Read a MatMul node as a fully connected layer."""
    operands = context.operands(node)
    return operands if isinstance(operands, Skip) else product(node, operands)


def product(node: ir.Node, operands: Operands) -> FullyConnected | Skip:
    """The layer of a product as numpy's matmul defines it, whatever the type of its elements."""
    x, shape, weight, weight_is_left = operands
    contraction = product_axes(shape, shape_of(weight.shape), weight_is_left=weight_is_left)
    if isinstance(contraction, tuple):
        return Skip(node, *contraction)
    return FullyConnected(node, node.op_type, x, node.outputs[0], weight, contraction, absorbed=(node,))


@cache
def product_axes(x: Shape, w: Shape, *, weight_is_left: bool) -> Contraction | tuple[reasons.Reason, str]:
    """The axes of ``x @ w`` (or ``w @ x``) in shared factors, or why there is no layer."""
    if not x or not w:
        return reasons.INVALID_SHAPES, "a MatMul takes no scalars"
    x_batch, position, x_summed = _matrix(x, summed_first=weight_is_left)
    w_batch, out, summed = _matrix(w, summed_first=not weight_is_left)
    if x_summed.static is not None and x_summed != summed:
        return reasons.INVALID_SHAPES, f"{x_summed} features meet a weight for {summed}"
    k, n, m = axis("k", summed), axis("n", position or ONE), axis("m", out or ONE)
    batches = _batches(x_batch, w_batch)
    if isinstance(batches, tuple):
        return batches
    x_axes = (*batches.x, *_ordered(n, k, weight_is_left, position is not None))
    w_axes = (*batches.w, *_ordered(m, k, not weight_is_left, out is not None))
    ends = [(n, position), (m, out)] if not weight_is_left else [(m, out), (n, position)]
    y_axes = (*batches.y, *(a for a, size in ends if size is not None))
    positions = (*batches.positions, *([n] if position is not None else []))
    if weight_is_left and len(positions) == 1:
        positions = ((), *positions)  # columns are tokens beside each other, not a batch
    return Contraction(x_axes, w_axes, y_axes, positions)


def _matrix(shape: Sequence[Size], *, summed_first: bool) -> tuple[Sequence[Size], Size | None, Size]:
    """The batch dims, the dim that stays (None for a vector) and the summed dim of an operand."""
    if len(shape) == 1:
        return (), None, shape[0]
    kept, summed = (shape[-1], shape[-2]) if summed_first else (shape[-2], shape[-1])
    return shape[:-2], kept, summed


def _ordered(kept: Axis, summed: Axis, summed_first: bool, is_matrix: bool) -> tuple[Axis, ...]:
    if not is_matrix:
        return (summed,)
    return (summed, kept) if summed_first else (kept, summed)


class _Batches:
    """The leading axes of x, w and y as broadcasting pairs them."""

    def __init__(self) -> None:
        self.x: list[Axis] = []
        self.w: list[Axis] = []
        self.y: list[Axis] = []
        self.positions: list[Axis] = []


def _batches(x: Sequence[Size], w: Sequence[Size]) -> _Batches | tuple[reasons.Reason, str]:
    batches = _Batches()
    rank = max(len(x), len(w))
    for i in range(rank):
        from_x, from_w = i - (rank - len(x)), i - (rank - len(w))
        ours = x[from_x] if from_x >= 0 else ONE
        theirs = w[from_w] if from_w >= 0 else ONE
        if not theirs.is_one and ours.static is None:
            return reasons.AMBIGUOUS_BROADCAST, f"{ours} against {theirs}"
        if not theirs.is_one and not ours.is_one and ours != theirs:
            return reasons.INVALID_SHAPES, f"a batch of {ours} meets a batch of {theirs}"
        shared = axis(f"b{i}", ours if theirs.is_one else theirs)
        x_axis = () if ours.is_one else shared
        w_axis = () if theirs.is_one else shared
        if from_x >= 0:
            batches.x.append(x_axis)
        if from_w >= 0:
            batches.w.append(w_axis)
        batches.y.append(shared)
        batches.positions.append(() if w_axis else x_axis)
    return batches
