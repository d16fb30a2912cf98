"""Constants stored as integers: what a DequantizeLinear of constants says, as the layer behind it sees it.

The integers are what moves. The scale follows by its factors: each of its axes is made of factors of the integers'
axes, in whatever order and grouping layout ops between DequantizeLinear and layer leave them.
https://onnx.ai/onnx/operators/onnx__DequantizeLinear.html: one scale for all, one for each index of `axis`, or (from
opset 21 on) one for each block of `block_size` elements along `axis`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from fc2conv_cli.layout.nodes import view_of
from fc2conv_cli.sizes import Size, product, shape_of
from fc2conv_cli.views import Axis, Factor, View, axis

if TYPE_CHECKING:
    from fc2conv_cli.constants import Constant, Constants
    from fc2conv_cli.shapes import Shapes

Array = npt.NDArray[np.generic]

DOMAINS = frozenset({"", "com.microsoft"})
"""Where QuantizeLinear and DequantizeLinear live; onnxruntime's own take 4 and 16 bits before the standard's did."""


@dataclass(frozen=True)
class Dequantization:
    """``(integer - zero_point) * scale``, by a DequantizeLinear of its own.

    Attributes:
        scale: One number, or an array of the axes `scale_axes`.
        zero_point: Of the same shape and of the integers' type; None for 0.
        axes: Axes of the integers, as the layer sees them.
        scale_axes: Axes of the scale, in the same factors; none for a scalar.
        dtype: Type of the result.
        domain: Domain of the operator.
        output_dtype: The operator's attribute of that name; 0 when the file does not give it.
    """

    scale: Array
    zero_point: Array | None
    axes: tuple[Axis, ...]
    scale_axes: tuple[Axis, ...]
    dtype: ir.DataType
    domain: str = ""
    output_dtype: int = 0


def spread(array: Array, have: Sequence[Axis], want: Sequence[Axis]) -> Array:
    """Repeat an array along the factors that it lacks.

    Args:
        array: An array of the axes `have`, all of whose factors are in `want`.
        have: Its axes.
        want: The axes of the result.
    """
    labels = {f.label for a in have for f in a}
    flat = [f for a in want for f in a]
    moved = View(tuple(have), tuple((f,) for f in flat if f.label in labels)).apply(array)
    sizes = [product([f.size]).static or 1 for f in flat]
    moved = moved.reshape([size if f.label in labels else 1 for f, size in zip(flat, sizes, strict=True)])
    shape = [product(f.size for f in a).static or 1 for a in want]
    return np.broadcast_to(moved, sizes).reshape(shape)


def read(value: ir.Value, constants: Constants, shapes: Shapes) -> Constant | str | None:
    """A value that DequantizeLinear computes of constants, perhaps through layout ops.

    Returns:
        The integers as the value's reader sees them, with their `dequantization`; why they cannot be read; or None when
        the value is no such thing.
    """
    views: list[View] = []
    while (node := value.producer()) is not None and (view := view_of(node, shapes)) is not None:
        views.append(view)
        source = node.inputs[0]
        assert source is not None  # or it would have no view
        value = source
    if node is None or node.op_type != "DequantizeLinear" or node.domain not in DOMAINS:
        return None
    stored, scale, zero_point = (node.inputs[i] if i < len(node.inputs) else None for i in range(3))
    if stored is None or scale is None or not constants.is_constant(stored):
        return None
    if any(attribute.is_ref() for attribute in node.attributes.values()):
        return "an attribute of its DequantizeLinear is one of a function"
    integers, scales = constants.find(stored), constants.find(scale)
    zeros = None if zero_point is None else constants.find(zero_point)
    if integers is None or scales is None or (zero_point is not None and zeros is None):
        return "its scale or zero point is not constant"
    return _placed(node, integers, constants.array(scales), None if zeros is None else constants.array(zeros), views)


def _placed(
    node: ir.Node, integers: Constant, scale: Array, zero_point: Array | None, views: Sequence[View]
) -> Constant | str:
    """The integers as seen through the views behind the DequantizeLinear (last one first), with their scale."""
    stored = _stored_axes(node, integers.shape, scale.shape)
    if isinstance(stored, str):
        return stored
    axes, block = stored
    whole: View | None = View(axes, axes)
    for view in reversed(views):
        whole = None if whole is None else whole.then(view)
    if whole is None:
        return "a Reshape behind its DequantizeLinear cuts across its axes"
    scalar = scale.size == 1 and scale.ndim <= 1
    if zero_point is not None and zero_point.shape != scale.shape and not (scalar and zero_point.size == 1):
        return "its scale and its zero point differ in shape"
    output_dtype = node.attributes.get_int("output_dtype", 0)
    dequantization = Dequantization(
        scale.reshape(()) if scalar else scale,
        zero_point.reshape(()) if scalar and zero_point is not None else zero_point,
        whole.target,
        () if scalar else _scale_axes(node, whole.source, block, scale.ndim),
        ir.DataType(output_dtype) if output_dtype else ir.DataType.from_numpy(scale.dtype),
        node.domain,
        output_dtype,
    )
    shape = tuple(size.static or 0 for size in whole.target_shape)
    seen = (*integers.views, *reversed(views))
    return replace(integers, views=seen, shape=shape, dequantization=dequantization)


def _stored_axes(node: ir.Node, shape: Sequence[int], scale: Sequence[int]) -> tuple[tuple[Axis, ...], int] | str:
    """The axes of the integers, the blocked one cut in two; and the block size, 0 without blocks."""
    axes = [axis(f"q{i}", size) for i, size in enumerate(shape_of(shape))]
    block = node.attributes.get_int("block_size", 0)
    if len(scale) <= 1 and not block:
        at = _axis(node, len(shape))
        fits = len(scale) == 0 or scale[0] == 1 or (0 <= at < len(shape) and shape[at] == scale[0])
        return (tuple(axes), 0) if fits else "its scale does not fit its axis"
    at = _axis(node, len(shape))
    if not 0 <= at < len(shape) or len(scale) != len(shape) or block <= 0:
        return "its scale does not fit its axis"
    if shape[at] % block or [n * (block if i == at else 1) for i, n in enumerate(scale)] != list(shape):
        return "its last block is not whole"
    cut = (Factor(f"q{at}.0", Size.of(shape[at] // block)), Factor(f"q{at}.1", Size.of(block)))
    axes[at] = tuple(f for f in cut if not f.size.is_one)
    return tuple(axes), block


def _axis(node: ir.Node, rank: int) -> int:
    at = node.attributes.get_int("axis", 1)
    return at + rank if at < 0 else at


def _scale_axes(node: ir.Node, stored: Sequence[Axis], block: int, rank: int) -> tuple[Axis, ...]:
    """The axes of the scale: the one that it has numbers for, or all with the inner part of the blocked one gone."""
    at = _axis(node, len(stored))
    if rank <= 1 and not block:
        return (stored[at],)
    outer, inner = list(stored[at]), Size()
    while outer and inner != Size.of(block):
        inner = inner * outer.pop().size
    return tuple(tuple(outer) if i == at else a for i, a in enumerate(stored))
