"""Every tensor that a model holds, wherever it is, and how to put another in its place.

Whoever reads, counts or writes the weights of a model asks here, so that none is forgotten in the body of a branch, in
a function, in a branch inside a function, or in an attribute.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import onnx_ir as ir

from fc2conv_cli.graphs import all_graphs

_NAME = "name in the file"


@dataclass(frozen=True)
class Initializer:
    """Holds a tensor that may be in a data file."""

    value: ir.Value

    @property
    def tensor(self) -> ir.TensorProtocol:
        """What it holds."""
        assert self.value.const_value is not None
        return self.value.const_value

    @property
    def tensor_name(self) -> str | None:
        """What the tensor is to be called in a file."""
        return self.value.name

    def put(self, tensor: ir.TensorProtocol) -> None:
        """Let it hold another."""
        self.value.const_value = tensor


@dataclass(frozen=True)
class InAttribute:
    """Holds a tensor of a node's attribute; one that is written is always inside the model's file.

    Attributes:
        node: The node.
        name: Of the attribute.
        index: Which of the attribute's tensors; None if it has only one.
    """

    node: ir.Node
    name: str
    index: int | None = None

    @property
    def tensor(self) -> ir.TensorProtocol:
        """What it holds."""
        held = self.node.attributes[self.name]
        return held.as_tensor() if self.index is None else held.as_tensors()[self.index]

    @property
    def tensor_name(self) -> str | None:
        """What the tensor is to be called in a file."""
        name: str | None = self.tensor.meta.get(_NAME, self.tensor.name)
        return name

    def put(self, tensor: ir.TensorProtocol) -> None:
        """Let it hold another."""
        held = self.node.attributes[self.name]
        if self.index is None:
            self.node.attributes[self.name] = ir.AttrTensor(self.name, tensor, doc_string=held.doc_string)
        else:
            among = list(held.as_tensors())
            among[self.index] = tensor
            self.node.attributes[self.name] = ir.AttrTensors(self.name, among, doc_string=held.doc_string)


def initializers(model: ir.Model) -> list[Initializer]:
    """The initializers of all graphs that have a value."""
    values = [value for graph in all_graphs(model) for value in graph.initializers.values()]
    return [Initializer(value) for value in values if value.const_value is not None]


def in_attributes(model: ir.Model) -> list[InAttribute]:
    """The tensors of attributes."""
    return [held for graph in all_graphs(model) for node in graph for held in _of_node(node)]


def held_tensors(model: ir.Model) -> list[Initializer | InAttribute]:
    """All of them; initializers last, whose names matter, in case that one tensor is held twice."""
    return [*in_attributes(model), *initializers(model)]


def remember_names(model: ir.Model) -> None:
    """Keep what the tensors of attributes are called, since onnx_ir renames those of Constant nodes on the way."""
    for held in in_attributes(model):
        held.tensor.meta[_NAME] = held.tensor.name


def _of_node(node: ir.Node) -> Iterator[InAttribute]:
    for name, attribute in node.attributes.items():
        if attribute.is_ref():
            continue
        if attribute.type is ir.AttributeType.TENSOR:
            yield InAttribute(node, name)
        elif attribute.type is ir.AttributeType.TENSORS:
            yield from (InAttribute(node, name, i) for i in range(len(attribute.as_tensors())))
