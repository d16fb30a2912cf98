"""Reports of every kind, small ones, for the tests of what is written of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from helpers import INT64, SAMPLES, matmul, model, random, save, value
from layer_models import pair, with_wrong_weight
from networks import mlp

from fc2conv_cli import Settings, convert, inspect, verify

NASTY = "a|b,c: 100%\r\n<&>`*_\x01\u2028::error::"
"""A name that means something in every format; ONNX takes it."""


def different(folder: Path, factor: float = 1.5, name: str = "y", **settings: Any) -> Any:
    ours, theirs = (matmul(["N", 4], random((4, 3)) * np.float32(f)) for f in (1, factor))
    for proto in (ours, theirs):
        proto.graph.node[0].output[0] = proto.graph.output[0].name = name
    return verify(save(ours, folder / "a.onnx"), save(theirs, folder / "b.onnx"), settings=Settings(**settings))


def without_an_output(folder: Path) -> Any:
    nodes = [onnx.helper.make_node("Relu", ["x"], ["a"]), onnx.helper.make_node("Neg", ["x"], ["b"])]
    both = model(nodes, [value("x", [2])], [value("a", [2]), value("b", [2])])
    one = model(nodes[:1], [value("x", [2])], [value("a", [2])])
    return verify(save(both, folder / "a.onnx"), save(one, folder / "b.onnx"))


def integers(folder: Path) -> Any:
    node = onnx.helper.make_node("Add", ["x", "c"], ["y"])
    ports = [value("x", [2], INT64)], [value("y", [2], INT64)]
    ours, theirs = (model([node], *ports, {"c": np.array(c)}) for c in ([1, 2], [1, 3]))
    return verify(save(ours, folder / "a.onnx"), save(theirs, folder / "b.onnx"))


def by_layer(folder: Path, factor: float = 1.05, **settings: Any) -> Any:
    """A network of three layers of which the second has a weight times `factor`."""
    original, right = pair(mlp(3), folder)
    wrong = with_wrong_weight(right, "MatMul2", lambda array: array * factor)
    return verify(original, wrong, per_layer=True, settings=Settings(samples=1, **settings))


def ill_conditioned(folder: Path, **settings: Any) -> Any:
    """A report of an output that is outside of tolerance by what is said to be the model's own rounding."""
    report = different(folder, 1.001, **settings)
    output = replace(report.outputs[0], noise=1.0, excess=2.5)
    return replace(report, outputs=(output,))


def overridable(folder: Path, name: str = "fc") -> Path:
    proto = matmul(["N", 4], random((4, 3)))
    proto.graph.node[0].name = name
    proto.graph.input.append(value("w", [4, 3]))
    return save(proto, folder / "m.onnx")


def written(folder: Path) -> Any:
    return convert(SAMPLES / "mlp.onnx", folder / "out.onnx", force=True)


def left(folder: Path) -> Any:
    return convert(overridable(folder), strict=True)


def inspected(folder: Path, name: str = "fc") -> Any:
    return inspect(overridable(folder, name))


def nothing_compared(folder: Path, beside: bool = False) -> Any:
    """Two models that give NaN for every input, and `beside` that an output of numbers."""
    nodes = [onnx.helper.make_node("Log", ["c"], ["l"]), onnx.helper.make_node("Add", ["x", "l"], ["y"])]
    outputs = [value("y", [2])]
    if beside:
        nodes.append(onnx.helper.make_node("Neg", ["x"], ["z"]))
        outputs.append(value("z", [2]))
    path = save(model(nodes, [value("x", [2])], outputs, {"c": np.full(2, -1, np.float32)}), folder / "nan.onnx")
    return verify(path, path)
