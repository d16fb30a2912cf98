"""In which layouts each operator can work: small declarations, one for each family.

A rule takes a node and the layout of one of its values and says in which layouts the others then are, and what must
change in the node. An operator that is not listed works on values as the file stores them, and nothing else: opaque and
safe.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from fc2conv_cli.constants import Constants
from fc2conv_cli.layout.layouts import (
    Layout,
    before,
    broadcast,
    broadcasts,
    filled,
    logical,
    place,
    reduced,
    resized,
    through,
)
from fc2conv_cli.layout.nodes import view_of
from fc2conv_cli.layout.quantizers import is_quantizer
from fc2conv_cli.shapes import Shapes
from fc2conv_cli.sizes import Shape, Size

Array = npt.NDArray[np.generic]


@dataclass(frozen=True)
class Change:
    """How a node works in the layouts that a rule says.

    Attributes:
        reads: A layout for each input; None for one that is read as it is (a constant that the node needs so).
        writes: A layout for each output.
        attributes: Attributes to set.
        operands: Constants to replace inputs with, by their place.
        vanishes: Whether the node goes: its output is its input.
        normalizes: For a LayerNormalization that is written as simpler nodes: the stored axis that it is over.
        dims: For a Shape node: the dims that it gives; each is static or one of the stored dims.
    """

    reads: tuple[Layout | None, ...]
    writes: tuple[Layout | None, ...]
    attributes: Mapping[str, int | list[int]] = field(default_factory=dict)
    operands: Mapping[int, Array] = field(default_factory=dict)
    vanishes: bool = False
    normalizes: int | None = None
    dims: tuple[Size, ...] | None = None


@dataclass(frozen=True)
class Facts:
    """What a rule may ask about the model.

    Attributes:
        shapes: Shapes of all values.
        constants: Which values are constant.
        opset: Version of the default operator set.
        decompose: Whether LayerNormalization may be written as simpler nodes.
    """

    shapes: Shapes
    constants: Constants
    opset: int
    decompose: bool = False

    def shape(self, value: ir.Value | None) -> Shape | None:
        """The shape of a value; None if unknown."""
        return None if value is None else self.shapes.shape(value)

    def array(self, node: ir.Node, index: int) -> Array | None:
        """A constant operand; None if the node has none there."""
        value = node.inputs[index] if index < len(node.inputs) else None
        constant = None if value is None else self.constants.find(value)
        return None if constant is None else self.constants.array(constant)


Rule = Callable[[ir.Node, Layout, "Facts"], Change | None]
"""From the layout of the largest value of a node, the one that all others are part of."""


def _elementwise(node: ir.Node, layout: Layout, facts: Facts) -> Change | None:
    """Any layout; operands that broadcast have the axes that they have, constants are rearranged."""
    if any(value.uses() or value.is_graph_output() for value in node.outputs[1:]):
        return None  # the mask of a Dropout
    if not any(layout.source):
        return None  # a single number: it takes its rank from operands that are left as they are
    reads: list[Layout | None] = []
    operands: dict[int, Array] = {}
    for i, value in enumerate(node.inputs):
        found = None if value is None else _operand(node, i, value, layout, facts)
        if value is not None and found is None:
            return None
        read, array = found or (None, None)
        reads.append(read)
        if array is not None:
            operands[i] = array
    return Change(tuple(reads), (layout, *(None for _ in node.outputs[1:])), operands=operands)


def _operand(
    node: ir.Node, i: int, value: ir.Value, layout: Layout, facts: Facts
) -> tuple[Layout | None, Array | None] | None:
    """How an operand is read, and what a constant is replaced by; None if it does not fit."""
    shape = facts.shape(value)
    own = None if shape is None else broadcast(layout, shape)
    if own is None or shape is None:
        return None
    number = all(size.is_one for size in shape) and len(shape) <= len(layout.target)
    if not facts.constants.is_constant(value):
        if number:
            return logical(shape), None
        return (own, None) if broadcasts(own, layout) else None
    if number:
        return None, None
    array = facts.array(node, i)
    stored = None if array is None else filled(array, own, layout)
    return None if stored is None else (None, stored)


def _quantizer(node: ir.Node, layout: Layout, facts: Facts) -> Change | None:
    """One scale: any layout. A scale for each index of an axis: that axis whole, and renumbered."""
    rest = tuple(None for _ in node.inputs[1:])
    if is_quantizer(node, facts.shapes):
        return Change((layout, *rest), (layout,))
    found = None if "block_size" in node.attributes else _axis(node, layout, default=1)
    return None if found is None else Change((layout, *rest), (layout,), {"axis": found.stored})


class _Axis(NamedTuple):
    """The axis of a node: as the file means it, and where it is stored."""

    meant: int
    stored: int


def _axis(node: ir.Node, layout: Layout, default: int = 0) -> _Axis | None:
    """The `axis` of a node; None unless it is stored whole."""
    rank, axis = len(layout.source), node.attributes.get_int("axis", default)
    at = place(layout, axis % rank) if -rank <= axis < rank else None
    return None if at is None else _Axis(axis % rank, at)


def _along_axis(default: int) -> Rule:
    """Softmax and its like: the axis stored whole, and renumbered."""

    def rule(node: ir.Node, layout: Layout, facts: Facts) -> Change | None:
        found = None if facts.opset < _FIRST_SOFTMAX_OF_ONE_AXIS else _axis(node, layout, default)
        return None if found is None else Change((layout,), (layout,), {"axis": found.stored})

    return rule


def _batch_normalization(node: ir.Node, layout: Layout, facts: Facts) -> Change | None:
    """The channels must stay axis 1."""
    training: int = node.attributes.get_int("training_mode", 0)
    if len(layout.source) < 2 or place(layout, 1) != 1 or training:
        return None
    if len(node.outputs) > 1 or facts.opset < _FIRST_BROADCAST_OPSET:
        return None
    return Change((layout, *(None for _ in node.inputs[1:])), (layout,))


def _reduce(node: ir.Node, layout: Layout, facts: Facts) -> Change | None:
    """Reductions over axes that are stored whole; those that go from the shape stay in memory, with size 1."""
    rank = len(layout.source)
    given = node.attributes.get("axes")
    array = facts.array(node, 1) if len(node.inputs) > 1 and node.inputs[1] is not None else None
    if given is None and array is None:
        return _reduce_all(node, layout)
    axes = [int(a) for a in (given.as_ints() if given is not None else np.asarray(array).reshape(-1))]
    if not axes or any(not -rank <= a < rank for a in axes):
        return None
    axes = [a % rank for a in axes]
    places = [place(layout, a) for a in axes]
    if None in places:
        return None
    keepdims = bool(node.attributes.get_int("keepdims", 1))
    stored = np.array(sorted(p for p in places if p is not None), np.int64)
    written = reduced(layout, axes, keepdims=keepdims)
    if given is not None:
        return Change((layout,), (written,), {"keepdims": 1, "axes": stored.tolist()})
    return Change((layout, None), (written,), {"keepdims": 1}, {1: stored})


def _reduce_all(node: ir.Node, layout: Layout) -> Change | None:
    """Over every axis there is, whatever they are."""
    if node.attributes.get_int("noop_with_empty_axes", 0) or any(v is not None for v in node.inputs[1:]):
        return None
    keepdims = bool(node.attributes.get_int("keepdims", 1))
    written = reduced(layout, range(len(layout.source)), keepdims=keepdims)
    return Change((layout, *(None for _ in node.inputs[1:])), (written,), {"keepdims": 1})


def _arg(node: ir.Node, layout: Layout, facts: Facts) -> Change | None:
    """ArgMax and ArgMin: a reduction over one axis."""
    found = _axis(node, layout)
    if found is None:
        return None
    keepdims = bool(node.attributes.get_int("keepdims", 1))
    written = reduced(layout, [found.meant], keepdims=keepdims)
    return Change((layout,), (written,), {"axis": found.stored, "keepdims": 1})


def _concat(node: ir.Node, layout: Layout, facts: Facts) -> Change | None:
    """Every operand in the arrangement of the result."""
    found = _axis(node, layout)
    reads = None if found is None else _alike(node.inputs, layout, found.meant, facts)
    return None if found is None or reads is None else Change(reads, (layout,), {"axis": found.stored})


def _split(node: ir.Node, layout: Layout, facts: Facts) -> Change | None:
    """Every part in the arrangement of the whole."""
    found = _axis(node, layout)
    writes = None if found is None else _alike(node.outputs, layout, found.meant, facts)
    rest = tuple(None for _ in node.inputs[1:])
    return None if found is None or writes is None else Change((layout, *rest), writes, {"axis": found.stored})


def _alike(values: Iterable[ir.Value | None], layout: Layout, axis: int, facts: Facts) -> tuple[Layout, ...] | None:
    """The layouts of values that differ from the one in `layout` along one axis."""
    found: list[Layout] = []
    for value in values:
        shape = facts.shape(value)
        own = None if shape is None or len(shape) != len(layout.source) else resized(layout, axis, shape)
        if own is None:
            return None
        found.append(own)
    return tuple(found)


def _slice(node: ir.Node, layout: Layout, facts: Facts) -> Change | None:
    """Slices along axes that are stored whole."""
    rank, shape = len(layout.source), facts.shape(node.outputs[0])
    axes = facts.array(node, 3) if len(node.inputs) > 3 else None
    if axes is None or shape is None or len(shape) != rank:
        return None
    places: list[int] = []
    written: Layout | None = layout
    for axis in (int(a) % rank for a in axes.reshape(-1)):
        at = place(layout, axis)
        written = None if written is None or at is None else resized(written, axis, shape)
        if at is None or written is None:
            return None
        places.append(at)
    rest = tuple(None for _ in node.inputs[1:])
    assert written is not None
    return Change((layout, *rest), (written,), operands={3: np.array(places, axes.dtype)})


def _gather(node: ir.Node, layout: Layout, facts: Facts) -> Change | None:
    """A constant index or list of them, along an axis that is stored whole; what one index drops stays, with size 1."""
    found, indices, shape = _axis(node, layout), facts.array(node, 1), facts.shape(node.outputs[0])
    if found is None or indices is None or shape is None or indices.ndim > 1:
        return None
    if indices.ndim == 1:
        taken = resized(layout, found.meant, shape)
        return None if taken is None else Change((layout, None), (taken,), {"axis": found.stored})
    written = reduced(layout, [found.meant], keepdims=False)
    return Change((layout, None), (written,), {"axis": found.stored}, {1: indices.reshape(1)})


def _top(node: ir.Node, layout: Layout, facts: Facts) -> Change | None:
    """TopK along an axis that is stored whole: the values and their indices."""
    found = None if facts.opset < _FIRST_K_AS_INPUT_OPSET else _axis(node, layout, -1)
    writes = None if found is None else _alike(node.outputs, layout, found.meant, facts)
    return None if found is None or writes is None else Change((layout, None), writes, {"axis": found.stored})


def _pad(node: ir.Node, layout: Layout, facts: Facts) -> Change | None:
    """Padding of axes that are stored whole."""
    rank, shape, pads = len(layout.source), facts.shape(node.outputs[0]), facts.array(node, 1)
    given = node.inputs[3] if len(node.inputs) > 3 else None
    axes = np.arange(rank) if given is None else facts.array(node, 3)
    if facts.opset < _FIRST_PADS_AS_INPUT_OPSET or pads is None or axes is None or shape is None or len(shape) != rank:
        return None
    meant = [int(axis) % rank for axis in axes.reshape(-1)]
    stored, written = np.zeros((2, len(layout.target)), np.int64), layout
    for i, axis in enumerate(meant):
        both = pads.reshape(2, -1)[:, i]
        if not both.any():
            continue
        at, padded = place(layout, axis), resized(written, axis, shape)
        if at is None or padded is None:
            return None
        stored[:, at], written = both, padded
    rest = tuple(None for _ in node.inputs[1:])
    more = {} if given is None else {3: np.arange(len(layout.target))}
    return Change((layout, *rest), (written,), operands={1: stored.reshape(-1), **more})


def _layout(node: ir.Node, layout: Layout, facts: Facts) -> Change | None:
    """A layout node does nothing when its output is stored as its input is."""
    view = view_of(node, facts.shapes)
    written = None if view is None else through(view, layout)
    if written is None:
        return None
    return Change((layout, *(None for _ in node.inputs[1:])), (written,), vanishes=True)


def _layer_normalization(node: ir.Node, layout: Layout, facts: Facts) -> Change | None:
    """Over the last axis alone, stored whole: as it is if nothing is stored behind it, else as simpler nodes if wished.

    LayerNormalization takes all axes from one on; behind the channels of (N, C, 1, 1) there is only size 1.
    """
    rank, axis = len(layout.source), node.attributes.get_int("axis", -1)
    at = place(layout, rank - 1) if rank else None
    if at is None or axis % rank != rank - 1 or len(node.outputs) > 1:
        return None
    rest = tuple(None for _ in node.inputs[1:])
    behind = layout.target_shape[at + 1 :]
    if all(size.is_one for size in behind):
        parameters = {i: facts.array(node, i) for i in range(1, len(node.inputs)) if node.inputs[i] is not None}
        stored = {
            i: a.reshape(-1, *(1 for _ in behind)) for i, a in parameters.items() if a is not None and a.ndim == 1
        }
        if len(stored) == len(parameters):
            return Change((layout, *rest), (layout,), {"axis": at}, stored if behind else {})
    operands = _parameters(node, layout, facts) if facts.decompose else None
    return None if operands is None else Change((layout, *rest), (layout,), operands=operands, normalizes=at)


def _parameters(node: ir.Node, layout: Layout, facts: Facts) -> dict[int, Array] | None:
    """Scale and bias of a float32 LayerNormalization, along the stored axes; None if they are not constant."""
    if node.inputs[0] is None or facts.shapes.dtype(node.inputs[0]) != ir.DataType.FLOAT:
        return None
    operands: dict[int, Array] = {}
    for i in range(1, len(node.inputs)):
        array = facts.array(node, i)
        own = None if array is None else broadcast(layout, tuple(Size.of(d) for d in array.shape))
        stored = None if array is None or own is None else filled(array, own, layout)
        if stored is None:
            return None
        operands[i] = stored
    return operands


def _shape(node: ir.Node, layout: Layout, facts: Facts) -> Change | None:
    """The shape that the file means, of what is stored in another: dims that are stored whole can be looked up."""
    start, end = node.attributes.get_int("start", 0), node.attributes.get("end")
    dims = layout.source_shape[start : None if end is None else end.as_int()]
    stored = set(layout.target_shape)
    if (
        not dims
        or node.outputs[0].is_graph_output()
        or any(size.static is None and size not in stored for size in dims)
    ):
        return None
    return Change((layout,), (None,), dims=dims)


_FIRST_BROADCAST_OPSET = 7
_FIRST_K_AS_INPUT_OPSET = 10
_FIRST_PADS_AS_INPUT_OPSET = 11
_FIRST_SOFTMAX_OF_ONE_AXIS = 13
"""Before, Softmax took all axes from `axis` on as one."""

_UNARY = (
    *("Abs", "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "Cast", "Ceil", "Celu", "Clip", "Cos", "Cosh"),
    *("Dropout", "Elu", "Erf", "Exp", "Floor", "Gelu", "HardSigmoid", "HardSwish", "Identity", "IsInf", "IsNaN"),
    *("LeakyRelu", "Log", "Mish", "Neg", "Not", "Reciprocal", "Relu", "Round", "Selu", "Shrink", "Sigmoid", "Sign"),
    *("Sin", "Sinh", "Softplus", "Softsign", "Sqrt", "Swish", "Tan", "Tanh", "ThresholdedRelu"),
)
_BROADCASTING = (
    *("Add", "And", "Div", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Max", "Mean", "Min", "Mod"),
    *("Mul", "Or", "Pow", "PRelu", "Sub", "Sum", "Where", "Xor"),
)
_REDUCTIONS = ("ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin")
_MORE_REDUCTIONS = ("ReduceProd", "ReduceSum", "ReduceSumSquare")

RULES: dict[tuple[str, str], Rule] = {
    **{("", op): _elementwise for op in (*_UNARY, *_BROADCASTING)},
    **{(domain, op): _quantizer for op in ("QuantizeLinear", "DequantizeLinear") for domain in ("", "com.microsoft")},
    **{("", op): _along_axis(-1) for op in ("Softmax", "LogSoftmax", "Hardmax")},
    **{("", op): _reduce for op in (*_REDUCTIONS, *_MORE_REDUCTIONS)},
    **{("", op): _arg for op in ("ArgMax", "ArgMin")},
    **{("", op): _layout for op in ("Reshape", "Transpose", "Flatten", "Squeeze", "Unsqueeze")},
    ("", "BatchNormalization"): _batch_normalization,
    ("", "Concat"): _concat,
    ("", "Gather"): _gather,
    ("", "LayerNormalization"): _layer_normalization,
    ("", "Pad"): _pad,
    ("", "Shape"): _shape,
    ("", "Split"): _split,
    ("", "Slice"): _slice,
    ("", "TopK"): _top,
}
"""By domain and operator."""

_FROM_OUTPUT = {_elementwise, _quantizer, _batch_normalization, _concat, _layer_normalization}
"""Rules that start from the layout of the output; the others start from that of the first input."""


def start_of(node: ir.Node, place_: tuple[bool, int], layout: Layout, facts: Facts) -> Layout | None:
    """The layout from which a node's rule starts, when one of its values is stored in a layout; None if it has none.

    Args:
        node: The node.
        place_: Whether the value is an output, and its place among the outputs or inputs.
        layout: How it is stored.
        facts: The model.
    """
    rule = RULES.get((node.domain, node.op_type))
    if rule is None or any(a.is_ref() for a in node.attributes.values()):
        return None
    if rule is _elementwise and facts.opset < _FIRST_BROADCAST_OPSET:
        return None
    return _start(rule, node, place_, layout, facts)


def change_from(node: ir.Node, start: Layout, facts: Facts) -> Change | None:
    """What a node that has a rule can do, from the layout that `start_of` gave."""
    return RULES[node.domain, node.op_type](node, start, facts)


def _start(rule: Rule, node: ir.Node, place_: tuple[bool, int], layout: Layout, facts: Facts) -> Layout | None:
    """The layout of the value that the rule starts from."""
    is_output, index = place_
    if rule is _layout:
        view = view_of(node, facts.shapes)
        if not is_output:
            return layout if index == 0 else None
        return None if view is None else before(view, layout)
    first, output = facts.shape(node.inputs[0]), facts.shape(node.outputs[0])
    if first is None or output is None or (index and is_output):
        return None
    if rule in _FROM_OUTPUT:
        if is_output:
            return layout
        shape = facts.shape(node.inputs[index])
        if rule is _concat:
            axis = node.attributes.get_int("axis", 0)
            fits = -len(output) <= axis < len(output)
            return resized(layout, axis % len(output), output) if fits and shape is not None else None
        return layout if shape == output else None
    if is_output:
        return layout if first == output else None
    return layout if index == 0 else None
