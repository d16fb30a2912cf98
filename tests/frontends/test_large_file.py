"""A large file is the same model, and as unusable where it is damaged, as one that protobuf read."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from helpers import CORPUS, assert_close, gemm, matmul, model, random, run, save, value
from onnx import TensorProto, helper

from fc2conv_cli import checker, convert, errors, wire
from fc2conv_cli.frontends.onnx_file import load
from fc2conv_cli.weights import InFile


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "SMALLEST", 16)
    monkeypatch.setattr(wire, "SMALLEST_FILE", 1)


def test_weights_stay_in_the_file(tmp_path: Path) -> None:
    weight = random((8, 6))
    path = save(matmul(["N", 8], weight, random((6,))), tmp_path / "m.onnx")
    tensor = load(path).graph.initializers["w"].const_value
    assert isinstance(tensor, InFile)
    np.testing.assert_array_equal(tensor.numpy(), weight)
    assert tensor.tobytes() == weight.tobytes()
    assert tensor.name == "w"


@pytest.mark.parametrize("transposed", [False, True])
def test_conversion(tmp_path: Path, transposed: bool) -> None:
    proto = matmul(["N", 8], random((8, 6))) if transposed else gemm(["N", 8], random((6, 8)), transB=1)
    path = save(proto, tmp_path / "m.onnx")
    report = convert(path)
    assert report.verified
    assert report.output is not None
    x = {"x": random((3, 8))}
    assert_close(run(report.output, x), run(path, x))


def test_a_file_with_several_links_and_a_relative_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(matmul(["N", 8], random((8, 6))), tmp_path / "m.onnx")
    os.link(tmp_path / "m.onnx", tmp_path / "link.onnx")
    (tmp_path / "soft.onnx").symlink_to("link.onnx")
    monkeypatch.chdir(tmp_path)
    for name in ("link.onnx", "soft.onnx"):
        assert convert(name, f"out_{name}").verified


@pytest.mark.parametrize("change", [-4, 4])
def test_a_weight_of_another_length_is_refused_in_the_same_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: int
) -> None:
    proto = matmul(["N", 8], random((8, 6)))
    raw = proto.graph.initializer[0].raw_data
    proto.graph.initializer[0].raw_data = raw[:change] if change < 0 else raw + bytes(change)
    path = save(proto, tmp_path / "m.onnx")

    def outcome() -> str:
        try:
            return str(convert(path, force=True).notes)
        except errors.FC2ConvError as error:
            return error.message

    found = outcome()
    monkeypatch.setattr(wire, "SMALLEST_FILE", 10**9)
    assert found == outcome()
    assert f"weight 'w' has {192 + change} bytes" in found


def test_fields_that_only_look_like_weights(tmp_path: Path) -> None:
    """Raw data of strings and of external tensors counts for nothing, with protobuf as without."""
    proto = matmul(["N", 8], random((8, 6)))
    names = helper.make_tensor("s", TensorProto.STRING, [1], [b"text"])
    names.raw_data = b"x" * 100
    proto.graph.initializer.append(names)
    model_ = load(save(proto, tmp_path / "m.onnx"))
    assert isinstance(model_.graph.initializers["s"].const_value, ir.StringTensor)


def test_the_checker_sees_no_weights_and_says_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = save(matmul(["N", 8], random((8, 6))), tmp_path / "good.onnx")
    unknown = model([helper.make_node("MatMul", ["x", "w"], ["y"])], [value("x", ["N", 8])], [value("y", ["N", 6])])
    unknown.graph.node[0].op_type = "NoSuchOperator"
    unknown.graph.initializer.extend(onnx.load(good).graph.initializer)
    bad = save(unknown, tmp_path / "bad.onnx")
    monkeypatch.setattr(onnx.checker, "check_model", spy := Spy(onnx.checker.check_model))
    found = [checker.complaint(path) for path in (good, bad)]
    assert all(isinstance(given, onnx.ModelProto) and given.ByteSize() < 300 for given in spy.given)
    monkeypatch.setattr(wire, "SMALLEST_FILE", 10**9)
    assert found == [checker.complaint(path) for path in (good, bad)]
    assert found[0] is None
    assert "NoSuchOperator" in str(found[1])


def test_the_checker_looks_for_external_data_still(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    onnx.save(matmul(["N", 64], random((64, 32))), path, save_as_external_data=True, location="w.bin", size_threshold=0)
    proto = onnx.load(path, load_external_data=False)
    proto.graph.initializer.add(name="inside", dims=[64], data_type=TensorProto.FLOAT, raw_data=bytes(256))
    save(proto, path)
    assert checker.complaint(path) is None
    (tmp_path / "w.bin").unlink()
    assert "w.bin" in str(checker.complaint(path))


class Spy:
    def __init__(self, function: object) -> None:
        self.function = function
        self.given: list[object] = []

    def __call__(self, given: object) -> None:
        self.given.append(given)
        self.function(given)  # type: ignore[operator]


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus is not here")
def test_the_corpus_is_loaded_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    for path in sorted(p for p in CORPUS.rglob("*.onnx") if p.stat().st_size < 2**20)[:40]:
        found = []
        for smallest in (1, 10**9):
            monkeypatch.setattr(wire, "SMALLEST_FILE", smallest)
            try:
                found.append(ir.to_proto(load(path)).SerializeToString(deterministic=True))
            except errors.FC2ConvError as error:
                found.append(error.message.encode())
        assert found[0] == found[1], path
