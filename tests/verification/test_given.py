from __future__ import annotations

import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest
from helpers import matmul, model, random, save, value
from onnx import TensorProto, helper, numpy_helper

from fc2conv_cli import Settings, convert, verify
from fc2conv_cli.errors import InvalidInputsError
from fc2conv_cli.verification.feeding import Feeding
from fc2conv_cli.verification.given import given_samples
from fc2conv_cli.verification.runner import Port

X = Port("x", "tensor(float)", ("N", 4))
IDS = Port("ids", "tensor(int64)", (None, 2))


def test_an_npz_with_and_without_a_sample_axis(tmp_path: Path) -> None:
    path = tmp_path / "in.npz"
    np.savez(path, x=random((3, 4)), ids=np.zeros((5, 2), np.int64))
    (only,) = given_samples(path, [X, IDS])
    assert only.feeds["x"].shape == (3, 4)
    np.savez(path, x=random((7, 3, 4)), ids=np.zeros((5, 2), np.int64))
    found = given_samples(path, [X, IDS])
    assert [sample.label for sample in found] == [f"in.npz[{k}]" for k in range(7)]
    assert all(sample.feeds["ids"].shape == (5, 2) for sample in found)


def test_a_folder_of_arrays_and_test_data(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", random((3, 4)))
    np.save(tmp_path / "more.npy", random((2, 3, 4)))
    np.savez(tmp_path / "z.npz", x=random((1, 4)))
    data = tmp_path / "test_data_set_0"
    data.mkdir()
    (data / "input_0.pb").write_bytes(numpy_helper.from_array(random((5, 4)), "x").SerializeToString())
    (data / "output_0.pb").write_bytes(b"")
    shapes = [sample.feeds["x"].shape for sample in given_samples(tmp_path, [X])]
    assert sorted(shapes) == [(1, 4), (3, 4), (3, 4), (3, 4), (5, 4)]
    assert [sample.feeds["x"].shape for sample in given_samples(data, [X])] == [(5, 4)]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, "no array for input 'x'"),
        ({"x": random((3, 4)), "y": random((1,))}, "array 'y' is no input"),
        ({"x": random((3, 5))}, r"shape \[3, 5\], the input \[N, 4\]"),
        ({"x": random((3, 4)).astype(np.float64)}, "is float64, the input float32"),
    ],
)
def test_arrays_that_do_not_fit(tmp_path: Path, arrays: dict[str, np.ndarray], message: str) -> None:
    np.savez(tmp_path / "in.npz", **arrays)
    with pytest.raises(InvalidInputsError, match=message):
        given_samples(tmp_path / "in.npz", [X])


def test_counts_that_differ(tmp_path: Path) -> None:
    np.savez(tmp_path / "in.npz", x=random((3, 3, 4)), ids=np.zeros((2, 5, 2), np.int64))
    with pytest.raises(InvalidInputsError, match=r"\[2, 3\] samples"):
        given_samples(tmp_path / "in.npz", [X, IDS])


class _Evil:
    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (Path("evil-was-here"),))


def test_what_is_no_array_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidInputsError, match="no such file"):
        given_samples(tmp_path / "none.npz", [X])
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InvalidInputsError, match="no inputs are in it"):
        given_samples(empty, [X])
    for name, content in (("text.npz", b"hello"), ("cut.npz", b"PK\x03\x04"), ("bad.npy", pickle.dumps(_Evil()))):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InvalidInputsError, match=r"numpy cannot read it|is neither \.npz nor \.npy"):
            given_samples(tmp_path / name, [X])
    np.save(tmp_path / "objects.npy", np.array([_Evil()]), allow_pickle=True)
    with pytest.raises(InvalidInputsError, match="holds Python objects") as caught:
        given_samples(tmp_path / "objects.npy", [X])
    assert "allow_pickle" not in str(caught.value)
    np.save(tmp_path / "one.npy", random((3, 4)))
    with pytest.raises(InvalidInputsError, match="holds one array"):
        given_samples(tmp_path / "one.npy", [X, IDS])
    assert not (tmp_path / "evil-was-here").exists()


