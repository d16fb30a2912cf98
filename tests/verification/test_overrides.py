"""Inputs with a default: a converted model that ignores what a caller gives instead is found, or the report says so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from helpers import INT64, model, random, save, value
from onnx import TensorProto, helper, numpy_helper
from pairs import pair

from fc2conv_cli import Settings, convert, verify
from fc2conv_cli.errors import InvalidInputsError
from fc2conv_cli.frontends.onnx_file import load
from fc2conv_cli.verification.feeding import Feeding
from fc2conv_cli.verification.given import given_samples
from fc2conv_cli.verification.overrides import can_vary, default_ranges, overridden, overrides, unvaried
from fc2conv_cli.verification.report import VerifyReport
from fc2conv_cli.verification.runner import Port

DEFAULTS = {"bias": np.float32([0.5, -2, 1]), "factor": np.float32(3), "zero": np.zeros(3, np.float32)}


def with_defaults(*, folded: str = "", constants: dict[str, np.ndarray] | None = None) -> onnx.ModelProto:
    """Inputs with defaults of which one may be folded: it is declared, and nothing reads it."""
    constants = {**DEFAULTS, **(constants or {})}
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"]),
        helper.make_node("Add", ["a", "bias"], ["b"]),
        helper.make_node("Mul", ["b", "factor"], ["c"]),
        helper.make_node("Add", ["c", "zero"], ["y"]),
    ]
    for node in nodes:
        node.input[:] = [f"{name}/folded" if name == folded else name for name in node.input]
    more = {f"{folded}/folded": constants[folded]} if folded else {}
    ports = [value("x", ["N", 4]), *(value(name, array.shape) for name, array in constants.items())]
    return model(nodes, ports, [value("y", ["N", 3])], {"w": random((4, 3)), **constants, **more})


@pytest.mark.parametrize("folded", DEFAULTS)
@pytest.mark.parametrize("given", [False, True])
def test_a_default_that_was_folded_is_found(tmp_path: Path, folded: str, given: bool) -> None:
    np.savez(tmp_path / "in.npz", x=random((2, 4)))
    feeding = Feeding(tmp_path / "in.npz") if given else Feeding()
    report = pair(tmp_path, with_defaults(), with_defaults(folded=folded), feeding=feeding)
    assert not report.passed
    assert report.outputs[0].verdict == "different"
    right = pair(tmp_path, with_defaults(), with_defaults(), feeding=feeding)
    assert right.passed
    told = "'bias', 'factor', 'zero' were given other values than their defaults in "
    assert [note[: len(told)] for note in right.notes] == [told]
    assert right.notes[0].endswith(f" of the {right.runs} runs")


def shaped(dtype: int, array: np.ndarray, dims: list[int | str] | None = None) -> onnx.ModelProto:
    """A constant of another kind with a default."""
    ports = [value("x", [2, 3]), value("k", array.shape if dims is None else dims, dtype)]
    ends = {
        "axes": helper.make_node("ReduceSum", ["x", "k"], ["y"]),
        "on": helper.make_node("Where", ["k", "x", "x"], ["y"]),
    }
    node = helper.make_node("Mul", ["x", "k"], ["y"])
    if dtype != TensorProto.FLOAT:
        node = ends["on" if dtype == TensorProto.BOOL else "axes"]
    return model([node], ports, [value("y", [None, None])], {"k": array})


@pytest.mark.parametrize(
    ("dtype", "array", "dims"),
    [
        (INT64, np.array([0]), None),
        (TensorProto.BOOL, np.array([True]), None),
        (TensorProto.FLOAT, np.ones(3, np.float32), ["K"]),
    ],
)
def test_what_cannot_be_varied_is_said(
    tmp_path: Path, dtype: int, array: np.ndarray, dims: list[int | str] | None
) -> None:
    proto = shaped(dtype, array, dims)
    report = pair(tmp_path, proto, proto)
    assert report.passed
    (note,) = report.notes
    assert note == "input 'k' has a default and was not varied: whether another value has the same effect was not seen"


def test_what_the_original_refuses_keeps_no_other_from_being_varied(tmp_path: Path) -> None:
    """Scales of a Resize have to suit the sizes: they stay, and the bias beside them is varied alone."""

    def resized(folded: bool) -> onnx.ModelProto:
        nodes = [
            helper.make_node("Resize", ["x", "", "scales"], ["r"], mode="nearest"),
            helper.make_node("Reshape", ["r", "shape"], ["z"]),
            helper.make_node("Add", ["z", "fixed" if folded else "bias"], ["y"]),
        ]
        bias = random((8,))
        constants = {"scales": np.float32([1, 2]), "bias": bias, "fixed": bias, "shape": np.array([1, 8])}
        ports = [value("x", [1, 4]), value("scales", [2]), value("bias", [8])]
        return model(nodes, ports, [value("y", [1, 8])], constants)

    report = pair(tmp_path, resized(False), resized(False))
    assert report.passed
    assert [note for note in report.notes if "was not varied" in note] == [
        note for note in report.notes if "'scales'" in note
    ]
    assert not pair(tmp_path, resized(False), resized(True)).passed


def test_what_is_frozen_on_purpose_is_no_matter(tmp_path: Path) -> None:
    source = save(with_defaults(), tmp_path / "m.onnx")
    report = convert(source, tmp_path / "out.onnx", freeze_inputs=True)
    assert report.passed
    assert report.verification is not None
    assert not any("was not varied" in note for note in report.verification.notes)
    assert convert(source, tmp_path / "kept.onnx").passed
    (note,) = verify(source, tmp_path / "kept.onnx").notes
    assert "were given other values than their defaults" in note
    failures = verify(source, tmp_path / "out.onnx").failures
    assert failures[0] == (
        "input 'bias' is missing from the converted model (if it was converted with --freeze-inputs, verify takes that "
        "option too)"
    )
    assert verify(source, tmp_path / "out.onnx", freeze_inputs=True).passed


def seen(folder: Path, theirs: onnx.ModelProto | None = None, **arrays: np.ndarray) -> VerifyReport:
    """A comparison on given inputs, as a user's file has them."""
    np.savez(folder / "in.npz", **arrays)
    ours = with_defaults()
    return pair(folder, ours, theirs or ours, feeding=Feeding(folder / "in.npz"))


