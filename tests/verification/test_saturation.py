"""Outputs that sit on their bounds: a fault before that is found on smaller inputs, or the report says so."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import onnx
import pytest
from helpers import INT64, model, random, value
from onnx import helper
from pairs import pair

from fc2conv_cli.verification.feeding import Feeding
from fc2conv_cli.verification.metrics import Tolerance
from fc2conv_cli.verification.saturation import Saturation

GATE = Tolerance(1e-5, 1e-5)
ENDS = {
    "Clip": [helper.make_node("Clip", ["z", "low", "high"], ["y"])],
    "HardSigmoid": [helper.make_node("HardSigmoid", ["z"], ["y"])],
    "Sigmoid": [helper.make_node("Sigmoid", ["z"], ["y"])],
    "Tanh": [helper.make_node("Tanh", ["z"], ["y"])],
}
CONSTANTS = {"low": np.array(-1, np.float32), "high": np.array(1, np.float32)}


def ending(kind: str, w: np.ndarray, bias: np.ndarray | None = None) -> onnx.ModelProto:
    """Scores of some hundreds, and a function behind them that ends at one."""
    b = np.zeros(w.shape[1], np.float32) if bias is None else bias
    nodes = [helper.make_node("Gemm", ["x", "w", "b"], ["z"]), *ENDS[kind]]
    return model(nodes, [value("x", [1, len(w)])], [value("y", [1, w.shape[1]])], {"w": w, "b": b, **CONSTANTS})


def with_fault(w: np.ndarray, column: int = 7) -> np.ndarray:
    wrong = w.copy()
    wrong[:, column] *= np.float32(1.01)
    return wrong


@pytest.mark.parametrize("kind", ENDS)
@pytest.mark.parametrize("size", [12, 100, 3000])
def test_a_fault_before_a_saturation_is_found(tmp_path: Path, kind: str, size: int) -> None:
    w = random((64, 32)) * np.float32(size)
    missed = pair(tmp_path, ending(kind, w), ending(kind, with_fault(w)), feeding=Feeding(distribution="integers"))
    report = pair(tmp_path, ending(kind, w), ending(kind, with_fault(w)))
    assert missed.passed  # these inputs stay as they are
    assert any("in every run, or nearly: a fault before that" in note for note in missed.outputs[0].notes)
    assert not report.passed
    right = pair(tmp_path, ending(kind, w), ending(kind, w))
    assert right.passed
    assert right.outputs[0].notes == ()
    assert right.runs > 4


def test_what_a_relu_holds_at_0_is_turned(tmp_path: Path) -> None:
    """The inputs are one draw: where it gives nothing above 0, that of the other sign does."""

    def rectified(w: np.ndarray) -> onnx.ModelProto:
        nodes = [helper.make_node("MatMul", ["x", "w"], ["z"]), helper.make_node("Relu", ["z"], ["y"])]
        return model(nodes, [value("x", [1, 64])], [value("y", [1, 32])], {"w": w})

    w = random((64, 32))
    faults = [with_fault(w, column) for column in range(32)]
    assert not any(pair(tmp_path, rectified(w), rectified(wrong), samples=1).passed for wrong in faults)


def test_what_no_input_moves_is_said(tmp_path: Path) -> None:
    bias = np.where(np.arange(32) < 28, 50, 0).astype(np.float32)
    w = random((64, 32)) / np.float32(8)
    report = pair(tmp_path, ending("Clip", w, bias), ending("Clip", w, bias))
    assert report.passed
    (note,) = report.outputs[0].notes
    assert note.startswith("88 % of its elements are -1 or 1 in every run, or nearly: a fault before that")
    free = pair(tmp_path, ending("Clip", w), ending("Clip", w))
    assert free.outputs[0].notes == ()
    assert free.runs == 4


def test_inputs_that_have_no_smaller_ones(tmp_path: Path) -> None:
    w = random((8, 32)) * np.float32(100)
    nodes = [helper.make_node("Gather", ["table", "x"], ["h"]), helper.make_node("MatMul", ["h", "w"], ["z"])]
    constants = {"w": w, "table": random((9, 8)), **CONSTANTS}
    proto = model([*nodes, *ENDS["Clip"]], [value("x", [3], INT64)], [value("y", [3, 32])], constants)
    report = pair(tmp_path, proto, proto)
    assert report.runs == 4
    assert "are -1 or 1 in every run" in report.outputs[0].notes[-1]


def shares(*arrays: object, gate: Tolerance = GATE) -> float:
    found = Saturation()
    for array in arrays:
        found.add(np.asarray(array), gate)
    return found.share


def test_the_share_of_elements_on_a_bound() -> None:
    assert shares([0.0, 1.0, 0.5, 0.0], [1.0, 1.0, 0.0, 0.0]) == 0.75
    assert shares([0.0, 1.0, 0.5, 0.25], [1.0, 0.3, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]) == 0.25
    assert shares([0.0, 0.999999, 1e-6]) == 1
    assert shares([0, 255, 254], [255, 0, 0]) == pytest.approx(2 / 3)
    assert shares([0.0, 1.0]) == shares([0.0], [1.0]) == shares([0.0, 0.5, 1.0]) == 0  # some value is always a bound
    assert shares([0.0, 0.5, 1.0], [0.5, 0.5, 0.5], [0.0, 1.0, 1.0, 1.0]) == 0  # a shape of one run does not count
    assert shares([0.0], [1.0], [1.0]) == shares([0.0, 1.0, 1.0]) == 1


def test_a_bound_that_was_none() -> None:
    assert shares([0.0, 1.0, 0.0, 1.0], [-1.0, 1.0, -1.0, 1.0]) == 0.5
    assert shares([0.0, 1.0, 0.0, 1.0], [0.0, 2.0, 0.0, 2.0]) == 0.5


def test_the_order_of_runs_does_not_matter() -> None:
    """One element is on the bounds all the time if it takes two values at most."""
    for values in itertools.product((0.0, 0.5, 1.0), repeat=5):
        assert shares(*([value] for value in values)) == (len(set(values)) <= 2), values


def test_what_is_no_number_and_fill_values_do_not_count() -> None:
    lowest = np.finfo(np.float32).min
    assert shares(np.array([lowest, 0, 1, 1, 0.5], np.float32)) == 0.75
    assert shares([np.nan, np.inf, 0, 1, 1]) == 1
    assert shares([np.nan, np.nan, np.nan]) == 0


def test_one_model_in_memory_at_a_time_does_the_same(tmp_path: Path) -> None:
    w = random((64, 32)) * np.float32(100)
    reports = [
        pair(tmp_path, ending("Clip", w), ending("Clip", with_fault(w)), low_memory=low) for low in (False, True)
    ]
    assert reports[0].runs == reports[1].runs > 4
    assert [report.outputs[0].worst for report in reports] == [reports[0].outputs[0].worst] * 2
