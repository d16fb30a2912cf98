"""What a rule of an operator may ask, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from fc2conv_cli.constants import Constants
from fc2conv_cli.layout.layouts import Layout, place, resized
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


class AxisPlace(NamedTuple):
    """The axis of a node: as the file means it, and where it is stored."""

    meant: int
    stored: int


def find_axis(node: ir.Node, layout: Layout, default: int = 0) -> AxisPlace | None:
    """The `axis` of a node; None unless it is stored whole."""
    rank, axis = len(layout.source), node.attributes.get_int("axis", default)
    at = place(layout, axis % rank) if -rank <= axis < rank else None
    return None if at is None else AxisPlace(axis % rank, at)


def alike(values: Iterable[ir.Value | None], layout: Layout, axis: int, facts: Facts) -> tuple[Layout, ...] | None:
    """The layouts of values that differ from the one in `layout` along one axis."""
    found: list[Layout] = []
    for value in values:
        shape = facts.shape(value)
        own = None if shape is None or len(shape) != len(layout.source) else resized(layout, axis, shape)
        if own is None:
            return None
        found.append(own)
    return tuple(found)
