"""Standard inference: the same shapes as symbolic inference gives, or none at all."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import onnx
import pytest
from helpers import CORPUS, SAMPLES, model, random, save, value
from onnx import helper
from onnx.backend.test.case.node import collect_testcases

from fc2conv_cli.frontends.onnx_file import load
from fc2conv_cli.shapes import infer, standard, symbolic
from fc2conv_cli.sizes import Shape, shape_of

_KNOWN_BETTER = {"DFT", "MaxUnpool"}
"""Operators whose shape the symbolic engine does not infer."""


def known(proto: onnx.ModelProto, folder: Path) -> dict[str, Shape] | None:
    path = save(proto, folder / "m.onnx")
    found = standard.infer(load(path), path)
    return None if found is None else {v.name or "": shape for v, (shape, _) in found.items()}


def agrees(path: Path) -> bool:
    """Whether standard inference knows a model; it must know what symbolic inference does."""
    model_ = load(path)
    found = standard.infer(model_, path)
    if found is None:
        return False
    other = symbolic.infer(model_)
    for v, (shape, dtype) in found.items():
        node = v.producer()
        if node is None or node.op_type not in _KNOWN_BETTER:
            assert (shape, dtype) == (other[v][0], other[v][1] or dtype), f"{path}: {v.name}"
    return True


def test_every_value_of_a_model_with_a_dynamic_batch(tmp_path: Path) -> None:
    nodes = [helper.make_node("Relu", ["x"], ["r"]), helper.make_node("Gemm", ["r", "w", "b"], ["y"], transB=1)]
    weights = {"w": random((3, 4)), "b": random((3,))}
    found = known(model(nodes, [value("x", ["batch-size", 4])], [value("y", None)], weights), tmp_path)
    assert found is not None
    assert found["r"] == shape_of(["batch-size", 4])
    assert found["y"] == shape_of(["batch-size", 3])
    assert found["w"] == shape_of([3, 4])


def test_what_a_file_says_of_inner_values_and_outputs_is_not_believed(tmp_path: Path) -> None:
    nodes = [helper.make_node("Relu", ["x"], ["r"]), helper.make_node("Relu", ["r"], ["y"])]
    stale = model(nodes, [value("x", ["N", 4])], [value("y", [1, 4])], value_info=[value("r", [1, 4])])
    found = known(stale, tmp_path)
    assert found is not None
    assert found["r"] == found["y"] == shape_of(["N", 4])


@pytest.mark.parametrize(
    "nodes",
    [
        [helper.make_node("Reshape", ["x", "flat"], ["y"])],  # a product of two names
        [helper.make_node("Odd", ["x"], ["y"], domain="my.ops")],
        [helper.make_node("Squeeze", ["x"], ["y"])],
        [helper.make_node("NonZero", ["x"], ["y"])],
    ],
    ids=lambda nodes: nodes[0].op_type,
)
def test_where_anything_is_unknown_there_is_no_answer(nodes: list[onnx.NodeProto], tmp_path: Path) -> None:
    flat = {"flat": np.array([-1, 4])}
    proto = model(nodes, [value("x", ["N", "S", 4])], [value("y", None)], flat, extra_opsets={"my.ops": 1})
    assert known(proto, tmp_path) is None


@pytest.mark.parametrize("dims", [["?", 4], [None, 4], None])
def test_an_input_of_unknown_dims_has_no_answer(dims: list[int | str | None] | None, tmp_path: Path) -> None:
    nodes = [helper.make_node("Relu", ["x"], ["y"])]
    assert known(model(nodes, [value("x", dims)], [value("y", None)]), tmp_path) is None


def test_axes_in_an_attribute_need_not_be_sorted(tmp_path: Path) -> None:
    """Onnx 1.23 infers [1, 4, 1] for a Squeeze of axes 0, 3, 2, and onnxruntime makes it [4]."""
    nodes = [helper.make_node("Squeeze", ["x"], ["y"], axes=[0, 3, 2])]
    path = save(model(nodes, [value("x", [1, 4, 1, 1])], [value("y", None)], opset=11), tmp_path / "m.onnx")
    model_ = load(path)
    (y,) = model_.graph.outputs
    assert infer(model_, path).shape(y) == shape_of([4])


def test_an_old_slice_of_a_named_dim_is_no_whole_dim(tmp_path: Path) -> None:
    """Onnx 1.23 takes the Slice of opset 10 to leave a named dim as it is."""
    nodes = [helper.make_node("Slice", ["x", "from", "to", "axes"], ["y"])]
    held = {"from": np.array([0]), "to": np.array([1]), "axes": np.array([1])}
    path = save(model(nodes, [value("x", ["N", "S", 4])], [value("y", None)], held, opset=10), tmp_path / "m.onnx")
    model_ = load(path)
    (y,) = model_.graph.outputs
    assert infer(model_, path).shape(y) != shape_of(["N", "S", 4])


@pytest.mark.parametrize(
    ("node", "held"),
    [
        (helper.make_node("Resize", ["x", "", "by"], ["y"]), {"by": np.array([1, 0.7, 0.7], np.float32)}),
        (helper.make_node("Unsqueeze", ["x"], ["y"], axes=[-1]), {}),
        (helper.make_node("ConvTranspose", ["x", "w"], ["y"], output_shape=[3]), {"w": random((4, 2, 3))}),
    ],
    ids=lambda given: getattr(given, "op_type", ""),
)
def test_what_onnx_infers_otherwise_is_not_asked_about(
    node: onnx.NodeProto, held: dict[str, np.ndarray], tmp_path: Path
) -> None:
    opset = 11 if node.op_type == "Unsqueeze" else 17
    proto = model([node], [value("x", [1, 4, 10])], [value("y", None)], held, opset=opset)
    assert known(proto, tmp_path) is None


def test_a_negative_dim_is_unknown(tmp_path: Path) -> None:
    """Paddle's exporter writes -1; two of them are not one dim, and multiply to nothing."""
    nodes = [helper.make_node("Reshape", ["x", "s"], ["y"])]
    path = save(
        model(nodes, [value("x", [-1, -1, 4])], [value("y", None)], {"s": np.array([-1, 4])}), tmp_path / "m.onnx"
    )
    model_ = load(path)
    x, y = *model_.graph.inputs, *model_.graph.outputs
    shapes = infer(model_, path)
    batch, steps, features = shapes.shape(x) or ()
    assert batch != steps
    assert (batch.static, steps.static, features.static) == (None, None, 4)
    assert shapes.shape(y) == (batch * steps, features)


