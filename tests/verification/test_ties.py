from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from helpers import INT64, model, random, save, value
from onnx import TensorProto, helper

from fc2conv_cli import Settings, verify
from fc2conv_cli.verification.feeding import Feeding
from fc2conv_cli.verification.metrics import Tolerance
from fc2conv_cli.verification.ties import overflows, tie_of

COLUMNS = 4000
Nodes = list[onnx.NodeProto]
ROUNDED: Nodes = [helper.make_node("Mul", ["z", "k"], ["t"]), helper.make_node("Round", ["t"], ["y"])]
INTEGERS: Nodes = [
    helper.make_node("Sigmoid", ["z"], ["s"]),
    helper.make_node("Mul", ["s", "k"], ["t"]),
    helper.make_node("Cast", ["t"], ["y"], to=TensorProto.INT32),
]
ORDER: Nodes = [helper.make_node("TopK", ["z", "all"], ["v", "y"], axis=-1)]
KINDS = {
    "rounded floats": (ROUNDED, TensorProto.FLOAT, 3000.0),
    "integers": (INTEGERS, TensorProto.INT32, 30000.0),
    "order": (ORDER, INT64, 1.0),
}


def layer(kind: str, weight: np.ndarray, *, halves: bool) -> onnx.ModelProto:
    """Something that jumps behind x @ weight: as one product, or as the sum of two, whose rounding is another."""
    behind, dtype, factor = KINDS[kind]
    half = len(weight) // 2
    constants = {"k": np.array(factor, np.float32), "all": np.array([weight.shape[1]])}
    if halves:
        constants |= {"w0": weight[:half], "w1": weight[half:], "at": np.array([half, len(weight) - half])}
        nodes = [
            helper.make_node("Split", ["x", "at"], ["x0", "x1"], axis=1),
            helper.make_node("MatMul", ["x0", "w0"], ["z0"]),
            helper.make_node("MatMul", ["x1", "w1"], ["z1"]),
            helper.make_node("Add", ["z0", "z1"], ["z"]),
        ]
    else:
        constants["w"] = weight
        nodes = [helper.make_node("MatMul", ["x", "w"], ["z"])]
    return model([*nodes, *behind], [value("x", ["N", len(weight)])], [value("y", ["N", COLUMNS], dtype)], constants)


@pytest.fixture(scope="module")
def weight() -> np.ndarray:
    return random((256, COLUMNS)) / np.float32(16)


@pytest.mark.parametrize("kind", KINDS)
def test_near_ties_that_the_original_does_not_decide_either(tmp_path: Path, weight: np.ndarray, kind: str) -> None:
    ours = save(layer(kind, weight, halves=False), tmp_path / "a.onnx")
    theirs = save(layer(kind, weight, halves=True), tmp_path / "b.onnx")
    report = verify(ours, theirs)
    (output,) = report.outputs
    assert output.worst is not None
    assert output.worst.max_abs >= 1
    assert output.verdict == "ill-conditioned"
    assert output.excess is not None
    assert 0 < output.excess <= 4
    assert not report.passed
    assert verify(ours, theirs, settings=Settings(accept_ill_conditioned=True)).passed


@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_beside_near_ties_is_a_difference(tmp_path: Path, weight: np.ndarray, kind: str) -> None:
    wrong = weight.copy()
    wrong[:, 7] *= 1.5
    ours = save(layer(kind, weight, halves=False), tmp_path / "a.onnx")
    theirs = save(layer(kind, wrong, halves=True), tmp_path / "b.onnx")
    report = verify(ours, theirs, settings=Settings(accept_ill_conditioned=True))
    assert report.outputs[0].verdict == "different"
    assert not report.passed


