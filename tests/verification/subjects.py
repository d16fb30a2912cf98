"""The models whose right conversions are broken, or changed without harm, to see what the gate says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from helpers import FLOAT, FLOAT16, SAMPLES, model, random, save, value
from onnx import TensorProto, helper, numpy_helper
from onnx.external_data_helper import set_external_data
from quantised import integers, quantise_static, scales

from fc2conv_cli import convert
from fc2conv_cli.layout.solve import Wishes

ALPHA, BETA = 0.5, 2.0
"""Of the Gemm in the model `alpha`."""


@dataclass(frozen=True)
class Subject:
    """A model and its conversion.

    Attributes:
        name: What the table calls it.
        original: Its file.
        converted: The file that fc2conv wrote.
    """

    name: str
    original: Path
    converted: Path

    def proto(self) -> onnx.ModelProto:
        """A copy of the conversion, to be changed."""
        return onnx.ModelProto.FromString(_bytes(self.converted))


@cache
def _bytes(path: Path) -> bytes:
    return path.read_bytes()


def _alpha() -> onnx.ModelProto:
    node = helper.make_node("Gemm", ["x", "w", "c"], ["y"], name="fc", alpha=ALPHA, beta=BETA)
    constants = {"w": random((12, 6)), "c": random((6,))}
    return model([node], [value("x", ["N", 12])], [value("y", ["N", 6])], constants)


def _clipped() -> onnx.ModelProto:
    """An end that most values are beyond: on N(0, 1) all but one in a hundred outputs are -1 or 1."""
    nodes = [
        helper.make_node("Gemm", ["x", "w0", "b0"], ["h"], name="first"),
        helper.make_node("Tanh", ["h"], ["r"]),
        helper.make_node("Gemm", ["r", "w1", "b1"], ["z"], name="second"),
        helper.make_node("Clip", ["z", "low", "high"], ["y"]),
    ]
    constants = {"w0": random((8, 12)), "b0": random((12,)) / 500}
    constants |= {"w1": random((12, 10)) * 40, "b1": random((10,)) / 10}
    constants |= {"low": np.array(-1, np.float32), "high": np.array(1, np.float32)}
    return model(nodes, [value("x", ["N", 8])], [value("y", ["N", 10])], constants)


def _masked() -> onnx.ModelProto:
    """Scores where a mask is true, and the lowest float elsewhere."""
    nodes = [
        helper.make_node("Gemm", ["x", "w", "b"], ["z"], name="scores"),
        helper.make_node("Where", ["mask", "z", "lowest"], ["y"]),
    ]
    inputs = [value("x", ["N", 16]), value("mask", ["N", 8], TensorProto.BOOL)]
    constants = {"w": random((16, 8)), "b": random((8,)), "lowest": np.array(np.finfo(np.float32).min)}
    return model(nodes, inputs, [value("y", ["N", 8])], constants)


def _two_heads() -> onnx.ModelProto:
    nodes = [
        helper.make_node("Gemm", ["x", "w0", "b0"], ["h"], name="trunk"),
        helper.make_node("Relu", ["h"], ["r"]),
        helper.make_node("Gemm", ["r", "w1", "b1"], ["left"], name="left"),
        helper.make_node("Gemm", ["r", "w2", "b2"], ["right"], name="right"),
    ]
    shapes = {"w0": (10, 16), "w1": (16, 4), "w2": (16, 4), "b0": (16,), "b1": (4,), "b2": (4,)}
    constants = {name: random(shape, seed=i) for i, (name, shape) in enumerate(shapes.items())}
    return model(
        nodes, [value("x", ["N", 10])], [value("left", ["N", 4]), value("right", ["N", 4])], constants, opset=18
    )


def _tokens() -> onnx.ModelProto:
    nodes = [
        helper.make_node("MatMul", ["x", "w0"], ["m"], name="up"),
        helper.make_node("Add", ["m", "b0"], ["a"]),
        helper.make_node("Tanh", ["a"], ["t"]),
        helper.make_node("MatMul", ["t", "w1"], ["n"], name="down"),
        helper.make_node("Add", ["n", "b1"], ["y"]),
    ]
    constants = {"w0": random((8, 12)), "b0": random((12,)), "w1": random((12, 8)), "b1": random((8,))}
    return model(nodes, [value("x", ["N", "S", 8])], [value("y", ["N", "S", 8])], constants)


def _half() -> onnx.ModelProto:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["m"], name="fc"),
        helper.make_node("Add", ["m", "b"], ["y"]),
    ]
    constants = {"w": random((16, 6), np.float16), "b": random((6,), np.float16)}
    return model(nodes, [value("x", ["N", 16], FLOAT16)], [value("y", ["N", 6], FLOAT16)], constants)


def _qlinear() -> onnx.ModelProto:
    constants = {"w": integers((32, 6), "int8", limit=60), **scales("uint8", "int8", 6, True)}
    names = ["x", "xs", "xz", "w", "ws", "wz", "ys", "yz"]
    node = helper.make_node("QLinearMatMul", names, ["y"], name="fc")
    ports = [value("x", ["N", 32], TensorProto.UINT8)], [value("y", ["N", 6], TensorProto.UINT8)]
    return model([node], *ports, constants)


def _qdq() -> onnx.ModelProto:
    def pair(source: str, name: str) -> list[onnx.NodeProto]:
        return [
            helper.make_node("QuantizeLinear", [source, f"{name}s", f"{name}z"], [f"{name}q"]),
            helper.make_node("DequantizeLinear", [f"{name}q", f"{name}s", f"{name}z"], [f"{name}d"]),
        ]

    scale = np.random.default_rng(4).uniform(0.005, 0.02, 6).astype(np.float32)
    constants: dict[str, np.ndarray] = {
        "w": integers((16, 6), "int8"), "ws": scale, "wz": np.zeros(6, np.int8),
        "b": integers((6,), "int32", limit=5000), "bs": scale * np.float32(0.02), "bz": np.zeros(6, np.int32),
        "as": np.float32(0.02).reshape(()), "az": np.array(120, np.uint8),
        "rs": np.float32(0.05).reshape(()), "rz": np.array(128, np.uint8),
    }  # fmt: skip
    nodes = [
        helper.make_node("DequantizeLinear", ["w", "ws", "wz"], ["wd"], axis=1),
        helper.make_node("DequantizeLinear", ["b", "bs", "bz"], ["bd"], axis=0),
        *pair("x", "a"),
        helper.make_node("Gemm", ["ad", "wd", "bd"], ["g"], name="fc"),
        *pair("g", "r"),
        helper.make_node("Identity", ["rd"], ["y"]),
    ]
    return model(nodes, [value("x", ["N", 16], FLOAT)], [value("y", ["N", 6], FLOAT)], constants, opset=18)


def _affine(source: str, target: str, weight: str, bias: str) -> list[onnx.NodeProto]:
    return [
        helper.make_node("MatMul", [source, weight], [f"{target}_m"], name=f"fc_{target}"),
        helper.make_node("Add", [f"{target}_m", bias], [target]),
    ]


def _branches() -> onnx.ModelProto:
    """A layer in each branch of an If, and one behind it."""
    bodies = [
        helper.make_graph(_affine("x", name, f"w{k}", f"b{k}"), name, [], [value(name, ["N", 8])])
        for k, name in enumerate(("yes", "no"))
    ]
    chosen = helper.make_node("If", ["c"], ["h"], then_branch=bodies[0], else_branch=bodies[1])
    nodes = [chosen, helper.make_node("Tanh", ["h"], ["t"]), *_affine("t", "y", "w2", "b2")]
    constants = {f"w{k}": random((8, 8), seed=k) for k in range(3)} | {f"b{k}": random((8,), seed=k) for k in range(3)}
    inputs = [value("x", ["N", 8]), value("c", [], TensorProto.BOOL)]
    return model(nodes, inputs, [value("y", ["N", 8])], constants)


def _loop() -> onnx.ModelProto:
    """A layer that is run three times over."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["on"]),
            *_affine("h", "a", "w", "b"),
            helper.make_node("Tanh", ["a"], ["next"]),
        ],
        "body",
        [value("k", [], TensorProto.INT64), value("go", [], TensorProto.BOOL), value("h", ["N", 8])],
        [value("on", [], TensorProto.BOOL), value("next", ["N", 8])],
    )
    loop = helper.make_node("Loop", ["trips", "", "x"], ["y"], body=body)
    constants = {"trips": np.array(3), "w": random((8, 8)), "b": random((8,))}
    return model([loop], [value("x", ["N", 8])], [value("y", ["N", 8])], constants)


