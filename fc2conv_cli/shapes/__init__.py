"""The shape of every value, inferred without leaving a trace in the model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import onnx_ir as ir

from fc2conv_cli.graphs import all_graphs
from fc2conv_cli.shapes import standard
from fc2conv_cli.sizes import PLACEHOLDERS, Shape

Known = Mapping[ir.Value, tuple[Shape | None, ir.DataType | None]]


class Shapes:
    """The shape and dtype of each value; grows while a graph is rewritten.

    Attributes:
        symbols: The names of symbolic dims that stand in the file itself.
    """

    def __init__(self, symbols: frozenset[str] = frozenset()) -> None:
        """Start with nothing known."""
        self.symbols = symbols
        self._shapes: dict[ir.Value, Shape] = {}
        self._dtypes: dict[ir.Value, ir.DataType] = {}

    def shape(self, value: ir.Value) -> Shape | None:
        """The shape of a value, or None when even its rank is unknown."""
        return self._shapes.get(value)

    def dtype(self, value: ir.Value) -> ir.DataType | None:
        """The element type of a value, or None when unknown."""
        return self._dtypes.get(value, value.dtype)

    def record(self, value: ir.Value, shape: Shape | None, dtype: ir.DataType | None) -> None:
        """Remember what is known of a value."""
        if shape is not None:
            self._shapes[value] = shape
        if dtype is not None:
            self._dtypes[value] = dtype


def infer(model: ir.Model, path: Path | None = None) -> Shapes:
    """The shapes of all values of a model, which is left as it was.

    Args:
        model: The model.
        path: The file that it was read from, if it was not changed since. It is not needed, but saves much time where
            standard inference knows everything.
    """
    known: Known | None = None if path is None else standard.infer(model, path)
    if known is None:
        from fc2conv_cli.shapes import symbolic  # it imports SymPy

        known = symbolic.infer(model)
    shapes = Shapes(frozenset(_symbols(model)))
    for value, (shape, dtype) in known.items():
        shapes.record(value, shape, dtype)
    return shapes


def _symbols(model: ir.Model) -> Iterator[str]:
    for graph in all_graphs(model):
        values = (*graph.inputs, *graph.initializers.values(), *(v for node in graph for v in node.outputs))
        dims = {dim.value for v in values if v.shape is not None for dim in v.shape if isinstance(dim, ir.SymbolicDim)}
        yield from (name for name in dims if name is not None and name not in PLACEHOLDERS)
