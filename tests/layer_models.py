"""Models for the tests of comparisons by layer, and ways to break one layer of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from helpers import converted, save
from onnx import numpy_helper

from fc2conv_cli.layer_notes import KEY


def noted(proto: onnx.ModelProto) -> list[onnx.NodeProto]:
    """The nodes that give the output of a layer."""
    return [n for n in proto.graph.node if any(entry.key == KEY for entry in n.metadata_props)]


def pair(proto: onnx.ModelProto, folder: Path, **options: object) -> tuple[Path, Path]:
    """A model and its conversion."""
    path, _ = converted(proto, folder, **options)
    return folder / "model.onnx", path


def largest_off(array: np.ndarray) -> np.ndarray:
    array.flat[np.abs(array).argmax()] *= 1.05
    return array


def with_wrong_weight(
    path: Path, conv: str, how: Callable[[np.ndarray], np.ndarray] = largest_off, operand: int = 1
) -> Path:
    """A copy in which the convolution of that name has another weight."""
    proto = onnx.load(path)
    node = next(n for n in proto.graph.node if n.name == conv)
    tensor = next(t for t in proto.graph.initializer if t.name == node.input[operand])
    array = np.asarray(how(numpy_helper.to_array(tensor).copy()), numpy_helper.to_array(tensor).dtype)
    tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    return save(proto, path.with_name("wrong.onnx"))


def without_notes(path: Path) -> Path:
    """A copy that says nothing of where it comes from."""
    proto = onnx.load(path)
    for node in proto.graph.node:
        del node.metadata_props[:]
    return save(proto, path.with_name("plain.onnx"))