def test_a_value_for_what_has_a_default_is_taken(tmp_path: Path) -> None:
    x = random((2, 4))
    report = seen(tmp_path, x=x, bias=np.float32([7, 8, 9]))
    assert report.passed
    assert report.notes == ("'bias', 'factor', 'zero' were given other values than their defaults in 1 of the 2 runs",)
    output = report.outputs[0]
    plain = 3 * (x @ random((4, 3)) + np.float32([7, 8, 9]))
    assert output.largest is not None
    assert output.largest >= np.abs(plain).max() * 0.999
    wrong = seen(tmp_path, with_defaults(folded="bias"), x=x, bias=np.float32([7, 8, 9]))
    assert wrong.outputs[0].verdict == "different"


def test_a_value_for_what_cannot_be_made_up_counts_as_another_one(tmp_path: Path) -> None:
    np.savez(tmp_path / "in.npz", x=random((2, 3)), k=np.array([1]))
    proto = shaped(INT64, np.array([0]))
    report = pair(tmp_path, proto, proto, feeding=Feeding(tmp_path / "in.npz"))
    assert report.passed
    assert report.notes == ()


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"bias": np.float32([1, 2])}, r"array 'bias' has shape \[2\], the input \[3\]"),
        ({"bias": np.float64([1, 2, 3])}, "array 'bias' is float64, the input float32"),
        (
            {"w": random((4, 3))},
            r"array 'w' is no input of the model\nThe model takes x; bias, factor, zero may be given",
        ),
    ],
)
def test_a_value_that_does_not_fit_is_refused(tmp_path: Path, arrays: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(InvalidInputsError, match=message):
        seen(tmp_path, x=random((2, 4)), **arrays)


def test_samples_of_values_for_defaults(tmp_path: Path) -> None:
    report = seen(tmp_path, x=np.stack([random((2, 4))] * 3), bias=random((3, 3)))
    assert report.passed
    assert report.runs == 4


def test_layers_are_compared_at_the_defaults(tmp_path: Path) -> None:
    source = save(with_defaults(), tmp_path / "m.onnx")
    assert convert(source, tmp_path / "out.onnx").passed
    np.savez(tmp_path / "in.npz", x=random((2, 4)), bias=random((3,)))
    settings = Settings(feeding=Feeding(tmp_path / "in.npz"))
    report = verify(source, tmp_path / "out.onnx", settings=settings, per_layer=True)
    assert report.passed
    assert report.per_layer is not None
    assert report.per_layer.runs == 1
    assert report.per_layer.agrees


def test_a_value_for_what_was_frozen_is_refused(tmp_path: Path) -> None:
    source = save(with_defaults(), tmp_path / "m.onnx")
    np.savez(tmp_path / "in.npz", x=random((2, 4)), bias=random((3,)))
    settings = Settings(feeding=Feeding(tmp_path / "in.npz"))
    with pytest.raises(InvalidInputsError, match="array 'bias' is no input of the converted model\nLeave it out"):
        convert(source, tmp_path / "out.onnx", freeze_inputs=True, settings=settings)
    assert not (tmp_path / "out.onnx").exists()


@pytest.mark.parametrize("kind", ["npy", "pb"])
def test_values_for_defaults_in_a_folder(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / ("test_data_set_0" if kind == "pb" else "given")
    folder.mkdir()
    for number, (name, array) in enumerate({"x": random((2, 4)), "bias": np.float32([7, 8, 9])}.items()):
        if kind == "npy":
            np.save(folder / f"{name}.npy", array)
        else:
            tensor = numpy_helper.from_array(array, name)
            (folder / f"input_{number}.pb").write_bytes(tensor.SerializeToString())
    ports = [Port("x", "tensor(float)", ("N", 4))]
    defaults = [Port("factor", "tensor(float)", ()), Port("bias", "tensor(float)", (3,))]
    (sample,) = given_samples(folder, ports, defaults)
    assert sample.feeds.keys() == {"x", "bias"}
    np.testing.assert_array_equal(sample.feeds["bias"], [7, 8, 9])


def test_how_often_a_default_was_overridden() -> None:
    assert overridden({"w1": 2, "b": 1, "c": 1}, 11) == (
        "'w1' was given other values than its default in 2 of the 11 runs",
        "'b', 'c' were given other values than their defaults in 1 of the 11 runs",
    )
    assert overridden({}, 11) == ()


def test_other_values_lie_between_the_ends_of_the_defaults(tmp_path: Path) -> None:
    path = save(with_defaults(), tmp_path / "m.onnx")
    ranges = default_ranges(load(path))
    assert ranges == {"bias": (-2.0, 1.0), "factor": (3.0, 3.0), "zero": (0.0, 0.0)}
    ports = [Port(name, "tensor(float)", array.shape) for name, array in DEFAULTS.items()]
    together, *alone = overrides(ports, ranges, (0,))
    assert [list(one) for one in alone] == [["bias"], ["factor"], ["zero"]]
    assert ((together["bias"] >= -2) & (together["bias"] <= 1)).all()
    assert 1.5 <= together["factor"] <= 4.5
    assert ((together["zero"] >= 0.5) & (together["zero"] <= 1.5)).all()
    assert overrides([Port("odd", "tensor(float16)", (2,))], {"odd": (-np.inf, 0)}, (0,))[0]["odd"].dtype == np.float16
    assert overrides([Port("k", "tensor(int64)", (1,))], {}, (0,)) == []
    proto = onnx.load(path)
    proto.ir_version = 3
    proto.graph.input.append(value("w", [4, 3]))
    assert default_ranges(load(save(proto, path))) == {}


def test_which_were_not_varied() -> None:
    ports = [Port(name, "tensor(float)", (1,)) for name in "abc"]
    assert [note[:9] for note in unvaried(ports, {"a", "b"}, {"b"})] == ["input 'a'"]
    assert can_vary(ports[0])
    assert not can_vary(Port("d", "tensor(float)", None))
