from __future__ import annotations

from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import pytest
from helpers import matmul, model, random, save, value
from onnx import TensorProto, helper

from fc2conv_cli import Settings, verify
from fc2conv_cli.verification.feeding import Feeding
from fc2conv_cli.verification.measures import ulp_distance
from fc2conv_cli.verification.noise import moved, movements, noise_floor
from fc2conv_cli.verification.runner import Runner


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32, np.float64])
def test_every_float_moves_by_one_step(dtype: type) -> None:
    x = np.concatenate([random((50,)), [1.0, 0.5, -2.0]]).astype(dtype)
    other = moved({"x": x}, 0)["x"]
    assert other.dtype == x.dtype
    assert (other.astype(np.float64) != x.astype(np.float64)).all()
    assert ulp_distance(x, other) == 1


def test_integers_stay_and_alone_they_do_not_move() -> None:
    ids = np.arange(3)
    assert moved({"ids": ids}, 0) is None
    np.testing.assert_array_equal(moved({"ids": ids, "x": random((3,))}, 0)["ids"], ids)


def test_the_floor_of_a_product(tmp_path: Path) -> None:
    runner = Runner(save(matmul(["N", 8], random((8, 4))), tmp_path / "m.onnx"))
    x = {"x": random((3, 8))}
    movement = movements(runner, x, runner.run(x))["y"]
    assert movement.shape == (3, 4)
    assert 0 < noise_floor(movement) < 1e-5


def wave(shift: float) -> onnx.ModelProto:
    """sin(1e5 x + shift): one unit in the last place of x is a hundredth of the result."""
    nodes = [
        helper.make_node("Mul", ["x", "factor"], ["a"]),
        helper.make_node("Add", ["a", "shift"], ["b"]),
        helper.make_node("Sin", ["b"], ["y"]),
    ]
    constants = {"factor": np.array(1e5, np.float32), "shift": np.array(shift, np.float32)}
    return model(nodes, [value("x", ["N", 40])], [value("y", ["N", 40])], constants)


def test_a_model_that_moves_as_much_by_itself_is_ill_conditioned(tmp_path: Path) -> None:
    ours, theirs = (save(wave(shift), tmp_path / f"{shift}.onnx") for shift in (0, 0.01))
    report = verify(ours, theirs)
    (output,) = report.outputs
    assert output.verdict == "ill-conditioned"
    assert 0.5 <= output.excess <= 4
    assert not report.passed
    assert "the model is ill-conditioned there" in str(report)
    assert verify(ours, theirs, settings=Settings(accept_ill_conditioned=True)).passed


def test_a_fault_is_no_noise(tmp_path: Path) -> None:
    ours, theirs = (save(wave(shift), tmp_path / f"{shift}.onnx") for shift in (0, 1))
    report = verify(ours, theirs, settings=Settings(accept_ill_conditioned=True))
    assert report.outputs[0].verdict == "different"
    assert not report.passed


def test_no_float_goes_in(tmp_path: Path) -> None:
    nodes = [helper.make_node("Gather", ["table", "ids"], ["y"])]
    ids = [value("ids", ["N"], TensorProto.INT64)]
    ours, theirs = (
        save(model(nodes, ids, [value("y", ["N", 4])], {"table": table}), tmp_path / f"{i}.onnx")
        for i, table in enumerate((random((5, 4)), random((5, 4), seed=9)))
    )
    (output,) = verify(ours, theirs).outputs
    assert (output.verdict, output.noise, output.excess) == ("different", None, None)
    assert any("its noise is not known" in note for note in output.notes)


@pytest.mark.parametrize("shift", [0.002, 0.01])
def test_what_is_shown_is_what_the_verdict_goes_by(tmp_path: Path, shift: float) -> None:
    ours, theirs = (save(wave(s), tmp_path / f"{s}.onnx") for s in (0, shift))
    report = verify(ours, theirs)
    (output,) = report.outputs
    assert output.verdict == "ill-conditioned"
    shown = f"{output.excess:.2g}"
    row = next(line.split() for line in str(report).splitlines() if line.startswith("y "))
    assert row[5] == shown
    assert f"by no more than {shown} times" in str(report)


def test_within_tolerance_it_is_the_largest_of_the_runs(tmp_path: Path) -> None:
    ours, theirs = (
        save(matmul(["N", 8], random((8, 4)) * f), tmp_path / f"{f}.onnx") for f in (1, np.float32(1 + 2e-7))
    )
    (output,) = verify(ours, theirs).outputs
    assert output.passed
    assert output.noise is not None
    assert output.excess is not None
    assert 0 < output.excess <= output.worst.max_abs / output.noise * 20


def test_noise_is_measured_on_given_inputs_of_each_shape(tmp_path: Path) -> None:
    path = save(matmul(["N", 8], random((8, 4))), tmp_path / "m.onnx")
    np.savez(tmp_path / "in.npz", x=random((3, 2, 8)))
    (output,) = verify(path, path, settings=Settings(feeding=Feeding(tmp_path / "in.npz"))).outputs
    assert output.noise is not None
    assert output.noise > 0
    assert output.excess == 0


def test_elementwise_noise_is_asked_where_an_element_is_outside(tmp_path: Path) -> None:
    def two(small: float) -> onnx.ModelProto:
        nodes = [helper.make_node("Mul", ["x", "k"], ["y"])]
        return model(nodes, [value("x", ["N", 2])], [value("y", ["N", 2])], {"k": np.array([1e6, small], np.float32)})

    ours, theirs = (save(two(k), tmp_path / f"{k}.onnx") for k in (1e-3, 1.1e-3))
    assert verify(ours, theirs).passed  # beside a million, as a whole
    settings = Settings(elementwise=True, accept_ill_conditioned=True)
    assert verify(ours, theirs, settings=settings).outputs[0].verdict == "different"


def test_noise_of_one_channel_excuses_nothing_in_another(tmp_path: Path) -> None:
    def beside(sign: float, shift: float) -> onnx.ModelProto:
        proto = wave(shift)
        graph = proto.graph
        graph.node.append(helper.make_node("Mul", ["x", "sign"], ["good"]))
        graph.node.append(helper.make_node("Concat", ["y", "good"], ["both"], axis=1))
        graph.initializer.append(onnx.numpy_helper.from_array(np.array(sign * 0.001, np.float32), "sign"))
        del graph.output[:]
        graph.output.append(value("both", ["N", 80]))
        return proto

    ours, theirs = (save(beside(s, d), tmp_path / f"{s}.onnx") for s, d in ((1, 0.0), (-1, 0.001)))
    report = verify(ours, theirs, settings=Settings(accept_ill_conditioned=True))
    assert report.outputs[0].verdict == "different"
    assert not report.passed


def test_noise_as_large_as_the_values_excuses_nothing(tmp_path: Path) -> None:
    def chaos(shift: float) -> onnx.ModelProto:
        proto = wave(shift)
        proto.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(np.array(1e8, np.float32), "factor"))
        return proto

    ours, theirs = (save(chaos(shift), tmp_path / f"{shift}.onnx") for shift in (0, 1))
    assert not verify(ours, theirs, settings=Settings(accept_ill_conditioned=True)).passed
