"""The reference evaluator: the same results as onnxruntime, and sums that come out the same in any order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from helpers import SAMPLES, assert_close, matmul, model, random, run, save, value
from onnx import TensorProto, helper

from fc2conv_cli import Settings, verify
from fc2conv_cli.verification import compare
from fc2conv_cli.verification.reference import ReferenceRunner
from fc2conv_cli.verification.runner import RunError


@pytest.mark.parametrize("name", sorted(p.stem for p in SAMPLES.glob("*.onnx") if not p.stem.endswith(".conv")))
def test_it_agrees_with_onnxruntime(name: str) -> None:
    path = SAMPLES / f"{name}.onnx"
    runner = ReferenceRunner(path)
    shapes = {p.name: [d if isinstance(d, int) else 2 for d in p.shape or ()] for p in runner.inputs}
    feeds = {n: random(shape) for n, shape in shapes.items()}
    assert_close(list(runner.run(feeds).values()), run(path, feeds), 1e-5)


def test_the_order_of_a_sum_does_not_matter(tmp_path: Path) -> None:
    x, w = random((4, 512)) * 1000, random((512, 8))
    order = np.random.default_rng(0).permutation(512)
    path = save(matmul(["N", 512], w), tmp_path / "a.onnx")
    turned = save(matmul(["N", 512], w[order]), tmp_path / "b.onnx")
    ours, theirs = ReferenceRunner(path).run({"x": x}), ReferenceRunner(turned).run({"x": x[:, order]})
    np.testing.assert_array_equal(ours["y"], theirs["y"])


def test_ports_are_described_as_onnxruntime_describes_them(tmp_path: Path) -> None:
    proto = matmul(["N", 4], random((4, 3)))
    proto.graph.input.append(value("w", [4, 3]))
    runner = ReferenceRunner(save(proto, tmp_path / "m.onnx"))
    assert [(p.name, p.type, p.shape) for p in runner.inputs] == [("x", "tensor(float)", ("N", 4))]
    assert [p.name for p in runner.overridable] == ["w"]
    assert [p.dtype for p in runner.outputs] == ["float32"]


@pytest.mark.parametrize("opset", [10, 13, 17, 19, 21, 23])
def test_quantised_models_of_all_opsets(tmp_path: Path, opset: int) -> None:
    constants = {"s": np.float32(0.1).reshape(()), "z": np.array(3, np.uint8)}
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"]),
    ]
    proto = model(nodes, [value("x", [2, 3])], [value("y", [2, 3])], constants, opset=opset, ir_version=10)
    x = {"x": random((2, 3))}
    assert_close(list(ReferenceRunner(save(proto, tmp_path / "m.onnx")).run(x).values()), run(proto, x))


def test_what_it_cannot_run(tmp_path: Path) -> None:
    node = helper.make_node("NoSuch", ["x"], ["y"], domain="custom")
    proto = model([node], [value("x", [2])], [value("y", [2])], extra_opsets={"custom": 1})
    with pytest.raises(RunError, match="reference evaluator"):
        ReferenceRunner(save(proto, tmp_path / "m.onnx"))
    runner = ReferenceRunner(save(matmul(["N", 4], random((4, 3))), tmp_path / "n.onnx"))
    with pytest.raises(RunError):
        runner.run({"x": random((2, 5))})


def summed(order: np.ndarray) -> onnx.ModelProto:
    """A quantised product, its features in some order, whose exact sum lies on the border between two steps."""
    x, w = np.array([16777216.0, 1.0, -16777216.0], np.float32)[order], np.ones((3, 1), np.float32)
    nodes = [
        helper.make_node("Mul", ["x", "pattern"], ["p"]),
        helper.make_node("MatMul", ["p", "w"], ["z"]),
        helper.make_node("QuantizeLinear", ["z", "one", "zero"], ["y"]),
    ]
    constants = {"pattern": x, "w": w, "one": np.float32(1).reshape(()), "zero": np.array(0, np.uint8)}
    return model(nodes, [value("x", [1, 1])], [value("y", [1, 1], TensorProto.UINT8)], constants)


def test_a_flipped_rounding_is_no_difference(tmp_path: Path) -> None:
    one = save(summed(np.array([0, 1, 2])), tmp_path / "one.onnx")
    other = save(summed(np.array([0, 2, 1])), tmp_path / "other.onnx")
    x = {"x": np.ones((1, 1), np.float32)}
    assert run(one, x)[0] != run(other, x)[0]  # 2**24 + 1 is rounded to 2**24 in float32
    report = verify(one, other)
    assert report.passed
    assert report.engine == "ONNX's reference evaluator"
    assert any("in onnxruntime they differ in 'y' by up to " in note for note in report.notes)
    assert "compared in ONNX's reference evaluator" in str(report)


def test_a_real_difference_is_one_in_both(tmp_path: Path) -> None:
    one = summed(np.array([0, 1, 2]))
    wrong = summed(np.array([0, 1, 2]))
    wrong.graph.initializer[2].CopyFrom(onnx.numpy_helper.from_array(np.float32(0.5).reshape(()), "one"))
    report = verify(save(one, tmp_path / "one.onnx"), save(wrong, tmp_path / "wrong.onnx"))
    assert not report.passed
    assert report.engine == "onnxruntime"


def test_it_refuses_what_the_model_is_not_declared_for(tmp_path: Path) -> None:
    runner = ReferenceRunner(save(matmul([1, 4], random((4, 3))), tmp_path / "m.onnx"))
    assert runner.run({"x": random((1, 4))})["y"].shape == (1, 3)
    with pytest.raises(RunError, match=r"input 'x' is fed \[3, 4\], and is declared as \[1, 4\]"):
        runner.run({"x": random((3, 4))})


def batch_of_1(proto: onnx.ModelProto) -> onnx.ModelProto:
    for port in (*proto.graph.input, *proto.graph.output):
        port.type.tensor_type.shape.dim[0].dim_value = 1
    return proto


@pytest.mark.parametrize("reference", [False, True])
def test_a_refusal_of_onnxruntime_is_not_overruled(tmp_path: Path, reference: bool) -> None:
    def frozen_inside(proto: onnx.ModelProto) -> onnx.ModelProto:
        proto.graph.initializer.append(onnx.numpy_helper.from_array(np.array([1, 1]), "one"))
        proto.graph.node.insert(0, helper.make_node("Reshape", ["x", "one"], ["x1"]))
        proto.graph.node[1].input[0] = "x1"
        return proto

    ours = save(rounded(), tmp_path / "a.onnx")
    for wrong in (batch_of_1(rounded()), frozen_inside(rounded())):
        report = verify(ours, save(wrong, tmp_path / "b.onnx"), settings=Settings(reference=reference))
        assert not report.passed
        assert report.engine == "onnxruntime"
        assert "does not run at N=3, the original does" in report.failures[0]


def rounded(step: float = 1.0) -> onnx.ModelProto:
    """A number, rounded to integers; with another step it differs now and then."""
    nodes = [
        helper.make_node("Mul", ["x", "step"], ["m"]),
        helper.make_node("QuantizeLinear", ["m", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"]),
    ]
    constants = {"s": np.float32(1).reshape(()), "z": np.int8(0).reshape(()), "step": np.float32(step).reshape(())}
    return model(nodes, [value("x", ["N", 1])], [value("y", ["N", 1])], constants)


def test_rounding_hides_a_fault_in_most_runs_so_there_are_more_of_them(tmp_path: Path) -> None:
    ours, theirs = save(rounded(), tmp_path / "a.onnx"), save(rounded(1.01), tmp_path / "b.onnx")
    assert verify(ours, ours).runs == 2 * 4 * 4 + 1
    few = verify(ours, theirs, settings=Settings(samples=1))
    assert few.passed, "or this test shows nothing: the fault is meant to be seldom"
    report = verify(ours, theirs)
    assert not report.passed
    assert "in ONNX's reference evaluator, they differ too: 'y' by up to 1 " in report.notes[-1]


def test_the_reference_evaluator_judges_every_run_that_differed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One run differs in onnxruntime, one beyond the samples that the evaluator is asked anyway."""
    path, calls = save(rounded(), tmp_path / "a.onnx"), 0
    real = compare.Runner.run

    def now_and_then(self: compare.Runner, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        nonlocal calls
        calls += 1
        outputs = real(self, feeds)
        return {"y": outputs["y"] + 1} if calls == 2 * 10 else outputs

    monkeypatch.setattr(compare.Runner, "run", now_and_then)
    report = verify(path, save(rounded(), tmp_path / "b.onnx"))
    assert report.passed
    assert report.engine == "ONNX's reference evaluator"
    assert report.runs == 4 + 4 + 1 + 1
    assert "in onnxruntime they differ" in report.notes[-1]


def test_a_size_below_0_says_nothing(tmp_path: Path) -> None:
    path = save(matmul([-1, 4], random((4, 3))), tmp_path / "m.onnx")
    assert ReferenceRunner(path).inputs[0].shape == (None, 4)