def _sample(name: str) -> Callable[[Path], onnx.ModelProto]:
    return lambda _: onnx.load(SAMPLES / f"{name}.onnx")


def _quantised_digits(folder: Path) -> onnx.ModelProto:
    options: dict[str, Any] = {"per_channel": True, "extra_options": {"ActivationSymmetric": False}}
    return quantise_static("digits_cnn", (2, 1, 8, 8), folder, "QInt8", "QInt8", **options)


_SAMPLES = (
    "mlp", "digits_cnn", "squeeze_excitation", "convnext_block", "transformer_encoder", "vgg_head",
    "textbook_image", "textbook_features",
)  # fmt: skip

BUILDERS: dict[str, Callable[[Path], onnx.ModelProto]] = {
    **{name: _sample(name) for name in _SAMPLES},
    "alpha": lambda _: _alpha(),
    "two_heads": lambda _: _two_heads(),
    "tokens": lambda _: _tokens(),
    "tokens_nchw": lambda _: _tokens(),
    "float16": lambda _: _half(),
    "qlinear": lambda _: _qlinear(),
    "qdq": lambda _: _qdq(),
    "digits_cnn_int8": _quantised_digits,
    "clipped": lambda _: _clipped(),
    "masked": lambda _: _masked(),
    "branches": lambda _: _branches(),
    "loop": lambda _: _loop(),
}
"""Each makes the original, with a folder for what it needs on the way. The first eight are in `sample_models/`."""

