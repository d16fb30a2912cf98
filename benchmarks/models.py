"""Big models to measure on: ``python benchmarks/models.py FOLDER [NAME ...]`` writes them and prints their paths.

Weights go to the file as they are made, so that a model of any size takes a few megabytes to write. They are one block
of random numbers over and over: cheap, and no two rows of a matrix are alike, since the length of the block is a prime.
"""

from __future__ import annotations

import argparse
import functools
import math
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

BLOCK = 1_000_003
"""Random numbers that are made; a prime."""
ALIGNMENT = 2**16
"""Where tensors begin in a data file: exporters do the same, so that every system can map them into memory."""
OPSET, IR_VERSION = 17, 8


@dataclass(frozen=True)
class Weight:
    """A tensor to write: its values lie in +-`scale`."""

    name: str
    shape: tuple[int, ...]
    scale: float

    @property
    def nbytes(self) -> int:
        """Bytes of it as float32."""
        return 4 * math.prod(self.shape)

    def blocks(self, seed: int = 0) -> Iterator[bytes]:
        """Its bytes, a few megabytes at a time."""
        block = (_block() * np.float32(self.scale)).tobytes()
        start, left = 4 * (seed * 7919 % BLOCK), self.nbytes
        while left:
            piece = block[start : start + left]
            yield piece
            start, left = 0, left - len(piece)


@functools.cache
def _block() -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.random.default_rng(0).random(BLOCK, np.float32) * np.float32(2) - np.float32(1)


def write_once(path: Path, write: Callable[[Path], object]) -> Path:
    """Write a model unless it is there; one whose writing was stopped is not."""
    if not path.exists():
        part = path.parent / "part"
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        write(part / path.name)
        for file in sorted(part.iterdir(), key=lambda file: file.suffix == ".onnx"):
            file.replace(path.parent / file.name)
        part.rmdir()
    return path


def write_external(path: Path, proto: onnx.ModelProto, weights: Sequence[Weight]) -> Path:
    """Write a model and, as ``<name>.data`` beside it, its weights."""
    data = path.with_name(f"{path.name}.data")
    with data.open("wb") as file:
        for number, weight in enumerate(weights):
            file.seek(-file.tell() % ALIGNMENT, 1)
            tensor = proto.graph.initializer.add(name=weight.name, dims=weight.shape, data_type=TensorProto.FLOAT)
            tensor.data_location = TensorProto.EXTERNAL
            for key, entry in (("location", data.name), ("offset", file.tell()), ("length", weight.nbytes)):
                tensor.external_data.add(key=key, value=str(entry))
            file.writelines(weight.blocks(number))
    path.write_bytes(proto.SerializeToString())
    return path


def write_one_file(path: Path, proto: onnx.ModelProto, weights: Sequence[Weight]) -> Path:
    """Write a model with its weights inside; its serialised form is in memory once."""
    for number, weight in enumerate(weights):
        raw = b"".join(weight.blocks(number))
        proto.graph.initializer.add(name=weight.name, dims=weight.shape, data_type=TensorProto.FLOAT, raw_data=raw)
    path.write_bytes(proto.SerializeToString())
    return path


def chain(layers: int, width: int, *, transposed: bool) -> tuple[onnx.ModelProto, list[Weight]]:
    """So many layers of `width` features, each with a Relu; weights as (out, in), or as (in, out) when `transposed`."""
    nodes, weights, last = [], [], "x"
    for i in range(layers):
        weights.append(Weight(f"w{i}", (width, width), math.sqrt(6 / width)))  # what He initialisation takes
        if transposed:
            nodes.append(helper.make_node("MatMul", [last, f"w{i}"], [f"h{i}"], name=f"fc{i}"))
        else:
            nodes.append(helper.make_node("Gemm", [last, f"w{i}"], [f"h{i}"], name=f"fc{i}", transB=1))
        last = f"y{i}"
        nodes.append(helper.make_node("Relu", [f"h{i}"], [last], name=f"relu{i}"))
    return _model("chain", nodes, ["N", width], last, ["N", width]), weights


def vgg11() -> tuple[onnx.ModelProto, list[Weight]]:
    """VGG-11 as torchvision exports it: eight convolutions, and 124 of 133 million weights after them."""
    nodes: list[onnx.NodeProto] = []
    weights: list[Weight] = []
    channels, last = 3, "x"

    def add(op: str, inputs: Sequence[str] = (), **attributes: Any) -> None:
        nonlocal last
        name = f"{op.lower()}{len(nodes)}"
        nodes.append(helper.make_node(op, [last, *inputs], [name], name=f"/{name}", **attributes))
        last = name

    def parameters(shape: tuple[int, ...]) -> list[str]:
        prefix = f"layer{len(nodes)}"
        weights.append(Weight(f"{prefix}.weight", shape, math.sqrt(6 / math.prod(shape[1:]))))
        weights.append(Weight(f"{prefix}.bias", shape[:1], 0.01))
        return [f"{prefix}.weight", f"{prefix}.bias"]

    for wide in (64, 0, 128, 0, 256, 256, 0, 512, 512, 0, 512, 512, 0):
        if not wide:
            add("MaxPool", kernel_shape=[2, 2], strides=[2, 2])
            continue
        add("Conv", parameters((wide, channels, 3, 3)), kernel_shape=[3, 3], pads=[1, 1, 1, 1])
        add("Relu")
        channels = wide
    add("Flatten", axis=1)
    for wide, narrow in ((25088, 4096), (4096, 4096), (4096, 1000)):
        add("Gemm", parameters((narrow, wide)), transB=1)
        if narrow > 1000:
            add("Relu")
    return _model("vgg11", nodes, ["N", 3, 224, 224], last, ["N", 1000]), weights


def _model(
    name: str, nodes: Sequence[onnx.NodeProto], before: Sequence[int | str], last: str, after: Sequence[int | str]
) -> onnx.ModelProto:
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, before)]
    outputs = [helper.make_tensor_value_info(last, TensorProto.FLOAT, after)]
    graph = helper.make_graph(nodes, name, inputs, outputs)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)


def _chain(layers: int, width: int, *, transposed: bool, external: bool = True) -> Callable[[Path], Path]:
    write = write_external if external else write_one_file
    return lambda path: write(path, *chain(layers, width, transposed=transposed))


MODELS: dict[str, Callable[[Path], Path]] = {
    "external_out_in": _chain(4, 8192, transposed=False),  # 1.07 GB; nothing has to move
    "external_in_out": _chain(4, 8192, transposed=True),  # every weight has to be transposed
    "one_layer_out_in": _chain(1, 24576, transposed=False),  # 2.4 GB
    "one_layer_in_out": _chain(1, 24576, transposed=True),
    "four_gb_out_in": _chain(16, 8192, transposed=False),  # 4.3 GB
    "four_gb_in_out": _chain(16, 8192, transposed=True),
    "vgg11": lambda path: write_one_file(path, *vgg11()),  # 531 MB in one file
    "one_file_in_out": _chain(8, 4096, transposed=True, external=False),  # 537 MB in one file, to be transposed
    "one_file_2gb": _chain(7, 8192, transposed=False, external=False),  # 1.88 GB, nearly what protobuf takes
}
"""How to write each model at a path."""


def main() -> None:
    """Write models and print their paths."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"all if not given: {', '.join(MODELS)}")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    for name in given.names or MODELS:
        if name not in MODELS:
            parser.error(f"no model {name!r}")
        print(MODELS[name](given.folder / f"{name}.onnx"))


if __name__ == "__main__":
    main()
