from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from helpers import matmul, random, save
from onnx import numpy_helper

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
        with pytest.raises(InvalidInputsError, match="numpy cannot read it"):
            given_samples(tmp_path / name, [X])
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
