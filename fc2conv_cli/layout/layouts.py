"""Layouts: how a value is stored, as a view from its logical axes to the axes that it has in memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from fc2conv_cli.dequantization import spread
from fc2conv_cli.sizes import Shape
from fc2conv_cli.views import Axis, View, align, refine, same

Layout = View
"""From the axes that the file gives a value to those that it is stored with."""


def logical(shape: Shape) -> Layout:
    """A value stored as the file says."""
    return View.identity(shape)


def is_logical(layout: Layout) -> bool:
    """Whether a value is stored as the file says."""
    return layout.changes_nothing


def between(have: Layout, want: Layout) -> View | None:
    """What turns one layout of a value into another; None when their factors interleave."""
    return have.inverse().then(want)


def place(layout: Layout, axis: int) -> int | None:
    """The stored axis that is the whole of a logical axis and nothing else; None if there is none."""
    factors = layout.source[axis]
    if not factors:
        return None
    return next((i for i, a in enumerate(layout.target) if a == factors), None)


def broadcast(layout: Layout, shape: Shape) -> Layout | None:
    """The layout of an operand that broadcasts against a value in `layout`: its own axes, the others of size 1.

    Args:
        layout: Of the larger value.
        shape: The operand's shape; its axes align with the last axes of the value.
    """
    full = layout.source_shape
    if shape == full:
        return layout
    if len(shape) > len(full):
        return None
    source: list[Axis] = []
    kept: set[str] = set()
    for size, axes, whole in zip(shape[::-1], layout.source[::-1], full[::-1], strict=False):
        if size == whole:
            source.append(axes)
            kept.update(f.label for f in axes)
        elif size.is_one:
            source.append(())
        else:
            return None
    return View(tuple(source[::-1]), tuple(tuple(f for f in a if f.label in kept) for a in layout.target))


def broadcasts(own: Layout, layout: Layout) -> bool:
    """Whether an operand in `own`, made by `broadcast`, meets a value in `layout`: no stored axis has a part of it."""
    return all(not mine or mine == whole for mine, whole in zip(own.target, layout.target, strict=True))


def filled(array: npt.NDArray[np.generic], own: Layout, layout: Layout) -> npt.NDArray[np.generic] | None:
    """A constant operand as stored, repeated along the stored axes of which it has a part.

    Returns:
        None if the rest of such an axis is known at run time only.
    """
    wanted = tuple(whole if mine else () for mine, whole in zip(own.target, layout.target, strict=True))
    if any(f.size.static is None for a in wanted for f in a):
        return None
    return spread(array, own.source, wanted)


def reduced(layout: Layout, axes: Sequence[int], *, keepdims: bool) -> Layout:
    """The layout of what a reduction over whole axes leaves; stored, the axes remain with size 1."""
    gone = {f.label for axis in axes for f in layout.source[axis]}
    source = tuple(() if i in axes else a for i, a in enumerate(layout.source) if keepdims or i not in axes)
    return View(source, tuple(tuple(f for f in a if f.label not in gone) for a in layout.target))


def resized(layout: Layout, axis: int, shape: Shape) -> Layout | None:
    """The same arrangement of a value that differs along one axis, which must be stored whole.

    Args:
        layout: Of a value of the same rank.
        axis: The axis along which the sizes differ.
        shape: The shape of the other value.
    """
    at = place(layout, axis)
    if at is None or len(layout.source[axis]) != 1:
        return None
    (factor,) = layout.source[axis]
    other = () if shape[axis].is_one else (type(factor)(factor.label, shape[axis]),)
    source = tuple(other if i == axis else a for i, a in enumerate(layout.source))
    return View(source, tuple(other if i == at else a for i, a in enumerate(layout.target)))


def through(view: View, layout: Layout) -> Layout | None:
    """The layout that a value keeps when a layout node, which computes `view` of it, does nothing."""
    return view.inverse().then(layout)


def before(view: View, layout: Layout) -> Layout | None:
    """The layout of a layout node's input, when the node does nothing and its output is stored in `layout`."""
    return view.then(layout)


def refined_like(layout: Layout, axes: Sequence[Axis]) -> Layout | None:
    """A layout in factors that agree with those in which some axes of the same value are written."""
    aligned = align(layout.source, axes)
    return None if aligned is None else same(View(refine(layout.source, aligned[0]), refine(layout.target, aligned[0])))
