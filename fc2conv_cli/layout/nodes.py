"""The view that a layout node of a graph computes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import onnx_ir as ir

from fc2conv_cli.graphs import all_graphs
from fc2conv_cli.shapes import Shapes
from fc2conv_cli.views import View

_REGROUPS = frozenset({"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity"})


LONGEST_CHAIN = 32
"""Layout nodes in a row that are looked at together; longer chains exist only to make tools slow."""


def can_move(dtype: ir.DataType | None) -> bool:
    """Whether onnxruntime's layout nodes take a type: none of less than 8 bits, nor a float of 8."""
    return dtype is None or (dtype.bitwidth >= 8 and not dtype.name.startswith("FLOAT8"))


@dataclass(frozen=True)
class LayoutCount:
    """Layout nodes of a model that run (those that only rearrange constants do not count).

    Attributes:
        transposes: Number of Transpose nodes.
        reshapes: Number of Reshape, Flatten, Squeeze and Unsqueeze nodes.
    """

    transposes: int
    reshapes: int


def count_layout_nodes(model: ir.Model, is_constant: Callable[[ir.Value], bool]) -> LayoutCount:
    """Count the layout nodes of a model, in all its graphs and functions."""
    nodes = [node for graph in all_graphs(model) for node in graph if node.domain == ""]
    moved = [node.op_type for node in nodes if not any(is_constant(v) for v in node.outputs)]
    return LayoutCount(moved.count("Transpose"), sum(op in _REGROUPS and op != "Identity" for op in moved))


def is_layout_node(node: ir.Node) -> bool:
    """Whether a node only rearranges its first input, be it in a way that no view can express."""
    return node.domain == "" and (node.op_type in _REGROUPS or node.op_type == "Transpose")


def view_of(node: ir.Node, shapes: Shapes) -> View | None:
    """What a layout node does, as a view from its first input to its output.

    Returns:
        None when the node is no layout op, or when the shapes that are known do not show what it does.
    """
    if not is_layout_node(node) or not node.inputs or node.inputs[0] is None:
        return None
    source = shapes.shape(node.inputs[0])
    if source is None:
        return None
    if node.op_type == "Transpose":
        perm = node.attributes.get("perm")
        if perm is not None and perm.is_ref():
            return None
        order = tuple(range(len(source)))[::-1] if perm is None else perm.as_ints()
        return View.transpose(source, order) if sorted(order) == list(range(len(source))) else None
    target = shapes.shape(node.outputs[0])
    # Only sizes matter: each of these keeps the elements in order, so input and output shape say all.
    return None if target is None else View.reshape(source, target)
