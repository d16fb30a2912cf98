"""In which layouts operators can work that drop, pick or add elements along axes: these must be stored whole."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from fc2conv_cli.layout.facts import Change, Facts, alike, find_axis
from fc2conv_cli.layout.layouts import Layout, place, reduced, resized

_FIRST_K_AS_INPUT_OPSET = 10
_FIRST_PADS_AS_INPUT_OPSET = 11


def reduce_rule(node: ir.Node, layout: Layout, facts: Facts) -> Change | None:
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


def arg_rule(node: ir.Node, layout: Layout, facts: Facts) -> Change | None:
    """ArgMax and ArgMin: a reduction over one axis."""
    found = find_axis(node, layout)
    if found is None:
        return None
    keepdims = bool(node.attributes.get_int("keepdims", 1))
    written = reduced(layout, [found.meant], keepdims=keepdims)
    return Change((layout,), (written,), {"axis": found.stored, "keepdims": 1})


def slice_rule(node: ir.Node, layout: Layout, facts: Facts) -> Change | None:
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


def gather_rule(node: ir.Node, layout: Layout, facts: Facts) -> Change | None:
    """A constant index or list of them, along an axis that is stored whole; what one index drops stays, with size 1."""
    found, indices, shape = find_axis(node, layout), facts.array(node, 1), facts.shape(node.outputs[0])
    if found is None or indices is None or shape is None or indices.ndim > 1:
        return None
    if indices.ndim == 1:
        taken = resized(layout, found.meant, shape)
        return None if taken is None else Change((layout, None), (taken,), {"axis": found.stored})
    written = reduced(layout, [found.meant], keepdims=False)
    return Change((layout, None), (written,), {"axis": found.stored}, {1: indices.reshape(1)})


def top_rule(node: ir.Node, layout: Layout, facts: Facts) -> Change | None:
    """TopK along an axis that is stored whole: the values and their indices."""
    found = None if facts.opset < _FIRST_K_AS_INPUT_OPSET else find_axis(node, layout, -1)
    writes = None if found is None else alike(node.outputs, layout, found.meant, facts)
    return None if found is None or writes is None else Change((layout, None), writes, {"axis": found.stored})


def pad_rule(node: ir.Node, layout: Layout, facts: Facts) -> Change | None:
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
