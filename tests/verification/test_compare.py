"""The gate on its own: a wrong model does not pass, and a right one does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from helpers import INT64, converted, gemm, matmul, model, random, save, value
from onnx import TensorProto, helper, numpy_helper
from pairs import pair
from test_fills import masked

from fc2conv_cli import Settings, errors, verify
from fc2conv_cli.reports.words import number, rounded_up
from fc2conv_cli.verification.gathered import Gathered
from fc2conv_cli.verification.runner import Port


def test_another_order_of_outputs_or_inputs_fails(tmp_path: Path) -> None:
    nodes = [helper.make_node("Relu", ["x"], ["a"]), helper.make_node("Neg", ["z"], ["b"])]
    inputs, outputs = [value("x", [2]), value("z", [2])], [value("a", [2]), value("b", [2])]
    ours = model(nodes, inputs, outputs)
    for theirs in (model(nodes, inputs, outputs[::-1]), model(nodes, inputs[::-1], outputs)):
        report = pair(tmp_path, ours, theirs)
        assert not report.passed
        assert "in another order" in report.failures[0]


def test_missing_and_extra_ports_are_named(tmp_path: Path) -> None:
    nodes = [helper.make_node("Relu", ["x"], ["a"]), helper.make_node("Neg", ["x"], ["b"])]
    ours = model(nodes, [value("x", [2])], [value("a", [2]), value("b", [2])])
    theirs = model(nodes[:1], [value("x", [2])], [value("a", [2])])
    report = pair(tmp_path, ours, theirs)
    assert report.outputs[1].failures == ("is missing from the converted model",)
    assert pair(tmp_path, theirs, ours).failures == ("output 'b' is not in the original",)


def test_a_static_shape_that_differs(tmp_path: Path) -> None:
    report = pair(tmp_path, matmul([2, 4], random((4, 3))), matmul([2, 4], random((4, 5))))
    assert report.outputs[0].failures == ("has shape [2, 5], was [2, 3]",)
    report = pair(tmp_path, matmul([2, 4], random((4, 3))), matmul([3, 4], random((4, 3))))
    assert report.failures == ("input 'x' has shape [3, 4], was [2, 4]",)


def test_a_model_that_onnxruntime_does_not_load_does_not_pass(tmp_path: Path) -> None:
    theirs = matmul(["N", 4], random((4, 3)))
    theirs.graph.node[0].op_type = "NoSuchOp"
    theirs.graph.node[0].domain = "nobody"
    theirs.opset_import.append(helper.make_opsetid("nobody", 1))
    report = pair(tmp_path, matmul(["N", 4], random((4, 3))), theirs)
    assert not report.passed
    assert "cannot load the converted model" in report.failures[0]


def test_an_original_that_onnxruntime_does_not_run_is_an_error(tmp_path: Path) -> None:
    gone = gemm([2, 4], random((4, 3)), random((3,)), opset=6, ir_version=3, broadcast=1)
    with pytest.raises(errors.UnrunnableModelError, match="cannot load") as caught:
        pair(tmp_path, gone, gone)
    assert "--no-verify" in caught.value.hint
    nodes = [helper.make_node("Reshape", ["x", "s"], ["y"])]
    never = model(nodes, [value("x", ["N", 7])], [value("y", [5, 11])], {"s": np.array([5, 11])})
    with pytest.raises(errors.UnrunnableModelError, match="cannot run it"):
        pair(tmp_path, never, never)


def test_an_input_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    nodes = [helper.make_node("StringNormalizer", ["x"], ["y"])]
    strings = model(nodes, [value("x", [2], TensorProto.STRING)], [value("y", [None], TensorProto.STRING)])
    with pytest.raises(errors.UnrunnableModelError, match=r"input 'x' is tensor\(string\)"):
        pair(tmp_path, strings, strings)


def test_a_float16_model_with_a_float32_output_is_held_to_float16(tmp_path: Path) -> None:
    def half(w: np.ndarray) -> onnx.ModelProto:
        nodes = [
            helper.make_node("Cast", ["x"], ["h"], to=TensorProto.FLOAT16),
            helper.make_node("MatMul", ["h", "w"], ["z"]),
            helper.make_node("Cast", ["z"], ["y"], to=TensorProto.FLOAT),
        ]
        return model(nodes, [value("x", [2, 64])], [value("y", [2, 8])], {"w": w})

    w = random((64, 8), np.float16)
    nudged = np.nextafter(w, np.float16(np.inf))
    report = pair(tmp_path, half(w), half(nudged))
    assert report.outputs[0].worst is not None
    assert report.outputs[0].worst.max_abs > 1e-4
    assert report.passed
    assert not pair(tmp_path, half(w), half(w * np.float16(1.1))).passed


def test_the_rtol_that_is_suggested_is_enough_for_all_outputs(tmp_path: Path) -> None:
    w = random((4, 3))

    def two(a: float, b: float) -> onnx.ModelProto:
        nodes = [helper.make_node("MatMul", ["x", "v"], ["a"]), helper.make_node("MatMul", ["x", "w"], ["b"])]
        constants = {"v": w * np.float32(a), "w": w * np.float32(b)}
        return model(nodes, [value("x", [2, 4])], [value("a", [2, 3]), value("b", [2, 3])], constants)

    ours, theirs = two(1, 1), two(1.0001, 1.000313)
    needed = pair(tmp_path, ours, theirs).rtol_to_pass
    assert needed is not None
    suggested = float(rounded_up(needed))
    assert pair(tmp_path, ours, theirs, rtol=suggested).passed


def test_tolerances_and_samples_are_the_users(tmp_path: Path) -> None:
    w = random((4, 3))
    ours, theirs = matmul([2, 4], w), matmul([2, 4], w * np.float32(1.001))
    assert not pair(tmp_path, ours, theirs).passed
    loose = pair(tmp_path, ours, theirs, rtol=0.01, samples=2)
    assert loose.passed
    assert loose.runs == 2
    strict = pair(tmp_path, ours, theirs)
    needed = strict.outputs[0].rtol_to_pass
    assert pair(tmp_path, ours, theirs, rtol=needed * 1.0001).passed
    assert not pair(tmp_path, ours, theirs, rtol=needed * 0.99).passed


@pytest.mark.parametrize(
    "wrong", [{"atol": -1.0}, {"rtol": float("nan")}, {"rtol": float("inf")}, {"samples": 0}, {"seed": -1}]
)
def test_settings_that_make_no_sense(wrong: dict[str, float]) -> None:
    with pytest.raises(errors.UsageError):
        Settings(**wrong)  # type: ignore[arg-type]


def test_nan_on_both_sides_is_noted(tmp_path: Path) -> None:
    nodes = [helper.make_node("Sqrt", ["x"], ["y"])]
    report = pair(tmp_path, *[model(nodes, [value("x", [64])], [value("y", [64])])] * 2)
    assert report.passed
    (note,) = report.outputs[0].notes
    assert note.startswith("NaN in both models at up to ")


def test_comparisons_that_show_nothing_say_so(tmp_path: Path) -> None:
    w = random((4, 3))
    tiny = pair(tmp_path, matmul([2, 4], w * np.float32(1e-7)), matmul([2, 4], w * np.float32(-1e-7)))
    assert "within atol" in tiny.outputs[0].notes[0]
    nothing = pair(tmp_path, matmul([0, 4], w), matmul([0, 4], w * np.float32(5)))
    assert "no finite value was compared" in nothing.outputs[0].notes[0]
    nan = pair(tmp_path, *[matmul([2, 4], w * np.float32(np.nan))] * 2)
    assert any("no finite value" in note for note in nan.outputs[0].notes)


def test_a_random_original_is_an_error(tmp_path: Path) -> None:
    nodes = [helper.make_node("Dropout", ["x", "ratio", "train"], ["y"], name="drop")]
    constants = {"ratio": np.float32(0.5).reshape(()), "train": np.array(True)}
    dropout = model(nodes, [value("x", [8])], [value("y", [8])], constants)
    with pytest.raises(errors.UnrunnableModelError, match="'drop' gives another result in every run"):
        pair(tmp_path, dropout, dropout)
    still = model(nodes, [value("x", [8])], [value("y", [8])], {**constants, "train": np.array(False)})
    assert pair(tmp_path, still, still).passed


def test_integers_get_no_advice_that_cannot_help(tmp_path: Path) -> None:
    def rounded(w: np.ndarray) -> onnx.ModelProto:
        nodes = [helper.make_node("MatMul", ["x", "w"], ["z"]), helper.make_node("Cast", ["z"], ["y"], to=INT64)]
        return model(nodes, [value("x", [2, 4])], [value("y", [2, 3], INT64)], {"w": w})

    w = random((4, 3)) * np.float32(50)
    report = pair(tmp_path, rounded(w), rounded(w * np.float32(1.1)))
    assert not report.passed
    assert report.rtol_to_pass is None


def test_ranks_that_the_file_does_not_say(tmp_path: Path) -> None:
    nodes = [helper.make_node("Relu", ["x"], ["y"])]
    known = model(nodes, [value("x", [2, 3])], [value("y", [2, 3])])
    free = model(nodes, [value("x", [2, 3])], [value("y", [2, 3])])
    free.graph.output[0].type.tensor_type.ClearField("shape")
    assert pair(tmp_path, free, known).passed
    free.graph.input[0].type.tensor_type.ClearField("shape")
    with pytest.raises(errors.UnrunnableModelError, match="input 'x' is of unknown rank"):
        pair(tmp_path, free, known)


def test_sequences_of_another_length_differ(tmp_path: Path) -> None:
    def split(size: int) -> onnx.ModelProto:
        nodes = [helper.make_node("SplitToSequence", ["x", "n"], ["y"], axis=0)]
        out = helper.make_tensor_sequence_value_info("y", TensorProto.FLOAT, None)
        graph = helper.make_graph(
            nodes, "s", [value("x", [4, 2])], [out], [numpy_helper.from_array(np.array(size), "n")]
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)

    report = pair(tmp_path, split(1), split(2))
    assert report.outputs[0].failures == ("has 2 elements, was 4",)


def test_outputs_that_are_sequences(tmp_path: Path) -> None:
    nodes = [helper.make_node("SplitToSequence", ["x"], ["y"], axis=0)]
    out = helper.make_tensor_sequence_value_info("y", TensorProto.FLOAT, None)
    proto = helper.make_model(
        helper.make_graph(nodes, "s", [value("x", [3, 2])], [out]),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    assert pair(tmp_path, proto, proto).passed


def test_values_that_show_nothing_are_said(tmp_path: Path) -> None:
    dead = model(
        [helper.make_node("MatMul", ["x", "w"], ["z"]), helper.make_node("Mul", ["z", "zero"], ["y"])],
        [value("x", ["N", 4])], [value("y", ["N", 3])], {"w": random((4, 3)), "zero": np.float32(0).reshape(())},
    )  # fmt: skip
    path = save(dead, tmp_path / "dead.onnx")
    assert any("all values are 0" in note for note in verify(path, path).outputs[0].notes)
    saturated = model(
        [helper.make_node("Clip", ["x", "top", "top"], ["y"])],
        [value("x", ["N", 4], TensorProto.INT32)], [value("y", ["N", 4], TensorProto.INT32)],
        {"top": np.array(7, np.int32)},
    )  # fmt: skip
    path = save(saturated, tmp_path / "saturated.onnx")
    assert any("every value of every run is 7," in note for note in verify(path, path).outputs[0].notes)


def test_a_default_that_is_ignored_is_found(tmp_path: Path) -> None:
    original = matmul(["N", 4], random((4, 3)))
    original.graph.input.append(value("w", [4, 3]))
    ignoring = matmul(["N", 4], random((4, 3)))
    ignoring.graph.node[0].input[1] = "copy"
    ignoring.graph.initializer[0].name = "copy"
    ignoring.graph.initializer.append(numpy_helper.from_array(random((4, 3)), "w"))
    ignoring.graph.input.append(value("w", [4, 3]))
    ours, theirs = save(original, tmp_path / "a.onnx"), save(ignoring, tmp_path / "b.onnx")
    assert verify(ours, ours).passed
    assert not verify(ours, theirs).passed


def test_branches_that_no_input_reached_are_said(tmp_path: Path) -> None:
    branches = [
        helper.make_graph([helper.make_node(op, ["x"], ["out"])], op, [], [value("out", ["N", 4])])
        for op in ("Relu", "Abs")
    ]
    node = helper.make_node("If", ["c"], ["y"], then_branch=branches[0], else_branch=branches[1])
    inputs = [value("x", ["N", 4]), value("c", [], TensorProto.BOOL)]
    path = save(model([node], inputs, [value("y", ["N", 4])]), tmp_path / "m.onnx")
    assert any("branches" in note for note in verify(path, path).notes)


def test_frozen_inputs_can_be_verified_later(tmp_path: Path) -> None:
    original = matmul(["N", 4], random((4, 3)))
    original.graph.input.append(value("w", [4, 3]))
    path, _ = converted(original, tmp_path, freeze_inputs=True)
    assert not verify(tmp_path / "model.onnx", path).passed
    assert verify(tmp_path / "model.onnx", path, freeze_inputs=True).passed


def test_a_gate_does_not_pass_where_nothing_was_compared(tmp_path: Path) -> None:
    paths = [save(matmul([0, 4], random((4, 3)) * k), tmp_path / f"{k}.onnx") for k in (1, 9)]
    report = verify(*paths)
    assert report.holds
    assert not report.passed
    assert "NOTHING COMPARED" in str(report)


RANDOM = {
    "RandomNormalLike": [
        helper.make_node("RandomNormalLike", ["m"], ["r"], seed=1.0), helper.make_node("Add", ["m", "r"], ["y"]),
    ],
    "Bernoulli": [helper.make_node("Sigmoid", ["m"], ["p"]), helper.make_node("Bernoulli", ["p"], ["y"], seed=1.0)],
    "Dropout": [helper.make_node("Dropout", ["m", "half", "training"], ["y"], seed=1)],
}  # fmt: skip


@pytest.mark.parametrize("low_memory", [False, True])
@pytest.mark.parametrize("op", sorted(RANDOM))
def test_random_numbers_from_a_seed_are_drawn_in_step(tmp_path: Path, op: str, low_memory: bool) -> None:
    def drawing(w: np.ndarray) -> onnx.ModelProto:
        constants = {"w": w, "half": np.array(0.5, np.float32), "training": np.array(True)}
        nodes = [helper.make_node("MatMul", ["x", "w"], ["m"]), *RANDOM[op]]
        return model(nodes, [value("x", ["N", 16])], [value("y", ["N", 8])], constants)

    w = random((16, 8))
    report = pair(tmp_path, drawing(w), drawing(w), low_memory=low_memory)
    assert report.passed, str(report)
    assert not pair(tmp_path, drawing(w), drawing(-w), low_memory=low_memory).passed


def test_an_output_of_nan_alone_does_not_pass_for_the_sake_of_others(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["m"]),
        helper.make_node("Add", ["m", "nan"], ["y"]),
        helper.make_node("Relu", ["x"], ["z"]),
    ]
    outputs = [value("y", ["N", 3]), value("z", ["N", 4])]

    def filled(number: float) -> onnx.ModelProto:
        constants = {"w": random((4, 3)), "nan": np.array(number, np.float32)}
        return model(nodes, [value("x", ["N", 4])], outputs, constants)

    report = pair(tmp_path, filled(np.nan), filled(np.nan))
    assert report.holds
    assert not report.passed
    assert "verdict: NOT COMPARED: 'y' had no finite value" in str(report)
    assert [output.hidden for output in report.outputs] == [True, False]
    assert pair(tmp_path, filled(0), filled(0)).passed


def test_a_fill_value_that_makes_the_tolerance_wide_is_said(tmp_path: Path) -> None:
    w = random((16, 8))
    report = pair(tmp_path, masked(w, -1e9), masked(-w, -1e9))
    assert any("passes only since a value of 1e+09 makes the tolerance 1e+04" in n for n in report.outputs[0].notes)
    assert pair(tmp_path, masked(w, -1e9), masked(w, -1e9)).outputs[0].notes == ()


def test_the_tolerance_that_a_caution_tells_is_the_one_that_is_shown() -> None:
    """Not that of a run in which the largest value was larger."""
    gathered = Gathered(Port("y", "tensor(float)", (2,)), (None, 1e-3), False, "float32", noise=1e-7, inside=5.0)
    gathered.add(np.float32([1, 0]), np.float32([1, 9e-4]), "")
    gathered.add(np.float32([2.4, 0]), np.float32([2.4, 0]), "")
    (caution,) = (note for note in gathered.notes if "makes the tolerance" in note)
    assert gathered.report.largest == pytest.approx(2.4)
    assert f"a value of 1 makes the tolerance {number(gathered.report.allowed)}, so this shows little" in caution
    assert "--per-layer compares each layer" in caution


def detector(class_weight: np.ndarray) -> onnx.ModelProto:
    """Boxes in pixels, and beside them class scores below 1."""
    nodes = [
        helper.make_node("MatMul", ["x", "w_box"], ["box"]),
        helper.make_node("MatMul", ["x", "w_class"], ["class"]),
        helper.make_node("Sigmoid", ["class"], ["score"]),
        helper.make_node("Concat", ["box", "score"], ["y"], axis=2),
    ]
    boxes = (500 * random((16, 4))).astype(np.float32)
    return model(nodes, [value("x", ["N", 40, 16])], [value("y", None)], {"w_box": boxes, "w_class": class_weight})


def test_a_fault_that_large_values_beside_it_let_pass_is_said(tmp_path: Path) -> None:
    good = random((16, 8), seed=2)
    wrong = good.copy()
    wrong[3, 5] *= np.float32(1.05)
    report = pair(tmp_path, detector(good), detector(wrong))
    (note,) = report.outputs[0].notes
    assert "which rounding in another order hardly does" in note
    assert not pair(tmp_path, detector(good), detector(wrong), elementwise=True).passed
    _, right = converted(detector(good), tmp_path)
    assert right.verification is not None
    assert right.verification.outputs[0].notes == ()
