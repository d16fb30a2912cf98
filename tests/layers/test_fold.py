"""--fuse: what is folded, what is not, and that nothing is without being asked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from helpers import assert_close, converted, model, ops, random, run, save, value
from onnx import helper

from fc2conv_cli import convert

C = 6


def chain(*nodes: onnx.NodeProto, left: bool = False, outputs: tuple[str, ...] = ("y",)) -> onnx.ModelProto:
    """A MatMul from x to z, and nodes from there to y; the constants that tests use."""
    rng = np.random.default_rng(0)
    constants = {
        "w": random((C, 8) if left else (8, C)), "b": random((C,), seed=1), "g": random((C,), seed=2),
        "m": random((C,), seed=3), "v": rng.uniform(0.5, 2, C).astype(np.float32), "two": np.float32(2).reshape(()),
        "column": random((5, 1)), "zero": np.zeros(C, np.float32), "gc": random((C, 1), seed=2),
    }  # fmt: skip
    first = helper.make_node("MatMul", ["w", "x"] if left else ["x", "w"], ["z"], name="fc")
    read = {i for n in (first, *nodes) for i in n.input}
    return model(
        [first, *nodes], [value("x", ["N", 8, 5] if left else ["N", 5, 8])], [value(o, None) for o in outputs],
        {name: array for name, array in constants.items() if name in read},
    )  # fmt: skip


def node(op: str, inputs: list[str], output: str = "y", **attributes: float) -> onnx.NodeProto:
    return helper.make_node(op, inputs, [output], name=f"{op} to {output}", **attributes)


FOLDED = {
    "Mul": chain(node("Mul", ["z", "g"])),
    "Mul on the left": chain(node("Mul", ["g", "z"])),
    "Mul of a scalar": chain(node("Mul", ["z", "two"])),
    "Div": chain(node("Div", ["z", "v"])),
    "bias and Mul": chain(node("Add", ["z", "b"], "a"), node("Mul", ["a", "g"])),
    "Mul and bias": chain(node("Mul", ["z", "g"], "a"), node("Add", ["a", "b"])),
    "Sub, Div, Mul, Add": chain(
        node("Sub", ["z", "m"], "a"),
        node("Div", ["a", "v"], "c"),
        node("Mul", ["c", "g"], "d"),
        node("Add", ["b", "d"]),
    ),
    "two biases": chain(node("Add", ["z", "b"], "a"), node("Add", ["a", "m"])),
    "BatchNormalization": chain(node("BatchNormalization", ["z", "g", "b", "m", "v"], epsilon=0.01), left=True),
    "bias and BatchNormalization": chain(
        node("Add", ["z", "gc"], "a"), node("BatchNormalization", ["a", "g", "b", "m", "v"]), left=True
    ),
}


@pytest.mark.parametrize("name", FOLDED)
def test_it_is_folded_when_asked(tmp_path: Path, name: str) -> None:
    proto = FOLDED[name]
    plain, _ = converted(proto, tmp_path)
    scaling = {"Mul", "Div", "BatchNormalization", "Add", "Sub"}
    assert scaling & set(ops(plain))
    path, report = converted(proto, tmp_path, fuse=True)
    assert not scaling & set(ops(path))
    assert ops(path).count("Conv") == 1
    (planned,) = report.plan.layers
    assert planned.layer.folded
    assert f"folded into fc: {planned.layer.folded[0].op_type}" in str(report)
    for size in (1, 3):
        x = {"x": random((size, *([8, 5] if "Batch" in name else [5, 8])))}
        assert_close(run(path, x), run(proto, x))


@pytest.mark.parametrize(
    ("size", "factor", "dtype"), [(1e38, 8, np.float32), (1e-3, 1e-4, np.float16), (1e3, 1e3, np.float16)]
)
def test_a_factor_that_the_weight_does_not_survive(tmp_path: Path, size: float, factor: float, dtype: type) -> None:
    kind = int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))
    constants = {"w": np.full((8, C), size, dtype), "g": np.array(factor, dtype)}
    nodes = [helper.make_node("MatMul", ["x", "w"], ["z"], name="fc"), node("Mul", ["z", "g"])]
    proto = model(nodes, [value("x", ["N", 8], kind)], [value("y", ["N", C], kind)], constants)
    path, report = converted(proto, tmp_path, fuse=True)
    assert not report.plan.layers[0].layer.folded
    assert "Mul" in ops(path)


def test_a_normalisation_that_trains(tmp_path: Path) -> None:
    constants = {k: _positive(i) for i, k in enumerate("gbmv")} | {"w": random((8, C))}
    outputs = ["y", "m", "v", "sm", "sv"]
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["z"], name="fc"),
        helper.make_node("BatchNormalization", ["z", "g", "b", "m", "v"], ["y", "", "", "", ""]),
    ]
    nodes[1].output[:] = ["y", *(f"unused_{name}" for name in outputs[1:])]
    proto = model(nodes, [value("x", [4, 8])], [value("y", [4, C])], constants, opset=9, ir_version=4)
    report = convert(save(proto, tmp_path / "m.onnx"), tmp_path / "o.onnx", fuse=True, verify=False)
    assert not report.plan.layers[0].layer.folded


def _positive(seed: int) -> np.ndarray:
    return random((C,), seed=seed) ** 2 + np.float32(0.1)


def test_a_matrix_and_its_normalisation(tmp_path: Path) -> None:
    constants = {k: _positive(i) for i, k in enumerate("gbmv")} | {"w": random((8, C))}
    nodes = [
        helper.make_node("Gemm", ["x", "w", "b"], ["z"], name="fc"),
        node("BatchNormalization", ["z", "g", "b", "m", "v"]),
    ]
    proto = model(nodes, [value("x", ["N", 8])], [value("y", ["N", C])], constants)
    path, _ = converted(proto, tmp_path, fuse=True)
    assert ops(path) == ["Unsqueeze", "Conv", "Squeeze"]
    x = {"x": random((3, 8))}
    assert_close(run(path, x), run(proto, x))


LEFT = {
    "a factor for each position": chain(node("Mul", ["z", "column"])),
    "a constant divided by the layer": chain(node("Div", ["v", "z"])),
    "a constant less the layer": chain(node("Sub", ["v", "z"])),
    "division by zero": chain(node("Div", ["z", "zero"])),
    "the square": chain(node("Mul", ["z", "z"])),
    "a result that is an output": chain(node("Mul", ["z", "g"]), outputs=("y", "z")),
    "another operator": chain(node("Pow", ["z", "two"])),
}


@pytest.mark.parametrize("name", LEFT)
def test_what_is_not_folded(tmp_path: Path, name: str) -> None:
    path, report = converted(LEFT[name], tmp_path, fuse=True)
    assert not report.plan.layers[0].layer.folded
    x = {"x": random((3, 5, 8))}
    for ours, theirs in zip(run(path, x), run(LEFT[name], x), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4)


def test_a_normalisation_of_positions_is_not_folded(tmp_path: Path) -> None:
    constants = {k: random((5,), seed=i) ** 2 + np.float32(0.1) for i, k in enumerate("gbmv")} | {"w": random((8, C))}
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["z"], name="fc"),
        node("BatchNormalization", ["z", "g", "b", "m", "v"]),
    ]
    proto = model(nodes, [value("x", ["N", 5, 8])], [value("y", ["N", 5, C])], constants)
    path, report = converted(proto, tmp_path, fuse=True)
    assert "BatchNormalization" in ops(path)
    assert not report.plan.layers[0].layer.folded


def test_layers_of_one_weight_with_different_factors(tmp_path: Path) -> None:
    constants = {"w": random((8, 8)), "g": random((8,), seed=1)}
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["z"], name="fc1"), node("Mul", ["z", "g"], "t"),
        node("Tanh", ["t"], "u"), helper.make_node("MatMul", ["u", "w"], ["y"], name="fc2"),
    ]  # fmt: skip
    proto = model(nodes, [value("x", ["N", 8])], [value("y", ["N", 8])], constants)
    path, _ = converted(proto, tmp_path, fuse=True)
    x = {"x": random((3, 8))}
    assert_close(run(path, x), run(proto, x))
    assert len([i for i in onnx.load(path).graph.initializer if len(i.dims) == 4]) == 2


def test_quantised_layers_are_not_folded(tmp_path: Path) -> None:
    constants = {
        "w": np.ones((8, C), np.int8), "s": np.float32(0.1).reshape(()), "g": random((C,), seed=1),
    }  # fmt: skip
    nodes = [
        helper.make_node("DequantizeLinear", ["w", "s"], ["d"]),
        helper.make_node("MatMul", ["x", "d"], ["z"], name="fc"),
        node("Mul", ["z", "g"]),
    ]
    proto = model(nodes, [value("x", ["N", 8])], [value("y", ["N", C])], constants)
    path, _ = converted(proto, tmp_path, fuse=True)
    assert "Mul" in ops(path)
