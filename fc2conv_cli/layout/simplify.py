"""Composes layout nodes that have come to stand next to each other.

    before      Conv ──Squeeze── y1 ──Unsqueeze──Conv            after      Conv──Conv
    before      Conv ──Transpose──Squeeze── y1 ──Transpose── z   after      Conv──Squeeze── z

Only chains that hold a node of fc2conv's own are touched; what the file itself spells twice stays as it is. A chain
ends at the border of a loop body or branch.
"""

from __future__ import annotations

from typing import NamedTuple

import onnx_ir as ir

from fc2conv_cli.graphs import all_graphs
from fc2conv_cli.layout.builder import Builder, is_ours
from fc2conv_cli.layout.nodes import LONGEST_CHAIN, view_of
from fc2conv_cli.layout.steps import COMPUTED, Step, cost, steps
from fc2conv_cli.shapes import Shapes
from fc2conv_cli.views import View


def simplify(model: ir.Model, build: Builder) -> None:
    """Shorten chains of layout nodes in every graph and function, in place."""
    for graph in all_graphs(model):
        for node in list(graph):
            shorter = _shorter(node, build.shapes)
            if shorter is not None:
                _replace(node, shorter, build)


class _Shorter(NamedTuple):
    """A value further up, cheaper nodes from there, and the nodes that they stand for (last one first)."""

    source: ir.Value
    nodes: list[Step]
    chain: list[ir.Node]


def _shorter(node: ir.Node, shapes: Shapes) -> _Shorter | None:
    view = view_of(node, shapes)
    if view is None:
        return None
    best, best_gain = None, 0
    chain, saved, ours = [node], _cost(view), is_ours(node)
    free = True  # whether the nodes above die with this one
    while (
        len(chain) < LONGEST_CHAIN
        and (above := _producer(chain[-1])) is not None
        and (step := view_of(above, shapes)) is not None
    ):
        composed, source = step.then(view), above.inputs[0]
        if composed is None or source is None:
            break
        free = free and len(above.outputs[0].uses()) == 1 and not above.outputs[0].is_graph_output()
        saved += _cost(step) if free else 0
        ours = ours or is_ours(above)
        chain.append(above)
        view, nodes = composed, steps(composed)
        gain = saved - cost(nodes)
        if ours and gain > best_gain and all(s.argument != COMPUTED for s in nodes):
            best, best_gain = _Shorter(source, nodes, list(chain)), gain
    return best


def _cost(view: View) -> int:
    return max(cost(steps(view)), 1)  # a node that does nothing is still a node


def _producer(node: ir.Node) -> ir.Node | None:
    """The node above, if it is in the same graph: what is outside a loop body is not to be done in every turn."""
    above = None if node.inputs[0] is None else node.inputs[0].producer()
    return above if above is not None and above.graph is node.graph else None


def _replace(node: ir.Node, shorter: _Shorter, build: Builder) -> None:
    y, source = node.outputs[0], shorter.source
    if y.is_graph_output() and not shorter.nodes and not build.may_rename(source):
        return
    # The type that the file or we ourselves wrote; inference is not to be trusted with onnxruntime's own operators.
    build.at(node, tuple(reversed(shorter.chain)), y.dtype or source.dtype)
    value = build.steps(source, shorter.nodes, node.name or y.name or node.op_type)
    build.take_over(y, value, (node,))
