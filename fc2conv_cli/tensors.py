"""Every tensor that a model holds, wherever it is, and how to put another in its place.

Whoever reads, counts or writes the weights of a model asks here, so that none is forgotten in the body of a branch, in
a function, in a branch inside a function, or in an attribute.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import onnx_ir as ir

from fc2conv_cli.graphs import all_graphs

_NAME = "name in the file"
_TENSORS = frozenset({ir.AttributeType.TENSOR, ir.AttributeType.TENSORS})


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
    return _initializers(all_graphs(model))


def held_tensors(model: ir.Model) -> list[Initializer | InAttribute]:
    """All of them; initializers last, whose names matter, in case that one tensor is held twice."""
    graphs = list(all_graphs(model))
    return [*_in_attributes(graphs), *_initializers(graphs)]


def remember_names(held: Iterable[InAttribute]) -> None:
    """Keep what the tensors of attributes are called, since onnx_ir renames those of Constant nodes on the way."""
    for one in held:
        one.tensor.meta[_NAME] = one.tensor.name


def _of_attribute(node: ir.Node, name: str, attribute: ir.Attr) -> list[InAttribute]:
    if attribute.type is ir.AttributeType.TENSOR:
        return [InAttribute(node, name)]
    return [InAttribute(node, name, i) for i in range(len(attribute.as_tensors()))]


def _initializers(graphs: Iterable[ir.Graph]) -> list[Initializer]:
    values = [value for graph in graphs for value in graph.initializers.data.values()]
    return [Initializer(value) for value in values if value.const_value is not None]


def _in_attributes(graphs: Iterable[ir.Graph]) -> list[InAttribute]:
    return [
        held
        for graph in graphs
        for node in graph
        for name, attribute in node.attributes.data.items()
        if attribute.type in _TENSORS and not attribute.is_ref()
        for held in _of_attribute(node, name, attribute)
    ]
