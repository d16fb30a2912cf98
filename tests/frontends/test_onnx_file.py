from __future__ import annotations

import io
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from helpers import matmul, model, random, save, value
from onnx import TensorProto

from fc2conv_cli import convert, errors
from fc2conv_cli.frontends.onnx_file import load

WHOLE = matmul(["N", 4], random((4, 3))).SerializeToString()


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("data.pkl", b"x")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "error", "words"),
    [
        (b"", errors.NotOnnxError, "empty"),
        (b"this is text, not a model\n" * 20, errors.NotOnnxError, "neither an ONNX model"),
        (WHOLE[: len(WHOLE) // 2], errors.NotOnnxError, "truncated"),
        (os.urandom(4096), errors.NotOnnxError, "neither an ONNX model"),
        (zipped(), errors.NotOnnxError, "zip"),
        (pickle.dumps({"a": 1}), errors.NotOnnxError, "pickle"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", errors.NotOnnxError, "Git LFS"),
        (onnx.ModelProto(ir_version=8).SerializeToString(), errors.NotOnnxError, "no graph"),
    ],
)
def test_unusable_content(tmp_path: Path, content: bytes, error: type, words: str) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(error, match=words) as caught:
        load(path)
    assert str(path) in caught.value.message
    assert caught.value.hint


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(errors.ModelNotFoundError, match="no such file"):
        load(tmp_path / "none.onnx")
    with pytest.raises(errors.ModelNotFoundError, match="folder"):
        load(tmp_path)


def test_a_graph_that_cannot_be_read(tmp_path: Path) -> None:
    proto = matmul(["N", 4], random((4, 3)))
    proto.graph.initializer[0].data_type = 99
    with pytest.raises(errors.InvalidModelError, match="not valid"):
        load(save(proto, tmp_path / "model.onnx"))


def external(folder: Path) -> Path:
    path = folder / "model.onnx"
    onnx.save(
        matmul(["N", 64], random((64, 32))), path, save_as_external_data=True, location="weights.bin", size_threshold=0
    )
    return path


def test_external_data_is_read_where_it_is(tmp_path: Path) -> None:
    model = load(external(tmp_path))
    (weight,) = model.graph.initializers.values()
    assert weight.const_value is not None
    np.testing.assert_array_equal(weight.const_value.numpy(), random((64, 32)))


def test_missing_and_truncated_external_data(tmp_path: Path) -> None:
    path = external(tmp_path)
    data = tmp_path / "weights.bin"
    data.write_bytes(data.read_bytes()[:100])
    with pytest.raises(errors.ExternalDataError, match=r"'w' ends at byte 8192 of .*weights.bin, which has 100"):
        load(path)
    data.unlink()
    with pytest.raises(errors.ExternalDataError, match="No such file"):
        load(path)


def test_external_data_elsewhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    path = external(tmp_path / "inside")
    (tmp_path / "inside" / "weights.bin").rename(tmp_path / "weights.bin")
    proto = onnx.load(path, load_external_data=False)
    next(e for e in proto.graph.initializer[0].external_data if e.key == "location").value = "../weights.bin"
    with pytest.raises(errors.ExternalDataError, match="outside the model's own folder"):
        load(save(proto, path))


@pytest.mark.parametrize(("key", "content"), [("offset", "abc"), ("offset", "-4"), ("length", "4"), ("length", "9000")])
def test_damaged_references_to_external_data(tmp_path: Path, key: str, content: str) -> None:
    path = external(tmp_path)
    proto = onnx.load(path, load_external_data=False)
    next(e for e in proto.graph.initializer[0].external_data if e.key == key).value = content
    with pytest.raises((errors.ExternalDataError, errors.InvalidModelError)) as caught:
        load(save(proto, path))
    assert "lambda" not in caught.value.message


def test_what_onnx_ir_would_drop_is_refused(tmp_path: Path) -> None:
    sparse = matmul(["N", 4], random((4, 3)))
    sparse.graph.sparse_initializer.append(
        onnx.SparseTensorProto(values=onnx.TensorProto(name="s", dims=[0], data_type=1))
    )
    with pytest.raises(errors.InvalidModelError, match="sparse"):
        load(save(sparse, tmp_path / "sparse.onnx"))
    trained = matmul(["N", 4], random((4, 3)))
    trained.training_info.append(onnx.TrainingInfoProto())
    with pytest.raises(errors.InvalidModelError, match="training"):
        load(save(trained, tmp_path / "trained.onnx"))


def test_the_default_domain_has_two_names(tmp_path: Path) -> None:
    proto = matmul(["N", 4], random((4, 3)))
    proto.opset_import[0].domain = "ai.onnx"
    assert load(save(proto, tmp_path / "a.onnx")).graph.opset_imports == {"": 17}
    proto.opset_import.append(onnx.helper.make_opsetid("", 11))
    with pytest.raises(errors.InvalidModelError, match="two versions"):
        load(save(proto, tmp_path / "b.onnx"))


def test_tensors_of_attributes_are_carried_along(tmp_path: Path) -> None:
    node = onnx.helper.make_node("Constant", [], ["w"], value=onnx.numpy_helper.from_array(random((64, 32)), "t"))
    layer = onnx.helper.make_node("MatMul", ["x", "w"], ["y"], name="fc")
    also = onnx.helper.make_node("Add", ["w", "w"], ["z"])
    proto = model([node, layer, also], [value("x", ["N", 64])], [value("y", ["N", 32]), value("z", [64, 32])])
    path = tmp_path / "m.onnx"
    onnx.save(proto, path, save_as_external_data=True, size_threshold=0, convert_attribute=True, location="w.bin")
    (tmp_path / "elsewhere").mkdir()
    report = convert(path, tmp_path / "elsewhere" / "out.onnx")
    assert report.verified


def test_no_weights_are_read_when_loading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = external(tmp_path)
    monkeypatch.setattr("mmap.mmap", lambda *a, **k: pytest.fail("weights were read"))
    assert load(path).graph.initializers["w"].dtype == TensorProto.FLOAT
