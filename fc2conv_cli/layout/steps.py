"""A view as the fewest ONNX nodes: at most one Transpose between at most two Reshapes.

Squeeze and Unsqueeze are preferred to Reshape wherever they do, because they need no arithmetic on shapes: a
Reshape to ``-1`` is refused by runtimes as soon as another axis is empty (a batch of 0).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from fc2conv_cli.sizes import Shape
from fc2conv_cli.views import REMEMBERED, View

TRANSPOSE_COST = 100
"""A Transpose moves every byte ..."""
RESHAPE_COST = 10
"""... a Reshape moves none, but it is one node more that a compiler may put on the CPU."""
INFERRED_COST = 1
"""On top for each Reshape that needs ``-1``, so that ties go to the ones that an empty tensor can pass."""
COMPUTED_COST = 60
"""On top for a Reshape whose shape must be computed at run time (Shape, Gather and Concat beside it)."""

COMPUTED: tuple[int, ...] = ()
"""The argument of a Reshape whose target no constant can spell, because two or more symbolic dims move."""


@dataclass(frozen=True, slots=True)
class Step:
    """One layout node.

    Attributes:
        op: Its op_type.
        argument: `perm` of Transpose, `axes` of Squeeze and Unsqueeze, or the `shape` operand of Reshape with 0 for a
            dim that is copied and -1 for the one that is inferred (`COMPUTED` when no constant will do).
        shape: The shape of its output.
    """

    op: Literal["Reshape", "Transpose", "Squeeze", "Unsqueeze"]
    argument: tuple[int, ...]
    shape: Shape

    @property
    def cost(self) -> int:
        """What the node costs, in the units of this module."""
        if self.op == "Transpose":
            return TRANSPOSE_COST
        if self.op == "Reshape" and self.argument == COMPUTED:
            return RESHAPE_COST + COMPUTED_COST
        return RESHAPE_COST + INFERRED_COST * (self.op == "Reshape" and -1 in self.argument)


def cost(steps: Sequence[Step]) -> int:
    """The cost of a chain of nodes."""
    return sum(step.cost for step in steps)


def steps(view: View) -> list[Step]:
    """The cheapest nodes that compute the view; none when it changes nothing.

    Three ways are compared: Transpose then Reshape, Reshape then Transpose, and Reshape, Transpose, Reshape. The
    first two need the axes of one side to move whole.
    """
    return list(_steps(view))


@lru_cache(maxsize=REMEMBERED)
def _steps(view: View) -> tuple[Step, ...]:
    if view.moves_nothing:
        return tuple(regroup(view.source_shape, view.target_shape))
    ways: list[Sequence[Step]] = [_through_blocks(view)]
    if (first := _transpose_first(view)) is not None:
        ways.append(first)
    if (last := _transpose_last(view)) is not None:
        ways.append(last)
    best: Sequence[Step] = min(ways, key=cost)
    return tuple(best)


def regroup(source: Shape, target: Shape) -> list[Step]:
    """Nodes that turn one shape into another of the same elements in the same order."""
    if source == target:
        return []
    dropped, added = _unit_axes(source, target)
    operand = _reshape_operand(source, target)
    if dropped is None or (dropped and added and operand != COMPUTED):
        return [Step("Reshape", operand, target)]
    squeezed = tuple(size for i, size in enumerate(source) if i not in dropped)
    return [
        *([Step("Squeeze", tuple(dropped), squeezed)] if dropped else []),
        *([Step("Unsqueeze", tuple(added), target)] if added else []),
    ]


def _unit_axes(source: Shape, target: Shape) -> tuple[list[int] | None, list[int]]:
    """Which axes of size 1 to drop from the source and to add to the target; (None, []) if that does not do."""
    dropped: list[int] = []
    added: list[int] = []
    i = j = 0
    while i < len(source) or j < len(target):
        if i < len(source) and j < len(target) and source[i] == target[j]:
            i, j = i + 1, j + 1
        elif j < len(target) and target[j].is_one:
            added.append(j)
            j += 1
        elif i < len(source) and source[i].is_one:
            dropped.append(i)
            i += 1
        else:
            return None, []
    return dropped, added


def _reshape_operand(source: Shape, target: Shape) -> tuple[int, ...]:
    operand = []
    for i, size in enumerate(target):
        static = size.static
        if i < len(source) and source[i] == size and not static:
            operand.append(0)
        else:
            operand.append(static if static else -1)
    return tuple(operand) if operand.count(-1) <= 1 else COMPUTED


def _through_blocks(view: View) -> list[Step]:
    sizes, order = view.blocks
    moved = tuple(sizes[b] for b in order)
    return [
        *regroup(view.source_shape, sizes),
        Step("Transpose", order, moved),
        *regroup(moved, view.target_shape),
    ]


def _transpose_first(view: View) -> list[Step] | None:
    perm = _whole_axes_order(view)
    if perm is None:
        return None
    moved = tuple(view.source_shape[p] for p in perm)
    return [Step("Transpose", perm, moved), *regroup(moved, view.target_shape)]


def _transpose_last(view: View) -> list[Step] | None:
    backward = _whole_axes_order(view.inverse())
    if backward is None:
        return None
    middle = tuple(view.target_shape[p] for p in backward)
    perm = tuple(backward.index(i) for i in range(len(backward)))
    return [*regroup(view.source_shape, middle), Step("Transpose", perm, view.target_shape)]


def _whole_axes_order(view: View) -> tuple[int, ...] | None:
    """The order of the source axes that puts their factors in target order, or None if an axis would have to split.

    Axes of size 1 may stand anywhere; they go where the target has one, so that no Reshape need move them.
    """
    flat = [f.label for a in view.target for f in a]
    owner = {f.label: i for i, a in enumerate(view.source) for f in a}
    units = [i for i, a in enumerate(view.source) if not a]
    perm: list[int] = []
    for a in view.target:
        if not a and units:
            perm.append(units.pop(0))
        perm.extend(i for f in a if (i := owner[f.label]) not in perm)
    perm.extend(units)
    return tuple(perm) if [f.label for i in perm for f in view.source[i]] == flat else None


def is_exposable(view: View) -> bool:
    """Whether the caller of a model can do a view in place of the model, so that an input or output becomes 4-D.

    Between four axes and four only a Transpose is taken for a layout: anything else would give an image that comes as
    it should another shape. A file cannot declare a dim that is a product (6*N), and what it is made of would be lost.
    """
    chain = steps(view)
    if not chain or any(step.argument == COMPUTED for step in chain):
        return False
    if any(size.static is None and len(size.symbols) * size.coefficient > 1 for size in view.target_shape):
        return False
    return len(view.source) != len(view.target) or all(step.op == "Transpose" for step in chain)
