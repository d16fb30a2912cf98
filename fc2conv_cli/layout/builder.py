"""Adds nodes to a graph: unique names, shared constants, known shapes, and a note of where each node came from."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from fc2conv_cli.graphs import all_graphs
from fc2conv_cli.layout.donors import Donors
from fc2conv_cli.layout.steps import COMPUTED, Step
from fc2conv_cli.records import node_label
from fc2conv_cli.shapes import Shapes
from fc2conv_cli.sizes import Shape, Size

PROVENANCE = "fc2conv.from"
"""Key in `metadata_props` of every node that fc2conv wrote: the labels of the nodes it came from, a JSON list."""

_FIRST_AXES_AS_INPUT_OPSET = 13
"""Squeeze and Unsqueeze take their axes as an input from opset 13 on, as an attribute before."""
_FIRST_REDUCED_AXES_AS_INPUT_OPSET = 18
"""ReduceMean takes its axes as an input from opset 18 on, as an attribute before."""
_LAST_LISTED_IR_VERSION = 3
"""Up to IR version 3 every initializer must also be listed as a graph input."""

AttributeValue = int | float | str | Sequence[int]


class Builder:
    """Writes nodes into the graphs of a model, each before a node that is there already and into the same graph.

    Attributes:
        opset: Version of the default operator set where the next node goes; a function has its own.
        shapes: Shapes of all values, the new ones included.
        released: Values that lost a reader; nobody may need what computes them any more.
        dtype: What the next nodes produce, if they are not told.
    """

    def __init__(self, model: ir.Model, shapes: Shapes) -> None:
        """Collect the names that are taken, in all graphs and functions."""
        self.shapes = shapes
        self._main = model.graph
        self._functions = {
            graph: function
            for function in model.functions.values()
            for graph in (function.graph, *function.subgraphs())
        }
        self.released: list[ir.Value] = []
        self.opset = model.graph.opset_imports.get("", 1)
        self._list_initializers = model.ir_version <= _LAST_LISTED_IR_VERSION
        self._taken = _all_names(model)
        self._next: dict[str, int] = {}
        self._integers: dict[tuple[ir.Graph, tuple[int, ...]], ir.Value] = {}
        self._anchor: ir.Node | None = None
        self._latest: ir.Node | None = None
        self._added: list[ir.Node] = []
        self._origin: tuple[ir.Node, ...] = ()
        self.dtype: ir.DataType | None = None
        self._after = False

    def at(
        self, anchor: ir.Node, origin: tuple[ir.Node, ...], dtype: ir.DataType | None, *, after: bool = False
    ) -> None:
        """Write the next nodes before or after `anchor`; they come from `origin` and produce `dtype`."""
        self._anchor, self._origin, self.dtype, self._latest, self._after = anchor, origin, dtype, None, after
        function = self._functions.get(self._graph)
        self.opset = (self._main if function is None else function).opset_imports.get("", 1)

    def scope(self, home: ir.Graph | None) -> object:
        """What tells whether a constant that was made before can be read here.

        It can within the graph that holds it, `home` or else this one; in a function constants are nodes, and have
        an order.
        """
        return self._anchor if self._graph in self._functions else home or self._graph

    @property
    def _graph(self) -> ir.Graph:
        """The graph that the next node goes into."""
        assert self._anchor is not None
        assert self._anchor.graph is not None
        return self._anchor.graph

    def node(
        self,
        op_type: str,
        inputs: Sequence[ir.Value],
        attributes: dict[str, AttributeValue],
        shape: Shape,
        name: str,
        dtype: ir.DataType | None = None,
        domain: str = "",
    ) -> ir.Value:
        """Add a node, and return its output."""
        note = {PROVENANCE: self._provenance()}
        given = [_attribute(key, attribute) for key, attribute in attributes.items()]
        node = ir.Node(domain, op_type, list(inputs), given, name=name, metadata_props=note)
        return self._inserted(node, shape, dtype or self.dtype)

    def dynamically_quantized(self, value: ir.Value, shape: Shape, name: str) -> tuple[ir.Value, ir.Value, ir.Value]:
        """Add a DynamicQuantizeLinear, and return the integers, their scale and their zero point."""
        note = {PROVENANCE: self._provenance()}
        label = self.fresh(f"{name}/quantize")
        node = ir.node("DynamicQuantizeLinear", [value], num_outputs=3, name=label, metadata_props=note)
        integers = self._inserted(node, shape, ir.DataType.UINT8)
        _, scale, zero_point = node.outputs
        scale.name, zero_point.name = self.fresh(f"{label}_scale"), self.fresh(f"{label}_zero_point")
        self.describe(scale, (), ir.DataType.FLOAT)
        self.describe(zero_point, (), ir.DataType.UINT8)
        return integers, scale, zero_point

    def mean(self, value: ir.Value, axis: int, shape: Shape, name: str) -> ir.Value:
        """Add a ReduceMean that keeps its axis with size 1."""
        if self.opset >= _FIRST_REDUCED_AXES_AS_INPUT_OPSET:
            return self.node("ReduceMean", [value, self._integer_list((axis,))], {}, shape, self.fresh(name))
        return self.node("ReduceMean", [value], {"axes": [axis]}, shape, self.fresh(name))

    def repeat(self, node: ir.Node, value: ir.Value, shape: Shape, dtype: ir.DataType | None, name: str) -> ir.Value:
        """Add a node like one that is there, with another first input, and return its output."""
        note = {PROVENANCE: self._provenance()}
        inputs = [value, *node.inputs[1:]]
        again = ir.Node(
            node.domain, node.op_type, inputs, node.attributes.values(), name=self.fresh(name), metadata_props=note
        )
        return self._inserted(again, shape, dtype)

    def _inserted(self, node: ir.Node, shape: Shape, dtype: ir.DataType | None) -> ir.Value:
        assert self._anchor is not None
        node.outputs[0].name = self.fresh(f"{node.name}_output")
        self.describe(node.outputs[0], shape, dtype)
        if self._after:
            self._graph.insert_after(self._anchor, node)
            self._anchor = node
        else:
            self._graph.insert_before(self._anchor, node)
        self._latest = node
        self._added.append(node)
        return node.outputs[0]

    def describe(self, value: ir.Value, shape: Shape, dtype: ir.DataType | None) -> None:
        """Note the shape and type of a value, here and in the file."""
        value.shape = ir.Shape([self._dim(size) for size in shape])
        value.type = None if dtype is None else ir.TensorType(dtype)
        self.shapes.record(value, shape, dtype)

    def steps(self, value: ir.Value, chain: Sequence[Step], name: str, donors: Donors | None = None) -> ir.Value:
        """Add layout nodes; `donors` have the dims that a computed Reshape needs."""
        donors = donors or Donors(self.shapes)
        for step in chain:
            label = self.fresh(f"{name}/{step.op.lower()}")
            if step.op == "Transpose":
                value = self.node("Transpose", [value], {"perm": step.argument}, step.shape, label)
            elif step.op == "Reshape" and step.argument == COMPUTED:
                value = self.node(
                    "Reshape", [value, self.computed_shape(step.shape, donors, label)], {}, step.shape, label
                )
            elif step.op == "Reshape" or self.opset >= _FIRST_AXES_AS_INPUT_OPSET:
                value = self.node(step.op, [value, self._integer_list(step.argument)], {}, step.shape, label)
            else:
                value = self.node(step.op, [value], {"axes": step.argument}, step.shape, label)
        return value

    def latest(self, count: int) -> list[ir.Node]:
        """The nodes that were added last, in order."""
        return self._added[len(self._added) - count :]

    def take_over(self, y: ir.Value, value: ir.Value, nodes: Sequence[ir.Node]) -> None:
        """Let `value` stand wherever `y` stood, and take out the nodes that computed `y`.

        A value that was made for this takes the name and the declared type of `y` too; one that was there before
        does only if `y` is an output of the graph, whose name must stay.
        """
        made_for_this = self._latest is not None and value.producer() is self._latest
        if made_for_this or y.is_graph_output():
            value.type = y.type or value.type
            value.shape = y.shape if y.is_graph_output() else y.shape or value.shape
            value.doc_string = y.doc_string
            value.metadata_props.update(y.metadata_props)
            value.meta.update(y.meta)
            self.shapes.record(value, self.shapes.shape(y), self.shapes.dtype(y))
            value.name = y.name  # which keeps it too: it is out of the graph in a moment, and stands in reports
        y.replace_all_uses_with(value, replace_graph_outputs=True)
        self.released.extend(v for node in nodes for v in node.inputs if v is not None)
        self._graph.remove(nodes, safe=True)

    def may_rename(self, value: ir.Value) -> bool:
        """Whether a value may take the name of an output: one of ours, and no output itself."""
        node = value.producer()
        return node is not None and is_ours(node) and not value.is_graph_output()

    def initializer(self, name: str, tensor: ir.TensorProtocol, home: ir.Graph | None = None) -> ir.Value:
        """Add a constant to `home` or else to this graph; its name is made unique. In a function it is a node."""
        if self._graph in self._functions:
            return self._constant_node(name, tensor)
        # Up to IR version 3 initializers are inputs too, which a branch cannot have.
        graph = self._main if self._list_initializers else home if isinstance(home, ir.Graph) else self._graph
        value = ir.Value(
            name=self.fresh(name),
            shape=ir.Shape(tensor.shape.numpy()),
            type=ir.TensorType(tensor.dtype),
            const_value=tensor,
        )
        tensor.name = value.name
        graph.register_initializer(value)
        if self._list_initializers:
            graph.inputs.append(value)
        self.shapes.record(value, tuple(Size.of(d) for d in tensor.shape.numpy()), tensor.dtype)
        return value

    def array(self, name: str, array: npt.NDArray[np.generic]) -> ir.Value:
        """Add a constant that is in memory already."""
        return self.initializer(name, ir.Tensor(array))

    def lazy(
        self,
        name: str,
        make: Callable[[], npt.NDArray[np.generic]],
        shape: Sequence[int],
        dtype: ir.DataType,
        home: ir.Graph | None = None,
    ) -> ir.Value:
        """Add a constant that is computed when the file is written, and not kept."""
        tensor = ir.LazyTensor(lambda: ir.Tensor(np.ascontiguousarray(make())), dtype=dtype, shape=ir.Shape(shape))
        return self.initializer(name, tensor, home)

    def fresh(self, name: str) -> str:
        """The name itself, or with a number behind it when it is taken."""
        candidate, number = name, self._next.get(name, 1)
        while candidate in self._taken:
            candidate, number = f"{name}_{number}", number + 1
        self._taken.add(candidate)
        if candidate != name:
            self._next[name] = number
        return candidate

    def _dim(self, size: Size) -> int | str | None:
        """A dim as the file says it: unknown if it is an expression, or a symbol that inference made up."""
        if (static := size.static) is not None:
            return static
        name = size.symbols[0]
        return name if size == Size.of(name) and name in self.shapes.symbols else None

    def _provenance(self) -> str:
        labels: dict[str, None] = {}
        for node in self._origin:
            labels.update(dict.fromkeys(_earlier(node) or [node_label(node)]))
        return json.dumps(list(labels))

    def _integer_list(self, numbers: tuple[int, ...]) -> ir.Value:
        """A constant that nodes of one graph share; in a function each has its own, since nodes have an order."""
        key = (self._graph, numbers)
        if key not in self._integers or self._graph in self._functions:
            text = "_".join(str(n) for n in numbers).replace("-", "m")
            self._integers[key] = self.array(f"fc2conv_int64_{text}", np.array(numbers, np.int64))
        return self._integers[key]

    def _constant_node(self, name: str, tensor: ir.TensorProtocol) -> ir.Value:
        assert self._anchor is not None
        node = ir.node("Constant", [], {"value": tensor}, metadata_props={PROVENANCE: self._provenance()})
        node.name = node.outputs[0].name = self.fresh(name)
        node.outputs[0].const_value = tensor
        self.shapes.record(node.outputs[0], tuple(Size.of(d) for d in tensor.shape.numpy()), tensor.dtype)
        self._graph.insert_before(self._anchor, node)
        return node.outputs[0]

    def computed_shape(self, shape: Shape, donors: Donors, name: str) -> ir.Value:
        """A shape as a tensor: constants where static, dims of some donor where not."""
        parts: list[ir.Value] = []
        wholes: dict[ir.Value, ir.Value] = {}
        for size in shape:
            if size.static is not None:
                parts.append(self._integer_list((size.static,)))
                continue
            donor = donors.of(size)
            dims = self.shapes.shape(donor) or ()
            rank = (Size.of(len(dims)),)
            if donor not in wholes:
                wholes[donor] = self.node("Shape", [donor], {}, rank, self.fresh(f"{name}/shape"), ir.DataType.INT64)
            whole = wholes[donor]
            index = self._integer_list((dims.index(size),))
            label = self.fresh(f"{name}/dim")
            parts.append(self.node("Gather", [whole, index], {"axis": 0}, (Size.of(1),), label, ir.DataType.INT64))
        label = self.fresh(f"{name}/concat")
        return self.node("Concat", parts, {"axis": 0}, (Size.of(len(shape)),), label, ir.DataType.INT64)


def _attribute(name: str, value: AttributeValue) -> ir.Attr:
    if isinstance(value, int):
        return ir.AttrInt64(name, value)
    if isinstance(value, float):
        return ir.AttrFloat32(name, value)
    return ir.AttrString(name, value) if isinstance(value, str) else ir.AttrInt64s(name, value)


def _earlier(node: ir.Node) -> list[str]:
    """The labels that an earlier conversion noted; a file may say anything there."""
    try:
        noted = json.loads(node.metadata_props.get(PROVENANCE, "[]"))
    except ValueError:
        return []
    return [str(label) for label in noted] if isinstance(noted, list) else []


def is_ours(node: ir.Node) -> bool:
    """Whether fc2conv wrote the node."""
    return PROVENANCE in node.metadata_props


def _all_names(model: ir.Model) -> set[str]:
    names: set[str] = set()
    for graph in all_graphs(model):
        names.update(v.name for v in (*graph.inputs, *graph.initializers.values()) if v.name)
        for node in graph:
            names.update(v.name for v in node.outputs if v.name)
            if node.name:
                names.add(node.name)
    return names
