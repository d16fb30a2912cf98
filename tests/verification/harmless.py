"""Changes to a right conversion that leave what it computes as it is: the gate lets each of them pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import helper, numpy_helper, version_converter
from subjects import Subject, graphs_of, layers, save_external


@dataclass(frozen=True)
class Harmless:
    """A change that does no harm.

    Attributes:
        title: What changes, in the table.
        change: Makes it in memory, or gives another model; False where it does not apply.
        external: Whether the weights go into a file of their own.
        optimised: Whether onnxruntime's own optimiser writes the model once more.
    """

    title: str
    change: Callable[[onnx.ModelProto], onnx.ModelProto | bool] | None = None
    external: bool = False
    optimised: bool = False

    def make(self, subject: Subject, folder: Path) -> Path | None:
        """Write the changed model to a folder; None if there is nothing to change."""
        proto, path = subject.proto(), folder / "harmless.onnx"
        if self.change is not None:
            result = self.change(proto)
            if result is False:
                return None
            proto = result if isinstance(result, onnx.ModelProto) else proto
        if self.external:
            save_external(proto, path, "moved.bin")
        elif self.optimised:
            _optimise(subject.converted, path)
        else:
            onnx.save(proto, path)
        return path


def _optimise(source: Path, target: Path) -> None:
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(target)
    options.log_severity_level = 4
    ort.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])


def inner_names(proto: onnx.ModelProto) -> bool:
    """Every value but inputs and outputs gets another name."""
    kept = {p.name for p in (*proto.graph.input, *proto.graph.output)} | {""}
    seen: dict[str, str] = {}

    def renamed(name: str) -> str:
        return name if name in kept else seen.setdefault(name, f"value_{len(seen)}")

    for graph in graphs_of(proto.graph):
        for node in graph.node:
            node.input[:] = map(renamed, node.input)
            node.output[:] = map(renamed, node.output)
        for each in (*graph.initializer, *graph.value_info, *graph.input, *graph.output):
            each.name = renamed(each.name)
    return bool(seen)


def node_names(proto: onnx.ModelProto) -> bool:
    for i, node in enumerate(proto.graph.node):
        node.name = f"n{i}"
    return True


def node_order(proto: onnx.ModelProto) -> bool:
    """The last node that can run runs first."""
    waiting, ordered = list(proto.graph.node), []
    known = {p.name for p in (*proto.graph.input, *proto.graph.initializer)} | {""}
    while waiting:
        node = next(n for n in reversed(waiting) if known.issuperset(n.input))
        waiting.remove(node)
        ordered.append(node)
        known.update(node.output)
    before = [n.output[0] for n in proto.graph.node]
    del proto.graph.node[:]
    proto.graph.node.extend(ordered)
    return [n.output[0] for n in proto.graph.node] != before


def extra_identities(proto: onnx.ModelProto) -> bool:
    """One behind every layer, one behind the input, one before the output."""
    named = [n.output[0] for n in layers(proto)] + [proto.graph.output[0].name]
    result = []
    first = proto.graph.input[0].name
    for node in proto.graph.node:
        node.input[:] = [f"{first}/same" if n == first else n for n in node.input]
        through = [o for o in node.output if o in named]
        node.output[:] = [f"{o}/same" if o in named else o for o in node.output]
        result += [node, *(helper.make_node("Identity", [f"{o}/same"], [o]) for o in through)]
    del proto.graph.node[:]
    proto.graph.node.extend([helper.make_node("Identity", [first], [f"{first}/same"]), *result])
    return True


def later_opset(proto: onnx.ModelProto) -> onnx.ModelProto:
    return version_converter.convert_version(proto, 21)


def ir_version(proto: onnx.ModelProto) -> bool:
    proto.ir_version = 9 if proto.ir_version != 9 else 10
    return True


def metadata(proto: onnx.ModelProto) -> bool:
    """More of it in the file, none in the nodes."""
    for key, said in (("author", "somebody"), ("licence", "none")):
        proto.metadata_props.add(key=key, value=said)
    for node in proto.graph.node:
        del node.metadata_props[:]
    return True


def doc_strings(proto: onnx.ModelProto) -> bool:
    proto.doc_string = proto.graph.doc_string = "said"
    for each in (*proto.graph.node, *proto.graph.initializer, *proto.graph.input):
        each.doc_string = "said"
    return True


def producer(proto: onnx.ModelProto) -> bool:
    proto.producer_name, proto.producer_version, proto.graph.name = "another tool", "9.9", "another graph"
    proto.domain, proto.model_version = "org.example", 7
    return True


def constant_nodes(proto: onnx.ModelProto) -> bool:
    made = [helper.make_node("Constant", [], [t.name], value=t) for t in proto.graph.initializer]
    rest = list(proto.graph.node)
    del proto.graph.initializer[:]
    del proto.graph.node[:]
    proto.graph.node.extend([*made, *rest])
    return True


def no_value_info(proto: onnx.ModelProto) -> bool:
    found = bool(proto.graph.value_info)
    del proto.graph.value_info[:]
    return found


def duplicates(proto: onnx.ModelProto) -> bool:
    """Every weight is stored twice, and every second reader reads the copy; plus one that nobody reads."""
    known = {t.name for t in proto.graph.initializer}
    for tensor in list(proto.graph.initializer):
        copy = proto.graph.initializer.add()
        copy.CopyFrom(tensor)
        copy.name = f"{tensor.name}/copy"
    for node in list(proto.graph.node)[::2]:
        node.input[:] = [f"{n}/copy" if n in known else n for n in node.input]
    return True


def dims_renamed(proto: onnx.ModelProto) -> bool:
    """The symbolic dims of inputs and outputs are called otherwise."""
    found = False
    for port in (*proto.graph.input, *proto.graph.output):
        for dim in port.type.tensor_type.shape.dim:
            if dim.dim_param:
                dim.dim_param, found = f"{dim.dim_param}_too", True
    del proto.graph.value_info[:]
    return found


def other_encoding(proto: onnx.ModelProto) -> bool:
    """Weights as numbers of the protobuf, not as raw bytes."""
    found = False
    for tensor in proto.graph.initializer:
        array = numpy_helper.to_array(tensor)
        if array.dtype == np.float32:
            again = helper.make_tensor(tensor.name, tensor.data_type, array.shape, array.reshape(-1), raw=False)
            tensor.CopyFrom(again)
            found = True
    return found


def defaults_left_out(proto: onnx.ModelProto) -> bool:
    """Attributes of the convolutions that say what holds without them."""
    defaults = {"group": 1, "dilations": [1, 1], "strides": [1, 1], "pads": [0, 0, 0, 0]}
    found = False
    for node in layers(proto):
        said = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        idle = [name for name in said if name == "kernel_shape" or defaults.get(name) == said[name]]
        kept = [a for a in node.attribute if a.name not in idle]
        del node.attribute[:]
        node.attribute.extend(kept)
        found = found or bool(idle)
    return found


HARMLESS = [
    Harmless("inner values renamed", inner_names),
    Harmless("nodes renamed", node_names),
    Harmless("nodes in another order", node_order),
    Harmless("extra Identity nodes", extra_identities),
    Harmless("another opset", later_opset),
    Harmless("another IR version", ir_version),
    Harmless("weights moved to external data", external=True),
    Harmless("other metadata", metadata),
    Harmless("doc strings", doc_strings),
    Harmless("another producer", producer),
    Harmless("constants as nodes", constant_nodes),
    Harmless("value_info removed", no_value_info),
    Harmless("constants stored twice", duplicates),
    Harmless("symbolic dims renamed", dims_renamed),
    Harmless("weights encoded otherwise", other_encoding),
    Harmless("attributes left out that say the default", defaults_left_out),
    Harmless("written by onnxruntime's basic optimiser", optimised=True),
]
