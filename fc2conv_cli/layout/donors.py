"""Values whose dims a computed Reshape can take: for each size the first that has it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import onnx_ir as ir

from fc2conv_cli.shapes import Shapes
from fc2conv_cli.sizes import Size


class Donors:
    """Values that are there when the next node is written, in order, looked up by the sizes of their dims."""

    def __init__(self, shapes: Shapes, values: Iterable[ir.Value] = ()) -> None:
        """Begin with some values."""
        self._shapes = shapes
        self._of: dict[Size, ir.Value] = {}
        self._rest: Mapping[Size, ir.Value] = {}
        self.add(values)

    def add(self, values: Iterable[ir.Value]) -> None:
        """Take further values, behind those that are here."""
        for value in values:
            for size in self._shapes.shape(value) or ():
                self._of.setdefault(size, value)

    def led_by(self, value: ir.Value) -> Donors:
        """These, behind another value."""
        donors = Donors(self._shapes, [value])
        donors._rest = self._of
        return donors

    def of(self, size: Size) -> ir.Value:
        """The first value that has a dim of a size; raises KeyError if there is none."""
        return self._of[size] if size in self._of else self._rest[size]
