"""Ways to break one conversion, without the battery: each fails, and the right one passes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from helpers import SAMPLES, converted, save
from onnx import TensorProto, helper, numpy_helper

from fc2conv_cli import verify


def initializer(proto: onnx.ModelProto, suffix: str) -> onnx.TensorProto:
    return next(t for t in proto.graph.initializer if t.name.endswith(suffix))


def change(proto: onnx.ModelProto, suffix: str, how: Callable[[np.ndarray], np.ndarray]) -> None:
    tensor = initializer(proto, suffix)
    array = np.ascontiguousarray(how(numpy_helper.to_array(tensor).copy()))
    tensor.CopyFrom(numpy_helper.from_array(array.astype(np.float32), tensor.name))


def one_weight(array: np.ndarray) -> np.ndarray:
    array.flat[np.abs(array).argmax()] *= 1.01
    return array


def swapped(array: np.ndarray) -> np.ndarray:
    array[[0, 1]] = array[[1, 0]]
    return array


def no_bias(proto: onnx.ModelProto) -> None:
    del next(n for n in proto.graph.node if n.op_type == "Conv" and len(n.input) > 2).input[2:]


def rename_output(proto: onnx.ModelProto) -> None:
    old = proto.graph.output[0].name
    for node in proto.graph.node:
        node.output[:] = ["renamed" if name == old else name for name in node.output]
    proto.graph.output[0].name = "renamed"


def retype_output(proto: onnx.ModelProto) -> None:
    name = proto.graph.output[0].name
    proto.graph.node.append(helper.make_node("Cast", [f"{name}_f"], [name], to=TensorProto.DOUBLE))
    for node in proto.graph.node[:-1]:
        node.output[:] = [f"{name}_f" if n == name else n for n in node.output]
    proto.graph.output[0].type.tensor_type.elem_type = TensorProto.DOUBLE


def freeze_batch(proto: onnx.ModelProto) -> None:
    for v in (*proto.graph.input, *proto.graph.output):
        v.type.tensor_type.shape.dim[0].dim_value = 1


MUTANTS: dict[str, Callable[[onnx.ModelProto], None]] = {
    "one weight off by 1 %": lambda p: change(p, "linear.weight", one_weight),
    "two output channels swapped": lambda p: change(p, "linear.weight", swapped),
    "kernel flipped": lambda p: change(p, "linear.weight", lambda a: a[:, :, ::-1, ::-1]),
    "kernel transposed": lambda p: change(p, "linear.weight", lambda a: a.transpose(0, 1, 3, 2)),
    "input channels reversed": lambda p: change(p, "linear.weight", lambda a: a[:, ::-1]),
    "bias missing": no_bias,
    "bias negated": lambda p: change(p, "linear.bias", lambda a: -a),
    "bias of a neighbour": lambda p: change(p, "linear.bias", lambda a: np.roll(a, 1)),
    "NaN weight": lambda p: change(p, "linear.weight", lambda a: np.where(a == a.max(), np.nan, a)),
    "output renamed": rename_output,
    "output retyped": retype_output,
    "batch frozen": freeze_batch,
}


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("digits")
    path, _ = converted(onnx.load(SAMPLES / "digits_cnn.onnx"), folder)
    return folder / "model.onnx", path


@pytest.mark.parametrize("name", MUTANTS)
def test_a_broken_conversion_does_not_pass(digits: tuple[Path, Path], tmp_path: Path, name: str) -> None:
    original, right = digits
    proto = onnx.load(right)
    MUTANTS[name](proto)
    report = verify(original, save(proto, tmp_path / "mutant.onnx"))
    assert not report.passed


def test_the_right_conversion_passes(digits: tuple[Path, Path]) -> None:
    report = verify(*digits)
    assert report.passed
    assert report.runs == 9
    (output,) = report.outputs
    assert output.worst is not None
    assert 0 < output.worst.max_relative < 1e-5
    assert verify(*digits) == report  # seeded
