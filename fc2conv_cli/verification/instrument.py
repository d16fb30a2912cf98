"""A model file whose inner values can be looked at: copies of its graph that have other outputs.

Weights stay where they are: what is in another file is read from there by whatever runs the copy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path

import onnx

from fc2conv_cli.verification.runner import Model, Runner


class Instrumented:
    """A file, and what of its main graph a comparison needs to know."""

    def __init__(self, path: Path) -> None:
        """Read the graph, without weights that are in other files."""
        self.proto = onnx.load(path, load_external_data=False)
        self.folder = path.resolve().parent
        self._place = {name: i for i, node in enumerate(self.proto.graph.node) for name in node.output}

    @property
    def metadata(self) -> dict[str, str]:
        """What the file notes of itself."""
        return {entry.key: entry.value for entry in self.proto.metadata_props}

    @cached_property
    def makers(self) -> dict[str, onnx.NodeProto]:
        """By the name of a value: the node that gives it."""
        return {name: node for node in self.proto.graph.node for name in node.output if name}

    @cached_property
    def initializers(self) -> dict[str, onnx.TensorProto]:
        """By name."""
        return {tensor.name: tensor for tensor in self.proto.graph.initializer}

    @cached_property
    def inputs(self) -> frozenset[str]:
        """Names of what must be fed."""
        return frozenset(port.name for port in self.proto.graph.input if port.name not in self.initializers)

    def has(self, name: str) -> bool:
        """Whether the main graph has a value of that name that is computed or fed."""
        return name in self.makers or name in self.inputs

    def place(self, name: str) -> int:
        """Where a value is computed in the order of the main graph; -1 for what is fed."""
        return self._place.get(name, -1)

    def in_order(self, nodes: Iterable[onnx.NodeProto]) -> list[onnx.NodeProto]:
        """Nodes of the main graph in its order."""
        return sorted(nodes, key=lambda node: self._place[identity(node)])

    @cached_property
    def _varying(self) -> frozenset[str]:
        """Names of the values that depend on an input. A branch or loop may read anything."""
        found = set(self.inputs)
        for node in self.proto.graph.node:
            if _has_body(node) or not found.isdisjoint(node.input):
                found.update(node.output)
        return frozenset(found)

    def is_constant(self, name: str) -> bool:
        """Whether a value depends on no input."""
        return name not in self._varying

    def copy(
        self,
        nodes: Iterable[onnx.NodeProto],
        inputs: Iterable[onnx.ValueInfoProto],
        outputs: Sequence[str],
        initializers: Iterable[onnx.TensorProto],
    ) -> onnx.ModelProto:
        """A model of some of the nodes, at the same opsets, whose outputs have those names."""
        model = onnx.ModelProto(ir_version=max(self.proto.ir_version, 4))
        model.opset_import.extend(self.proto.opset_import)
        model.functions.extend(self.proto.functions)
        graph = model.graph
        graph.name = self.proto.graph.name or "graph"
        graph.node.extend(nodes)
        graph.input.extend(inputs)
        graph.initializer.extend(initializers)
        graph.output.extend(onnx.ValueInfoProto(name=name) for name in outputs)
        return model

    def tapped(self, engine: Engine, values: Iterable[str]) -> Model:
        """The whole model, giving those values and nothing else; raises RunError if it cannot be loaded."""
        graph, names = self.proto.graph, list(dict.fromkeys(values))
        kept = list(graph.output)
        del graph.output[:]
        try:
            # Without types: what a file declares of inner values may be wrong, and who runs it infers them anyway.
            graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
            return engine(self.proto, self.folder)
        finally:
            del graph.output[:]
            graph.output.extend(kept)


Engine = Callable[[onnx.ModelProto, Path], Model]
"""Makes a model that runs of what a file holds, and of the folder where its external data is."""


def in_onnxruntime(proto: onnx.ModelProto, folder: Path) -> Model:
    """In onnxruntime; raises RunError if it cannot load it."""
    return Runner(proto.SerializeToString(), folder)


def in_reference(proto: onnx.ModelProto, folder: Path) -> Model:
    """In ONNX's reference evaluator, with sums in double precision; raises RunError if it cannot load it."""
    from fc2conv_cli.verification.reference import ReferenceRunner  # rarely needed, and slow to import

    whole = onnx.ModelProto()
    whole.CopyFrom(proto)
    onnx.load_external_data_for_model(whole, str(folder))
    return ReferenceRunner(whole)


def identity(node: onnx.NodeProto) -> str:
    """The name of its first output: no other node has it, while names of nodes need not be unique."""
    return str(next(name for name in node.output if name))


def _has_body(node: onnx.NodeProto) -> bool:
    return any(a.type in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS) for a in node.attribute)


def bodies(model: onnx.ModelProto) -> Iterator[Sequence[onnx.NodeProto]]:
    """The nodes of every branch, loop body and local function."""
    stack: list[Sequence[onnx.NodeProto]] = [f.node for f in model.functions]
    yield from list(stack)
    stack.append(model.graph.node)
    while stack:
        for node in stack.pop():
            for attribute in node.attribute:
                graphs = [*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])]
                for graph in graphs:
                    yield graph.node
                    stack.append(graph.node)