def test_a_comparison_on_given_inputs(tmp_path: Path) -> None:
    weight = random((4, 3))
    path = save(matmul(["N", 4], weight), tmp_path / "model.onnx")
    np.savez(tmp_path / "in.npz", x=np.ones((2, 3, 4), np.float32))
    report = convert(path, settings=Settings(feeding=Feeding(tmp_path / "in.npz"))).verification
    assert report.runs == 2
    assert f"inputs from {tmp_path / 'in.npz'}" in str(report)
    wrong = weight.copy()
    wrong[:, 0] += [1, -1, 0, 0]  # which inputs of equal elements do not show
    other = save(matmul(["N", 4], wrong), tmp_path / "wrong.onnx")
    assert verify(path, other, settings=Settings(feeding=Feeding(tmp_path / "in.npz"))).passed
    assert not verify(path, other).passed


def test_an_input_that_the_original_refuses(tmp_path: Path) -> None:
    path = save(matmul([2, 4], random((4, 3))), tmp_path / "model.onnx")
    np.savez(tmp_path / "in.npz", x=random((3, 2, 5)))
    with pytest.raises(InvalidInputsError, match="has shape"):
        verify(path, path, settings=Settings(feeding=Feeding(tmp_path / "in.npz")))


def test_another_byte_order_is_taken(tmp_path: Path) -> None:
    x = random((3, 4))
    np.savez(tmp_path / "in.npz", x=x.astype(">f4"))
    np.save(tmp_path / "in.npy", x.astype(">f4"))
    for name in ("in.npz", "in.npy"):
        (only,) = given_samples(tmp_path / name, [X])
        assert only.feeds["x"].dtype.isnative
        np.testing.assert_array_equal(only.feeds["x"], x)


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 1, 3)])
def test_an_input_of_unknown_rank_takes_any(tmp_path: Path, shape: tuple[int, ...]) -> None:
    proto = model([helper.make_node("Relu", ["x"], ["y"])], [value("x", [1])], [value("y", [1])])
    for port in (proto.graph.input[0], proto.graph.output[0]):
        port.type.tensor_type.ClearField("shape")
    path = save(proto, tmp_path / "model.onnx")
    np.savez(tmp_path / "in.npz", x=np.ones(shape, np.float32))
    settings = Settings(feeding=Feeding(tmp_path / "in.npz"))
    assert verify(path, path, settings=settings).passed


def test_inputs_that_repeat_themselves_blame_no_output(tmp_path: Path) -> None:
    path = save(matmul(["N", 4], random((4, 3))), tmp_path / "model.onnx")
    np.savez(tmp_path / "in.npz", x=np.ones((5, 2, 4), np.float32))
    report = verify(path, path, settings=Settings(feeding=Feeding(tmp_path / "in.npz")))
    assert report.outputs[0].notes == ()


def test_overflows_are_no_warnings(tmp_path: Path) -> None:
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    ports = [value("x", [2, 4], TensorProto.DOUBLE)], [value("y", [2, 3], TensorProto.DOUBLE)]
    weight = random((4, 3)).astype(np.float64) * 1e307
    ours, theirs = (
        save(model(nodes, *ports, {"w": w}), tmp_path / f"{i}.onnx") for i, w in enumerate((weight, -weight))
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not verify(ours, theirs, per_layer=True).passed


def test_a_dim_of_one_name_has_one_size(tmp_path: Path) -> None:
    mask = Port("mask", "tensor(float)", ("N", "S"))
    ids = Port("ids", "tensor(int64)", ("N", "S"))
    np.savez(tmp_path / "in.npz", mask=random((2, 1)), ids=np.zeros((2, 12), np.int64))
    with pytest.raises(InvalidInputsError, match=r"in\.npz: S=1 in input 'mask', but S=12 in input 'ids'") as caught:
        given_samples(tmp_path / "in.npz", [mask, ids])
    assert caught.value.exit_code == 2
    unnamed = [Port(port.name, port.type, ("N", None)) for port in (mask, ids)]
    assert len(given_samples(tmp_path / "in.npz", unnamed)) == 1
    np.savez(tmp_path / "in.npz", mask=random((2, 12)), ids=np.zeros((2, 12), np.int64))
    assert len(given_samples(tmp_path / "in.npz", [mask, ids])) == 1
