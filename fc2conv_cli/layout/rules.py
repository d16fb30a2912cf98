"""In which layouts each operator can work: small declarations, one for each family.

A rule takes a node and the layout of one of its values and says in which layouts the others then are, and what must
change in the node. An operator that is not listed works on values as the file stores them, and nothing else: opaque and
safe.
"""

from __future__ import annotations

import onnx_ir as ir

from fc2conv_cli.layout.facts import Array, Change, Facts, Rule, alike, find_axis
from fc2conv_cli.layout.layouts import (
    Layout,
    before,
    broadcast,
    broadcasts,
    filled,
    logical,
    place,
    resized,
    through,
)
from fc2conv_cli.layout.nodes import view_of
from fc2conv_cli.layout.quantizers import is_quantizer
from fc2conv_cli.layout.selections import arg_rule, gather_rule, pad_rule, reduce_rule, slice_rule, top_rule
from fc2conv_cli.sizes import Size


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
    found = None if "block_size" in node.attributes else find_axis(node, layout, default=1)
    return None if found is None else Change((layout, *rest), (layout,), {"axis": found.stored})


def _along_axis(default: int) -> Rule:
    """Softmax and its like: the axis stored whole, and renumbered."""

    def rule(node: ir.Node, layout: Layout, facts: Facts) -> Change | None:
        found = None if facts.opset < _FIRST_SOFTMAX_OF_ONE_AXIS else find_axis(node, layout, default)
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


def _concat(node: ir.Node, layout: Layout, facts: Facts) -> Change | None:
    """Every operand in the arrangement of the result."""
    found = find_axis(node, layout)
    reads = None if found is None else alike(node.inputs, layout, found.meant, facts)
    return None if found is None or reads is None else Change(reads, (layout,), {"axis": found.stored})


def _split(node: ir.Node, layout: Layout, facts: Facts) -> Change | None:
    """Every part in the arrangement of the whole."""
    found = find_axis(node, layout)
    writes = None if found is None else alike(node.outputs, layout, found.meant, facts)
    rest = tuple(None for _ in node.inputs[1:])
    return None if found is None or writes is None else Change((layout, *rest), writes, {"axis": found.stored})


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
    **{("", op): reduce_rule for op in (*_REDUCTIONS, *_MORE_REDUCTIONS)},
    **{("", op): arg_rule for op in ("ArgMax", "ArgMin")},
    **{("", op): _layout for op in ("Reshape", "Transpose", "Flatten", "Squeeze", "Unsqueeze")},
    ("", "BatchNormalization"): _batch_normalization,
    ("", "Concat"): _concat,
    ("", "Gather"): gather_rule,
    ("", "LayerNormalization"): _layer_normalization,
    ("", "Pad"): pad_rule,
    ("", "Shape"): _shape,
    ("", "Split"): _split,
    ("", "Slice"): slice_rule,
    ("", "TopK"): top_rule,
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