def test_defaults_functions_and_bodies_are_left_to_symbolic_inference(tmp_path: Path) -> None:
    nodes = [helper.make_node("Reshape", ["x", "s"], ["y"])]
    shape = helper.make_tensor_value_info("s", onnx.TensorProto.INT64, [2])
    overridable = model(nodes, [value("x", [2, 6]), shape], [value("y", None)], {"s": np.array([3, 4])})
    assert known(overridable, tmp_path) is None
    body = helper.make_graph([helper.make_node("Relu", ["x"], ["b"])], "body", [], [value("b", None)])
    branch = helper.make_node("If", ["c"], ["y"], then_branch=body, else_branch=body)
    condition = helper.make_tensor_value_info("c", onnx.TensorProto.BOOL, [])
    assert known(model([branch], [value("x", [2, 3]), condition], [value("y", None)]), tmp_path) is None


def test_it_says_what_symbolic_inference_says(tmp_path: Path, subtests: pytest.Subtests) -> None:
    """On the ONNX project's own operator cases, every third of them, the samples and the corpus."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cases = [case for case in collect_testcases(None) if case.model is not None]
    paths = [save(case.model, tmp_path / f"{case.name}.onnx") for case in cases[::3]]
    paths += [*SAMPLES.glob("*.onnx"), *CORPUS.glob("onnx/*.onnx")]
    answers = 0
    for path in paths:
        with subtests.test(path.stem):
            answers += agrees(path)
    assert answers > len(paths) // 2
