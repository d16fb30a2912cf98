"""What it costs to turn one layout of a value into another."""

from __future__ import annotations

import math
from collections.abc import Container

import onnx_ir as ir

from fc2conv_cli.layout.layouts import Layout, between, is_logical, logical
from fc2conv_cli.layout.nodes import can_move
from fc2conv_cli.layout.steps import COMPUTED, Step, is_exposable, steps
from fc2conv_cli.shapes import Shapes
from fc2conv_cli.sizes import Shape, Size
from fc2conv_cli.views import View

_BYTES_OF_A_NODE = 2**20
"""Moving this many bytes counts as much again as the Transpose itself. A convention, not a measurement: it lets the
number of nodes decide among small tensors, and the bytes among large ones."""
_BEHIND_DEQUANTIZE = 1
"""On top for layout nodes between a DequantizeLinear and its reader, so that ties go to the integers."""
_USUAL_SIZE = 16
"""What a symbolic dim counts for."""


class Costs:
    """Costs of conversions between layouts, each computed once."""

    def __init__(self, graph: ir.Graph, shapes: Shapes) -> None:
        """Take the dims of the graph's inputs as known at run time."""
        self._shapes = shapes
        self._dims = frozenset(size for v in graph.inputs for size in shapes.shape(v) or ())
        self._known: dict[tuple[object, ...], float] = {}
        self._writable: dict[tuple[Layout, Layout], bool] = {}

    def convert(self, value: ir.Value, have: Layout, want: Layout) -> float:
        """The cost of the layout nodes; infinite when they cannot be written."""
        key = (value, have.movement, want.movement)
        if key not in self._known:
            self._known[key] = self._cost(value, have, want)
        return self._known[key]

    def shape(self, value: ir.Value) -> Shape:
        """The shape of a value that has layouts."""
        shape = self._shapes.shape(value)
        assert shape is not None  # or it would have none
        return shape

    def _cost(self, value: ir.Value, have: Layout, want: Layout) -> float:
        have, want = _agreeing(have, want)
        if have.movement == want.movement:
            return 0.0
        view = between(have, want)
        if view is None or not can_move(self._shapes.dtype(value)):
            return math.inf
        if not self.can_be_written(have, want):
            own = logical(have.source_shape)
            if is_logical(have) or is_logical(want):
                return math.inf
            return self.convert(value, have, own) + self.convert(value, own, want)
        return self.of(value, view)

    def can_be_written(self, have: Layout, want: Layout) -> bool:
        """Whether nodes can turn one layout into another at once; where not, the file's own layout may lie between."""
        key = (have, want)
        if key not in self._writable:
            view = between(have, want)
            known = {size for size in want.target_shape if size in self._dims or size in have.target_shape}
            self._writable[key] = view is not None and _can_be_written(steps(view), want, known)
        return self._writable[key]

    def is_exposable(self, have: Layout, want: Layout) -> bool:
        """Whether the caller of a model can do a conversion between the file's own layout and one of four axes."""
        if not (is_logical(have) or is_logical(want)) or 4 not in (len(have.target), len(want.target)):
            return False
        view = between(have, want)
        return view is not None and is_exposable(view) and is_exposable(view.inverse())

    def of(self, value: ir.Value, view: View) -> float:
        """The cost of a view of a value, as layout nodes."""
        chain = steps(view)
        transposes = sum(step.op == "Transpose" for step in chain)
        moved = transposes * self._bytes(value) / _BYTES_OF_A_NODE
        maker = value.producer()
        parts = maker is not None and maker.op_type == "DequantizeLinear"
        return sum(step.cost for step in chain) + 100 * moved + (_BEHIND_DEQUANTIZE if parts else 0)

    def _bytes(self, value: ir.Value) -> float:
        count = 2.0  # read and written
        for size in self._shapes.shape(value) or ():
            count *= size.coefficient * _USUAL_SIZE ** len(size.symbols)
        dtype = self._shapes.dtype(value)
        return count * (4 if dtype in (None, ir.DataType.STRING) else dtype.itemsize)


def _agreeing(have: Layout, want: Layout) -> tuple[Layout, Layout]:
    """Both of the same dims: a layer may know more of one (its in_features) than the file says of the value."""
    if have.source_shape != want.source_shape and is_logical(have):
        return logical(want.source_shape), want
    if have.source_shape != want.source_shape and is_logical(want):
        return have, logical(have.source_shape)
    return have, want


def _can_be_written(chain: list[Step], want: Layout, dims: Container[Size]) -> bool:
    """Whether constants can spell the Reshapes, or for the last one to the file's own shape, dims that are known."""
    if any(step.argument == COMPUTED for step in chain[:-1]):
        return False
    if not chain or chain[-1].argument != COMPUTED:
        return True
    return is_logical(want) and all(size.static is not None or size in dims for size in want.target_shape)
