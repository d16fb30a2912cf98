"""One converted layer as a model of its own: the nodes from what it reads to what it writes, weights by reference."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper

from fc2conv_cli.layer_notes import LayerNote
from fc2conv_cli.layout.builder import PROVENANCE
from fc2conv_cli.verification.instrument import Engine, Instrumented, identity
from fc2conv_cli.verification.runner import Model

Array = npt.NDArray[np.generic]

CONVOLUTIONS = frozenset({"Conv", "QLinearConv", "ConvInteger"})
_LONGEST_EPILOGUE = 32
"""Nodes behind the convolution of one layer; it writes a handful."""


@dataclass(frozen=True)
class Alone:
    """The nodes of one converted layer.

    Attributes:
        conv: Its convolution.
        nodes: All of them, in order.
        reads: The name of what it reads.
        sides: Names of what else it reads that is computed outside.
        writes: The name of what it gives.
        weights: Its constants.
    """

    conv: onnx.NodeProto
    nodes: tuple[onnx.NodeProto, ...]
    reads: str
    sides: tuple[str, ...]
    writes: str
    weights: tuple[onnx.TensorProto, ...]

    def load(self, model: Instrumented, engine: Engine, feeds: Mapping[str, Array]) -> Model:
        """Ready to run on inputs of such types and ranks; raises RunError if it cannot be loaded."""
        inputs = [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), [None] * array.ndim)
            for name, array in feeds.items()
        ]
        return engine(model.copy(self.nodes, inputs, [self.writes], self.weights), model.folder)

    @property
    def becomes(self) -> str:
        """Operator and kernel, for people."""
        return convolution_text(self.conv)


def convolution_text(conv: onnx.NodeProto) -> str:
    """Operator, kernel and groups of a convolution, for people."""
    attributes: dict[str, Any] = {a.name: helper.get_attribute_value(a) for a in conv.attribute}
    kernel = "x".join(map(str, attributes.get("kernel_shape", ())))
    groups = attributes.get("group", 1)
    return f"{conv.op_type} {kernel}".strip() + (f", {groups} groups" if groups > 1 else "")


def find_alone(model: Instrumented, node: onnx.NodeProto, note: LayerNote) -> Alone | None:
    """The layer whose output `node` gives; None if its convolution does not stand where the note says."""
    behind = _back_to_convolution(model, node)
    if behind is None or not behind[-1].input:
        return None
    conv, reads, front = behind[-1], behind[-1].input[0], []
    for _ in range(note.before):
        maker = model.makers.get(reads)
        if maker is None or not maker.input:
            return None
        front.append(maker)
        reads = maker.input[0]
    nodes, sides, weights = _with_sides(model, [*front, *behind], reads)
    return Alone(conv, tuple(model.in_order(nodes)), reads, tuple(sides), node.output[0], tuple(weights))


def _back_to_convolution(model: Instrumented, node: onnx.NodeProto) -> list[onnx.NodeProto] | None:
    """The nodes from the layer's last one to its convolution: each works on its first input."""
    path = [node]
    while path[-1].op_type not in CONVOLUTIONS:
        above = model.makers.get(path[-1].input[0]) if path[-1].input else None
        if above is None or len(path) > _LONGEST_EPILOGUE:
            return None
        path.append(above)
    return path


def _with_sides(
    model: Instrumented, core: list[onnx.NodeProto], reads: str
) -> tuple[list[onnx.NodeProto], list[str], list[onnx.TensorProto]]:
    """The nodes with those that compute their other inputs, as far as they are constant or were written for them."""
    taken = {identity(node): node for node in core}
    origin = _provenance(core[0])
    sides: dict[str, None] = {}
    weights: dict[str, onnx.TensorProto] = {}
    stack = [name for node in core for name in _inputs(node)]
    while stack:
        name = stack.pop()
        maker = model.makers.get(name)
        if name == reads or (maker is not None and identity(maker) in taken):
            continue
        if maker is None and name in model.initializers:
            weights[name] = model.initializers[name]
        elif maker is not None and (model.is_constant(name) or (origin and _provenance(maker) == origin)):
            taken[identity(maker)] = maker
            stack.extend(_inputs(maker))
        else:
            sides[name] = None
    return list(taken.values()), list(sides), list(weights.values())


def _inputs(node: onnx.NodeProto) -> Iterator[str]:
    return (name for name in node.input if name)


def _provenance(node: onnx.NodeProto) -> str:
    return next((entry.value for entry in node.metadata_props if entry.key == PROVENANCE), "")