_WISHES = {"tokens_nchw": Wishes(io="nchw")}
"""The conversion has 4-D inputs and outputs, and `verify` has to know it of the file."""


def prepare(name: str, folder: Path) -> Subject:
    """Build a model and convert it; fails if not every layer is converted and verified."""
    folder.mkdir(parents=True)
    original = save(BUILDERS[name](folder), folder / "original.onnx")
    report = convert(original, folder / "converted.onnx", wishes=_WISHES.get(name))
    assert report.verified
    assert report.plan.layers
    assert not report.plan.left
    return Subject(name, original, folder / "converted.onnx")


def graphs_of(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """A graph and those in its nodes."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from graphs_of(attribute.g)


def nodes_of(proto: onnx.ModelProto) -> list[onnx.NodeProto]:
    """The nodes of all graphs."""
    return [node for graph in graphs_of(proto.graph) for node in graph.node]


def graph_of(proto: onnx.ModelProto, name: str) -> onnx.GraphProto:
    """The graph in which a value is made."""
    return next(g for g in graphs_of(proto.graph) if any(name in node.output for node in g.node))


def layers(proto: onnx.ModelProto) -> list[onnx.NodeProto]:
    """The convolutions that fc2conv wrote."""
    made = ("Conv", "QLinearConv", "ConvInteger")
    return [n for n in nodes_of(proto) if n.op_type in made and any(p.key == "fc2conv.from" for p in n.metadata_props)]


def array_of(proto: onnx.ModelProto, name: str) -> np.ndarray:
    """A copy of an initializer."""
    return numpy_helper.to_array(next(t for t in _initializers(proto) if t.name == name)).copy()


def has_initializer(proto: onnx.ModelProto, name: str) -> bool:
    """Whether there is one of that name."""
    return any(t.name == name for t in _initializers(proto))


def _initializers(proto: onnx.ModelProto) -> list[onnx.TensorProto]:
    return [tensor for graph in graphs_of(proto.graph) for tensor in graph.initializer]


def save_external(proto: onnx.ModelProto, path: Path, data: str) -> Path:
    """Save a model with its weights in a file of their own; sizes and axes stay, since onnxruntime infers shapes."""
    for tensor in proto.graph.initializer:
        if tensor.data_type != TensorProto.INT64:
            if not tensor.HasField("raw_data"):
                tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor), tensor.name))
            set_external_data(tensor, data)
    onnx.save(proto, path)
    assert path.with_name(data).stat().st_size
    return path
