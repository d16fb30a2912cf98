"""Fully connected layers and layout nodes of a file, counted with onnx alone, so that fc2conv does not judge itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import onnx

WEIGHT_OF = {
    "MatMul": (0, 1),
    "Gemm": (0, 1),
    "FusedMatMul": (0, 1),
    "FusedGemm": (0, 1),
    "MatMulInteger": (0, 1),
    "Einsum": (0, 1),
    "QLinearMatMul": (0, 3),
    "QGemm": (0, 3),
    "MatMulNBits": (0, 1),
}
"""The two operands of a product; it is a fully connected layer if one of them is constant and the other is not."""
LAYOUT = frozenset({"Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze"})


@dataclass(frozen=True)
class Count:
    """Fully connected layers, and layout nodes that rearrange something else than a constant."""

    layers: int
    layout: int


def count(path: Path) -> Count:
    """Count in the main graph and in all bodies and functions."""
    model = onnx.load(path, load_external_data=False)
    counts = [_count(nodes, constant) for nodes, constant in _graphs(model)]
    return Count(sum(c.layers for c in counts), sum(c.layout for c in counts))


def _graphs(model: onnx.ModelProto) -> Iterator[tuple[list[onnx.NodeProto], set[str]]]:
    yield from _nested(list(model.graph.node), _initializers(model.graph))
    for function in model.functions:
        yield from _nested(list(function.node), set())


def _initializers(graph: onnx.GraphProto) -> set[str]:
    return {tensor.name for tensor in graph.initializer} | {t.values.name for t in graph.sparse_initializer}


def _nested(nodes: list[onnx.NodeProto], constant: set[str]) -> Iterator[tuple[list[onnx.NodeProto], set[str]]]:
    constant = set(constant)
    bodies = []
    for node in nodes:
        inner = [a.g for a in node.attribute if a.HasField("g")] + [g for a in node.attribute for g in a.graphs]
        bodies += inner
        given = [name for name in node.input if name]
        if not inner and (node.op_type == "Constant" or (given and all(name in constant for name in given))):
            constant.update(node.output)
    yield nodes, constant
    for body in bodies:
        yield from _nested(list(body.node), constant | _initializers(body))


def _count(nodes: list[onnx.NodeProto], constant: set[str]) -> Count:
    layers = layout = 0
    for node in nodes:
        if node.op_type in LAYOUT and node.input[0] not in constant:
            layout += 1
        elif node.op_type in WEIGHT_OF:
            operands = [node.input[i] in constant for i in WEIGHT_OF[node.op_type] if i < len(node.input)]
            layers += operands.count(True) == 1
    return Count(layers, layout)
