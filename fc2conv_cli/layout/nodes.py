"""The view that a layout node of a graph computes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import onnx_ir as ir

from fc2conv_cli.graphs import all_graphs
from fc2conv_cli.shapes import Shapes
from fc2conv_cli.sizes import Size, product
from fc2conv_cli.views import View

_REGROUPS = frozenset({"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity"})


LONGEST_CHAIN = 32
"""Layout nodes in a row that are looked at together; longer chains exist only to make tools slow."""


def can_move(dtype: ir.DataType | None) -> bool:
    """Whether onnxruntime's layout nodes take a type: none of less than 8 bits, nor a float of 8."""
    return dtype in (None, ir.DataType.STRING) or (dtype.bitwidth >= 8 and not dtype.name.startswith("FLOAT8"))


@dataclass(frozen=True)
class LayoutCount:
    """Layout nodes of a model that run (those that only rearrange constants do not count).

    Attributes:
        transposes: Number of Transpose nodes.
        reshapes: Number of Reshape, Flatten, Squeeze and Unsqueeze nodes.
        bytes_moved: Bytes that the Transposes read and write, as terms of a sum; ``?`` stands for an unknown shape.
            A Reshape only names the axes anew.
    """

    transposes: int
    reshapes: int
    bytes_moved: tuple[Size, ...] = ()


def count_layout_nodes(model: ir.Model, is_constant: Callable[[ir.Value], bool], shapes: Shapes) -> LayoutCount:
    """Count the layout nodes of a model, in all its graphs and functions."""
    nodes = [node for graph in all_graphs(model) for node in graph if is_layout_node(node)]
    running = [node for node in nodes if node.op_type != "Identity" and not any(map(is_constant, node.outputs))]
    moving = [node for node in running if node.op_type == "Transpose"]
    return LayoutCount(len(moving), len(running) - len(moving), _sum(_bytes(node, shapes) for node in moving))


def _bytes(node: ir.Node, shapes: Shapes) -> Size:
    value = node.inputs[0]
    shape, dtype = (None, None) if value is None else (shapes.shape(value), value.dtype or shapes.dtype(value))
    if shape is None or dtype in (None, ir.DataType.STRING) or Size.of(0) in shape:
        return _NOTHING if shape is not None and Size.of(0) in shape else Size.of("?")
    return Size.of(2 * dtype.bitwidth // 8) * product(shape)


_NOTHING = Size.of(0)


def _sum(terms: Iterable[Size]) -> tuple[Size, ...]:
    """A sum, with one term for each product of symbols, the largest number of symbols first."""
    coefficients: dict[tuple[str, ...], int] = {}
    for term in terms:
        if term != _NOTHING:
            coefficients[term.symbols] = coefficients.get(term.symbols, 0) + term.coefficient
    return tuple(Size(n, symbols) for symbols, n in sorted(coefficients.items(), key=lambda item: -len(item[0])))


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
