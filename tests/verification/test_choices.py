"""Indices of scores that tie: classes with equal weights, which sums in another order part."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from helpers import INT64, model, random, save, value
from onnx import helper

from fc2conv_cli import Settings, verify
from fc2conv_cli.verification.choices import Choice, choice_of
from fc2conv_cli.verification.instrument import Instrumented

CLASSES, PAIR = 40, (3, 17)


def twins(w: np.ndarray, *behind: onnx.NodeProto, ids: bool = False) -> onnx.ModelProto:
    """ArgMax of scores of which two are equal, and the largest, on every input."""
    w = w.copy()
    w[:, PAIR[1]] = w[:, PAIR[0]]
    nodes = [helper.make_node("Gemm", ["h", "w", "b"], ["z"]), *behind]
    bias = np.where(np.isin(np.arange(CLASSES), PAIR), 50, 0).astype(np.float32)
    constants = {"w": w, "b": bias, "k": np.array([2]), "row": np.array([0, -1])}
    x = value("x", ["N"], INT64) if ids else value("x", ["N", 16])
    if ids:
        constants["table"] = random((9, 16))
    nodes.insert(0, helper.make_node("Gather", ["table", "x"], ["h"]) if ids else helper.make_node("Neg", ["x"], ["h"]))
    dtype = INT64 if behind[-1].op_type != "Cast" else onnx.TensorProto.INT32
    return model(nodes, [x], [value("y", None, dtype)], constants)


@pytest.fixture(scope="module")
def weight() -> np.ndarray:
    return random((16, CLASSES))


def behind(kind: str, *, last: bool) -> list[onnx.NodeProto]:
    """The indices, of equal scores the first or the last."""
    if kind == "TopK":  # the same two indices, in the other order
        swapped = [helper.make_node("Gather", ["i", "order"], ["y"], axis=1)] if last else []
        order = helper.make_node("Constant", [], ["order"], value_ints=[1, 0])
        return [helper.make_node("TopK", ["z", "k"], ["v", "i" if last else "y"], axis=1), order, *swapped]
    argmax = helper.make_node("ArgMax", ["z"], ["i"], axis=1, keepdims=int(kind != "flat"), select_last_index=int(last))
    end = helper.make_node("Cast", ["i"], ["y"], to=6) if kind == "cast" else helper.make_node("Identity", ["i"], ["y"])
    return [argmax, helper.make_node("Reshape", ["i", "row"], ["y"])] if kind == "reshaped" else [argmax, end]


@pytest.mark.parametrize("ids", [False, True])
@pytest.mark.parametrize("kind", ["flat", "kept", "cast", "reshaped", "TopK"])
def test_exact_ties_are_ill_conditioned(tmp_path: Path, weight: np.ndarray, kind: str, ids: bool) -> None:
    ours, theirs = (
        save(twins(weight, *behind(kind, last=last), ids=ids), tmp_path / f"{last}.onnx") for last in (False, True)
    )
    (output,) = verify(ours, theirs).outputs
    assert output.worst is not None
    assert output.worst.max_abs == PAIR[1] - PAIR[0]
    assert output.verdict == "ill-conditioned"
    assert output.excess == 1
    assert any("chooses another of what the original ties on, but for noise, at " in note for note in output.notes)
    for low_memory in (False, True):
        settings = Settings(accept_ill_conditioned=True, low_memory=low_memory)
        assert verify(ours, theirs, settings=settings).passed
    assert verify(ours, ours).outputs[0].verdict == "same"


def test_another_index_beside_a_tie_is_a_difference(tmp_path: Path, weight: np.ndarray) -> None:
    wrong = weight.copy()
    wrong[:, PAIR[0]] *= -30
    ours = save(twins(weight, *behind("kept", last=False)), tmp_path / "a.onnx")
    theirs = save(twins(wrong, *behind("kept", last=True)), tmp_path / "b.onnx")
    assert verify(ours, theirs).outputs[0].verdict == "different"


def test_indices_that_point_nowhere_are_a_difference(tmp_path: Path, weight: np.ndarray) -> None:
    ours = save(twins(weight, *behind("kept", last=False)), tmp_path / "a.onnx")
    proto = twins(weight, *behind("kept", last=False))
    proto.graph.node[-1].op_type = "Add"
    proto.graph.node[-1].input.append("far")
    proto.graph.initializer.append(onnx.numpy_helper.from_array(np.array(CLASSES), "far"))
    assert verify(ours, save(proto, tmp_path / "b.onnx")).outputs[0].verdict == "different"


def test_what_an_output_chooses_from(tmp_path: Path, weight: np.ndarray) -> None:
    def found(kind: str) -> Choice | None:
        return choice_of(Instrumented(save(twins(weight, *behind(kind, last=False)), tmp_path / "m.onnx")), "y")

    assert found("reshaped") == found("TopK") == Choice("z", 1)
    plain = twins(weight, helper.make_node("Shape", ["z"], ["y"]))
    assert choice_of(Instrumented(save(plain, tmp_path / "m.onnx")), "y") is None