def test_one_step_everywhere_is_no_tie(tmp_path: Path) -> None:
    def shifted(by: float) -> onnx.ModelProto:
        nodes = [helper.make_node("Cast", ["x"], ["i"], to=INT64), helper.make_node("Add", ["i", "by"], ["y"])]
        return model(nodes, [value("x", ["N", 40])], [value("y", ["N", 40], INT64)], {"by": np.array(by, np.int64)})

    ours, theirs = (save(shifted(by), tmp_path / f"{by}.onnx") for by in (0, 1))
    report = verify(ours, theirs, settings=Settings(accept_ill_conditioned=True, samples=1))
    assert report.outputs[0].verdict == "different"


def largest(order: list[int]) -> onnx.ModelProto:
    """ArgMax of x, its columns in another order."""
    nodes = [
        helper.make_node("Gather", ["x", "order"], ["z"], axis=1),
        helper.make_node("ArgMax", ["z"], ["y"], axis=1),
    ]
    return model(nodes, [value("x", ["N", 5])], [value("y", ["N", 1], INT64)], {"order": np.array(order)})


def test_another_largest_element_is_no_tie(tmp_path: Path) -> None:
    ours = save(largest([0, 1, 2, 3, 4]), tmp_path / "a.onnx")
    theirs = save(largest([1, 0, 2, 3, 4]), tmp_path / "b.onnx")
    assert verify(ours, theirs).outputs[0].verdict == "different"


def test_what_lies_between_two_indices_is_no_tie() -> None:
    reference, converted, again = (np.array([k]) for k in (3, 500, 900))
    tie = tie_of(reference, converted, Tolerance(0, 0), ordinal=False)
    number = tie_of(reference, converted, Tolerance(0, 0), ordinal=True)
    assert tie is not None
    assert number is not None
    for one in (tie, number):
        one.add(again)
    assert not tie.explained.any()
    assert number.explained.all()
    assert number.excuses_nothing


def test_numbers_that_move_smoothly_are_no_ties() -> None:
    reference, converted = np.array([10.0, 10.0]), np.array([11.0, 11.0])
    tie = tie_of(reference, converted, Tolerance(0, 0), ordinal=True)
    assert tie is not None
    for k in range(8):
        tie.add(np.array([10.0 + k % 2, 10.0 + k / 5]))
    assert tie.explained.tolist() == [True, False]


def test_nan_and_unlike_infinities_are_never_ties() -> None:
    for ours, theirs in ((1.0, np.nan), (np.nan, 1.0), (np.inf, -np.inf), (np.inf, -3e38)):
        assert tie_of(np.array([ours]), np.array([theirs]), Tolerance(1, 1), ordinal=True) is None
    assert overflows(np.array([np.inf, 1.0, -np.inf]), np.array([3e38, np.inf, 3e38])).tolist() == [True, True, False]


def doubled(factor: float) -> onnx.ModelProto:
    nodes = [helper.make_node("Mul", ["x", "k"], ["y"])]
    return model(nodes, [value("x", ["N", 40])], [value("y", ["N", 40])], {"k": np.array(factor, np.float32)})


def test_an_overflow_in_one_model_is_explained(tmp_path: Path) -> None:
    ours, theirs = (save(doubled(k), tmp_path / f"{k}.onnx") for k in (2e38, 1.5e38))
    report = verify(ours, theirs)
    (output,) = report.outputs
    assert output.verdict == "different"
    assert any("infinite in one model only" in note and "sums overflow float32" in note for note in output.notes)


def test_an_overflow_that_the_original_does_not_decide_either(tmp_path: Path) -> None:
    most = np.finfo(np.float32).max
    ours, theirs = (save(doubled(k), tmp_path / f"{k}.onnx") for k in (2.0, np.nextafter(np.float32(2), 3)))
    np.savez(tmp_path / "in.npz", x=np.full((3, 40), most / 2, np.float32))
    (output,) = verify(ours, theirs, settings=Settings(feeding=Feeding(tmp_path / "in.npz"))).outputs
    assert output.worst is not None
    assert (output.worst.reference, output.worst.converted) == (float(most), np.inf)
    assert output.verdict == "ill-conditioned"
