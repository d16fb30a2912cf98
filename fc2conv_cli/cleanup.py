"""Takes out what a conversion left without a reader.

Only what *became* dead goes: nodes and weights that nobody read in the original file stay, because the rest of the
network is to be kept as it was.
"""

from __future__ import annotations

from collections.abc import Iterable

import onnx_ir as ir

from fc2conv_cli.graphs import is_overridable


def remove_unused(model: ir.Model, released: Iterable[ir.Value]) -> None:
    """Remove the producers of values that lost their last reader, and so on upwards, in place.

    Args:
        model: The model.
        released: Values of it that lost a reader, in any graph or function.
    """
    queue = list(dict.fromkeys(released))
    while queue:
        value = queue.pop()
        if value.uses() or value.is_graph_output():
            continue
        node = value.producer()
        if node is None:
            _remove_initializer(model, value)
        elif node.graph is not None and not any(v.uses() or v.is_graph_output() for v in node.outputs):
            queue.extend(v for v in node.inputs if v is not None)
            node.graph.remove(node, safe=True)


def _remove_initializer(model: ir.Model, value: ir.Value) -> None:
    graph = value.graph
    if graph is None or value.name is None or graph.initializers.get(value.name) is not value:
        return
    if is_overridable(model, value):
        return  # part of the interface, read or not
    if value.is_graph_input():
        graph.inputs.remove(value)  # IR version 3 or before: it had to be listed, and was never an input
    del graph.initializers[value.name]
