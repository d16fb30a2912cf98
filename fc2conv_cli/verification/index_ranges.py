"""What the graph says of the values that an integer input may take.

Backwards from every place that bounds them (the length of a table that is looked up, a Clip) through what stands
between: nodes that keep values, sums and products with constants, calls of functions, bodies. Two things are asked
of each value: which numbers it must not leave, and which it should reach so that all of a table is read.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import reduce
from typing import NamedTuple

import numpy as np
import onnx_ir as ir

from fc2conv_cli.constants import Array, Constants
from fc2conv_cli.graphs import all_graphs
from fc2conv_cli.shapes import Shapes
from fc2conv_cli.sizes import Shape

_KEEP_FIRST = frozenset(
    {"Cast", "Identity", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Transpose", "Slice", "Expand", "Tile", "Split"}
    | {"Gather", "GatherElements", "GatherND", "Floor", "Ceil", "Round"}
)
"""These hand on the elements of their first input (whole numbers stay what they are when rounded)."""
_KEEP_ALL = frozenset({"Concat", "Where"})
_COMPARE = frozenset({"Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual"})
_TABLES = {
    ("", "Gather"): {1: 0},
    ("", "GatherElements"): {1: 0},
    ("", "ScatterElements"): {1: 0},
    ("com.microsoft", "EmbedLayerNormalization"): {0: 2, 1: 4, 8: 3},
}
"""By operator: for each input that holds indices, the one that they look up, along the attribute axis."""
_TABLES_ND = frozenset({"GatherND", "ScatterND"})
_LARGE = 1e3
"""What a mask is multiplied by to leave nothing of a score."""
_DEEPEST = 60
"""Nodes between an input and what bounds it; more is a chain that nobody exports."""
_FIRST_CARRIED = 2
"""Inputs of Loop: the number of trips and a condition come first, in its body too."""


class Bounds(NamedTuple):
    """The least and the greatest value."""

    low: float = -math.inf
    high: float = math.inf


class Wanted(NamedTuple):
    """What is wanted of a value.

    Attributes:
        must: What it must not leave.
        reach: What shows most of what it looks up; None if nothing says.
        is_mask: Whether it is certainly a mask of 0 and 1 (made a boolean, subtracted from 1).
        like_mask: Whether something only asks on which side of 0 or 1 it is.
        other: Whether something else is done with it.
        table: The name of what it looks up, of the first if there are several.
    """

    must: Bounds = Bounds()
    reach: Bounds | None = None
    is_mask: bool = False
    like_mask: bool = False
    other: bool = False
    table: str = ""

    def __and__(self, more: Wanted) -> Wanted:
        """What both want."""
        must = Bounds(max(self.must.low, more.must.low), min(self.must.high, more.must.high))
        reach = self.reach or more.reach
        if self.reach is not None and more.reach is not None:
            reach = Bounds(min(self.reach.low, more.reach.low), max(self.reach.high, more.reach.high))
        is_mask, like_mask = self.is_mask or more.is_mask, self.like_mask or more.like_mask
        return Wanted(must, reach, is_mask, like_mask, self.other or more.other, self.table or more.table)

    def moved(self, change: Callable[[Bounds], Bounds]) -> Wanted:
        """The same of a value that lies before a change of values."""
        return self._replace(must=change(self.must), reach=None if self.reach is None else change(self.reach))

    @property
    def drawn(self) -> tuple[int, int] | None:
        """What to draw from; None if nothing says."""
        if self.reach is None:
            return None
        low, high = max(self.must.low, self.reach.low), min(self.must.high, self.reach.high)
        return (math.ceil(low), math.floor(high)) if low <= high and math.isfinite(high - low) else None


OTHER = Wanted(other=True)
Calls = tuple[ir.Node, ...]
"""The calls of functions that lead to a value, the innermost last."""


class IndexRanges:
    """What is wanted of the integer inputs of a model."""

    def __init__(self, model: ir.Model, shapes: Shapes, constants: Constants) -> None:
        """Take the model as it is."""
        self._shapes, self._constants = shapes, constants
        self._functions = {(f.domain, f.name): f for f in model.functions.values()}
        self._owners: dict[ir.Graph, ir.Node] = {}
        for graph in all_graphs(model):
            for node in graph:
                self._owners.update((body, node) for body in _bodies(node))
        self._known: dict[tuple[ir.Value, Calls], Wanted] = {}

    def wanted(self, value: ir.Value, calls: Calls = (), depth: int = 0) -> Wanted:
        """What all that is done with a value wants of it."""
        key = value, calls
        if key not in self._known:
            self._known[key] = Wanted()  # what comes back to itself, round a loop
            uses = [self._by_use(node, index, calls, depth) for node, index in value.uses()]
            self._known[key] = reduce(Wanted.__and__, [*uses, *self._by_graph(value, calls, depth)], Wanted())
        return self._known[key]

    def _by_graph(self, value: ir.Value, calls: Calls, depth: int) -> list[Wanted]:
        """Of an output of a body or a function: what is wanted of the result."""
        graph = value.graph
        if graph is None or not value.is_graph_output():
            return []
        places = [i for i, output in enumerate(graph.outputs) if output is value]
        owner = self._owners.get(graph) if isinstance(graph, ir.Graph) else None
        if owner is not None:
            return self._outputs(owner, places, calls, depth) if owner.op_type == "If" else [OTHER]
        function = self._functions.get((calls[-1].domain, calls[-1].op_type)) if calls else None
        if function is not None and function.graph is graph:
            return self._outputs(calls[-1], places, calls[:-1], depth)
        return []

    def _outputs(self, node: ir.Node, places: Sequence[int], calls: Calls, depth: int) -> list[Wanted]:
        if depth > _DEEPEST:
            return [OTHER]
        return [self.wanted(node.outputs[i], calls, depth + 1) for i in places if i < len(node.outputs)]

    def _by_use(self, node: ir.Node, index: int, calls: Calls, depth: int) -> Wanted:
        if depth > _DEEPEST or any(attribute.is_ref() for attribute in node.attributes.values()):
            return OTHER
        if (function := self._functions.get((node.domain, node.op_type))) is not None:
            return self.wanted(function.inputs[index], (*calls, node), depth + 1)
        if (limit := self._table(node, index, calls)) is not None:
            bounds = Bounds(0, limit - 1)
            return Wanted(bounds, bounds, table=self._table_name(node, index, calls))
        if node.domain not in ("", "ai.onnx"):
            return OTHER
        after = self._after(node, index, calls, depth)
        return OTHER if after is None else after

    def _after(self, node: ir.Node, index: int, calls: Calls, depth: int) -> Wanted | None:
        """By what a node of ONNX does with the value; None if that is not known."""
        op = node.op_type
        if op == "Cast" and node.attributes.get_int("to", 0) == ir.DataType.BOOL:
            return Wanted(is_mask=True)
        if op in ("Loop", "Scan"):
            carried = index >= (_FIRST_CARRIED if op == "Loop" else 0)
            return self.wanted(_bodies(node)[0].inputs[index], calls, depth + 1) if carried else None
        keeps = (op in _KEEP_FIRST and index == 0) or (op == "Where" and index > 0) or op == "Concat"
        number = None if keeps else self._constant(node, 1 - index, calls)
        if op in _COMPARE:
            return Wanted(like_mask=True) if number is not None and _is_about_masks(number) else None
        if op == "Sub" and index == 1 and number is not None and (number == 1).all():
            return Wanted(is_mask=True)
        change = (lambda bounds: bounds) if keeps else self._change(node, index, number, calls)
        if change is None:
            return None
        after = reduce(Wanted.__and__, self._outputs(node, range(len(node.outputs)), calls, depth), Wanted())
        if op in ("Clip", "Max", "Min", "Mod"):
            return _clipped(after, change(Bounds()))
        is_mask = after.is_mask or (op == "Sub" and number is not None and (number == 1).all() and _is_blown_up(node))
        return after.moved(change)._replace(is_mask=is_mask)

    def _change(
        self, node: ir.Node, index: int, number: Array | None, calls: Calls
    ) -> Callable[[Bounds], Bounds] | None:
        """From the bounds of a result to those of the operand; of Clip, what it lets through."""
        if node.op_type == "Neg":
            return lambda b: Bounds(-b.high, -b.low)
        if node.op_type == "Clip" and index == 0:
            limits = [self._limit(node, i, name, calls) for i, name in ((1, "min"), (2, "max"))]
            low, high = -math.inf if limits[0] is None else limits[0], math.inf if limits[1] is None else limits[1]
            return lambda _: Bounds(low, high)
        if number is None or not number.size or len(node.inputs) != 2:
            return None
        least, most = float(number.min()), float(number.max())
        if node.op_type == "Mod" and index == 0 and 0 < least == most and not node.attributes.get_int("fmod", 0):
            return lambda _: Bounds(0, most - 1)
        if node.op_type in ("Max", "Min"):
            let = Bounds(least, math.inf) if node.op_type == "Max" else Bounds(-math.inf, most)
            return (lambda _: let) if least == most else None
        if node.op_type == "Add":
            return lambda b: Bounds(b.low - least, b.high - most)
        if node.op_type == "Sub":
            if index == 0:
                return lambda b: Bounds(b.low + most, b.high + least)
            return lambda b: Bounds(most - b.high, least - b.low)
        if node.op_type == "Mul" and least > 0:
            return lambda b: Bounds(max(b.low / least, b.low / most), min(b.high / least, b.high / most))
        return None

    def _limit(self, node: ir.Node, index: int, name: str, calls: Calls) -> float | None:
        if name in node.attributes:
            return node.attributes.get_float(name, 0.0)
        number = self._constant(node, index, calls) if len(node.inputs) > index else None
        return None if number is None or number.size != 1 else float(number.reshape(-1)[0])

    def _table(self, node: ir.Node, index: int, calls: Calls) -> int | None:
        """The number of entries that a node looks up by this input."""
        tables = _TABLES.get((node.domain, node.op_type), {})
        if index in tables:
            shape, axis = self._shape(node, tables[index], calls), node.attributes.get_int("axis", 0)
            return shape[axis].static if shape is not None and -len(shape) <= axis < len(shape) else None
        if node.domain == "" and node.op_type in _TABLES_ND and index == 1:
            return self._table_nd(node, calls)
        if node.domain == "" and node.op_type == "OneHot" and index == 0:
            depth = self._constant(node, 1, calls)
            return None if depth is None or depth.size != 1 else int(depth.reshape(-1)[0])
        return None

    def _table_name(self, node: ir.Node, index: int, calls: Calls) -> str:
        place = _TABLES.get((node.domain, node.op_type), {}).get(index)
        table = None if place is None else node.inputs[place]
        return "" if table is None else self._outside(table, calls).name or ""

    def _table_nd(self, node: ir.Node, calls: Calls) -> int | None:
        """Indices of several axes are held to the shortest of these."""
        table, indices = self._shape(node, 0, calls), self._shape(node, 1, calls)
        if table is None or not indices or (count := indices[-1].static) is None:
            return None
        first = node.attributes.get_int("batch_dims", 0)
        sizes = [size.static for size in table[first : first + count]]
        known = [size for size in sizes if size is not None]
        return min(known) if known and len(known) == len(sizes) else None

    def _shape(self, node: ir.Node, index: int, calls: Calls) -> Shape | None:
        value = node.inputs[index] if index < len(node.inputs) else None
        return None if value is None else self._shapes.shape(self._outside(value, calls))

    def _constant(self, node: ir.Node, index: int, calls: Calls) -> Array | None:
        value = node.inputs[index] if 0 <= index < len(node.inputs) else None
        constant = None if value is None else self._constants.find(self._outside(value, calls))
        array = None if constant is None else self._constants.array(constant)
        return array if array is not None and array.dtype.kind in "iuf" and np.isfinite(array).all() else None

    def _outside(self, value: ir.Value, calls: Calls) -> ir.Value:
        """What the caller gives, for an input of a function."""
        for call in reversed(calls):
            inputs = list(self._functions[call.domain, call.op_type].inputs)
            place = next((i for i, v in enumerate(inputs) if v is value), None)
            given = call.inputs[place] if place is not None and place < len(call.inputs) else None
            if given is None:
                return value
            value = given
        return value


def _bodies(node: ir.Node) -> list[ir.Graph]:
    found = (a for a in node.attributes.values() if not a.is_ref())
    return [a.as_graph() for a in found if a.type == ir.AttributeType.GRAPH]


def _is_about_masks(number: Array) -> bool:
    """Whether a comparison with it tells 0 from 1."""
    return number.size == 1 and 0 <= float(number.reshape(-1)[0]) <= 1


def _is_blown_up(node: ir.Node) -> bool:
    """Whether what a node gives is multiplied by a large constant, as (mask - 1) * 10000 is."""
    for reader, index in node.outputs[0].uses():
        other = reader.inputs[1 - index] if reader.op_type == "Mul" else None
        tensor = None if other is None else ir.convenience.get_const_tensor(other)
        if tensor is not None and tensor.size == 1 and abs(float(tensor.numpy().reshape(-1)[0])) >= _LARGE:
            return True
    return False


def _clipped(after: Wanted, let: Bounds) -> Wanted:
    """Before a Clip: any value that it brings to where it must be is fine, and one beyond each end shows it."""
    low, high = let.low >= after.must.low, let.high <= after.must.high
    must = Bounds(-math.inf if low else after.must.low, math.inf if high else after.must.high)
    if after.reach is None:
        return after._replace(must=must)
    ends = max(after.reach.low, let.low) - (let.low >= after.reach.low), min(after.reach.high, let.high)
    return after._replace(must=must, reach=Bounds(ends[0], ends[1] + (let.high <= after.reach.high)))
