"""The graphs of a model: the main one, those nested in its nodes, and those of its functions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import onnx
import onnx_ir as ir

FIRST_OVERRIDABLE_IR_VERSION = 4
"""https://github.com/onnx/onnx/blob/main/docs/IR.md: from IR version 4 on an initializer that is also an input is a
default that the caller may override; before, every initializer had to be listed as an input, and was constant."""


def is_overridable(model: ir.Model, value: ir.Value) -> bool:
    """Whether a value is an initializer that the caller may replace."""
    return model.ir_version >= FIRST_OVERRIDABLE_IR_VERSION and value.is_initializer() and value.is_graph_input()


def freeze_inputs(model: ir.Model) -> list[str]:
    """Take the initializers that a caller may replace off the inputs of a model, in place.

    Returns:
        Their names: what the interface has lost.
    """
    frozen = [value for value in model.graph.inputs if is_overridable(model, value)]
    for value in frozen:
        model.graph.inputs.remove(value)
    return [value.name or "" for value in frozen]


def all_graphs(model: ir.Model) -> Iterator[ir.Graph]:
    """Every graph of a model, the main one first."""
    for graph in (model.graph, *(function.graph for function in model.functions.values())):
        yield graph
        yield from dict.fromkeys(_nested(graph))


def _nested(graph: ir.Graph) -> Iterator[ir.Graph]:
    """The graphs in the nodes of a graph, those in their nodes, and so on: each right before what is in it."""
    for node in graph:
        for attribute in node.attributes.data.values():  # the dict inside, since this is asked of every node, often
            if attribute.type is ir.AttributeType.GRAPH and not attribute.is_ref():
                inner = [attribute.as_graph()]
            elif attribute.type is ir.AttributeType.GRAPHS and not attribute.is_ref():
                inner = list(attribute.as_graphs())
            else:
                continue
            for body in inner:
                yield body
                yield from _nested(body)


_FIRST_AXES_AS_INPUT_OPSET = 13
"""Squeeze and Unsqueeze take their axes as an attribute before."""


def foreign(model: ir.Model, opset: int) -> frozenset[ir.Graph]:
    """The graphs of functions in which Squeeze is written otherwise than in the main graph."""
    found: set[ir.Graph] = set()
    for function in model.functions.values():
        own = function.opset_imports.get("", opset)
        if (own < _FIRST_AXES_AS_INPUT_OPSET) != (opset < _FIRST_AXES_AS_INPUT_OPSET):
            found.update((function.graph, *function.subgraphs()))
    return frozenset(found)


def nested_graphs(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.GraphProto]:
    """The graphs of branches and loops, as they are in a file, at any depth."""
    for node in nodes:
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs) if attribute.HasField("g") else attribute.graphs:
                yield graph
                yield from nested_graphs(graph.node)


def stored_initializers(proto: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """The initializers of a file, in all graphs and functions."""
    yield from proto.graph.initializer
    for nodes in _bodies(proto):
        for graph in nested_graphs(nodes):
            yield from graph.initializer


def stored_tensors(proto: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Every tensor of a file: initializers, and what attributes hold."""
    yield from stored_initializers(proto)
    for outer in _bodies(proto):
        for nodes in (outer, *(graph.node for graph in nested_graphs(outer))):
            yield from (tensor for node in nodes for a in node.attribute for tensor in attribute_tensors(a))


def attribute_tensors(attribute: onnx.AttributeProto) -> Iterator[onnx.TensorProto]:
    """The tensors of one attribute."""
    if attribute.HasField("t"):
        yield attribute.t
    yield from attribute.tensors


def _bodies(proto: onnx.ModelProto) -> list[Iterable[onnx.NodeProto]]:
    return [proto.graph.node, *(function.node for function in proto.functions)]
