"""Faults of small values beside large ones, and of what indices are chosen from: within tolerance, but said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from helpers import INT64, converted, matmul, model, random, value
from onnx import helper
from pairs import pair

from fc2conv_cli.verification.metrics import Tolerance, compare
from fc2conv_cli.verification.small_values import SmallValues

TOLERANCE = Tolerance(1e-6, 1e-5)
SAID = "a quarter of all, differ by up to"


def masked_ids(w: np.ndarray, fill: float) -> onnx.ModelProto:
    """Scores of embedded ids, a third of them filled as masks do; no float goes in."""
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["e"]),
        helper.make_node("MatMul", ["e", "w"], ["scores"]),
        helper.make_node("Add", ["scores", "mask"], ["y"]),
    ]
    mask = np.where(np.arange(12) % 3 == 0, fill, 0).astype(np.float32)
    ids = helper.make_tensor_value_info("ids", INT64, ["N", 6])
    return model(nodes, [ids], [value("y", ["N", 6, 12])], {"table": random((20, 8)), "w": w, "mask": mask})


@pytest.mark.parametrize("fill", [-1e4, -1e5])
def test_a_fault_beside_fill_values_without_noise(tmp_path: Path, fill: float) -> None:
    w = random((8, 12))
    report = pair(tmp_path, masked_ids(w, fill), masked_ids(w * np.float32(1.01), fill))
    assert report.passed
    (note,) = (note for note in report.outputs[0].notes if SAID in note)
    assert f"within the tolerance of {-fill * 1e-5:.2g}" in note
    assert pair(tmp_path, masked_ids(w, fill), masked_ids(w, fill)).outputs[0].notes == ()
    _, right = converted(masked_ids(w, fill), tmp_path)
    assert right.verification is not None
    assert right.verification.outputs[0].notes == ()


def test_columns_that_move_by_more_do_not_hide_others(tmp_path: Path) -> None:
    def beside(w: np.ndarray) -> onnx.ModelProto:
        nodes = [
            helper.make_node("MatMul", ["x", "w"], ["a"]),
            helper.make_node("Mul", ["x", "million"], ["b"]),
            helper.make_node("Concat", ["a", "b"], ["y"], axis=1),
        ]
        held = {"w": w, "million": np.array(1e6, np.float32)}
        return model(nodes, [value("x", ["N", 8])], [value("y", ["N", 16])], held)

    w = random((8, 8))
    report = pair(tmp_path, beside(w), beside(w / 2))
    assert report.passed
    (note,) = report.outputs[0].notes  # this, or that it differs by many times its noise
    assert "each value to its own" in note


def test_rounding_is_not_said() -> None:
    rng = np.random.default_rng(0)
    ours = rng.standard_normal(10_000).astype(np.float32)
    theirs = (ours + 5e-6 * rng.standard_normal(10_000)).astype(np.float32)
    assert compare(ours, theirs, TOLERANCE).passed
    small = SmallValues()
    small.add(ours, theirs, TOLERANCE)
    assert 0 < small.times < 10
    assert small.note is None


@pytest.mark.parametrize("odd", [np.zeros(4), np.full(4, np.nan), np.zeros(0), np.array([np.inf, 0, np.nan])])
def test_where_there_are_no_small_values_nothing_is_said(odd: np.ndarray) -> None:
    small = SmallValues()
    small.add(odd, odd, TOLERANCE)
    assert small.note is None


def chosen(w: np.ndarray, *, scores: bool = False) -> onnx.ModelProto:
    proto = matmul(["N", 16], w)
    proto.graph.node.append(helper.make_node("ArgMax", ["y"], ["index"], axis=1, keepdims=0))
    outputs = [helper.make_tensor_value_info("index", INT64, ["N"]), *(proto.graph.output if scores else ())]
    del proto.graph.output[:]
    proto.graph.output.extend(outputs)
    return proto


def test_indices_alone_are_said_to_show_little(tmp_path: Path) -> None:
    w = random((16, 10))
    report = pair(tmp_path, chosen(w), chosen(w))
    assert report.passed
    (note,) = report.outputs[0].notes
    assert note.startswith("gives indices only, of which 21 were compared")
    assert all(
        "indices only" not in note for o in pair(tmp_path, *[chosen(w, scores=True)] * 2).outputs for note in o.notes
    )


def test_an_override_is_no_other_input(tmp_path: Path) -> None:
    """What does not change with the true inputs shows nothing, even if it changes with a default."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"]),
        helper.make_node("Mul", ["a", "nothing"], ["b"]),
        helper.make_node("Add", ["b", "default"], ["y"]),
    ]
    held = {"w": random((4, 3)), "nothing": np.zeros(1, np.float32), "default": np.ones(3, np.float32)}
    proto = model(nodes, [value("x", ["N", 4]), value("default", [3])], [value("y", ["N", 3])], held)
    (output,) = pair(tmp_path, proto, proto).outputs
    assert any("it does not change with the input" in note for note in output.notes)
