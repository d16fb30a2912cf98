"""--share-weights: what the result reads from the original's data, and what becomes of that."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import onnx
import pytest
from helpers import assert_close, gemm, matmul, model, names, random, run, save, value
from onnx import helper

from fc2conv_cli import convert, errors, verify
from fc2conv_cli.weights import Rearranged


def external(path: Path, proto: onnx.ModelProto, data: str = "weights.bin") -> Path:
    onnx.save(proto, path, save_as_external_data=True, location=data, size_threshold=0)
    return path


def one_of_each() -> onnx.ModelProto:
    """A layer whose weight keeps its bytes, and one whose weight is transposed."""
    nodes = [
        helper.make_node("Gemm", ["x", "kept"], ["h"], name="first", transB=1),
        helper.make_node("Relu", ["h"], ["r"]),
        helper.make_node("MatMul", ["r", "turned"], ["y"], name="second"),
    ]
    constants = {"kept": random((32, 64)), "turned": random((32, 16), seed=1)}
    return model(nodes, [value("x", ["N", 64])], [value("y", ["N", 16])], constants)


def kept(rows: int = 64) -> onnx.ModelProto:
    return gemm(["N", rows], random((32, rows)), transB=1)


def locations(path: Path) -> dict[str, str]:
    tensors = onnx.load(path, load_external_data=False).graph.initializer
    return {t.name: e.value for t in tensors for e in t.external_data if e.key == "location"}


def test_what_is_the_same_is_read_from_the_original(tmp_path: Path) -> None:
    path = external(tmp_path / "model.onnx", kept())
    before = (tmp_path / "weights.bin").read_bytes()
    report = convert(path, share_weights=True)
    assert report.verified
    assert report.data is None
    assert names(tmp_path) == ["model.conv.onnx", "model.onnx", "weights.bin"]
    assert set(locations(tmp_path / "model.conv.onnx").values()) == {"weights.bin"}
    assert (tmp_path / "weights.bin").read_bytes() == before
    assert f"weights are read from {tmp_path / 'weights.bin'}; keep it" in report.notes
    x = {"x": random((3, 64))}
    assert_close(run(tmp_path / "model.conv.onnx", x), run(path, x))
    onnx.checker.check_model(str(tmp_path / "model.conv.onnx"))
    assert verify(path, tmp_path / "model.conv.onnx").passed


def test_what_is_not_goes_into_a_data_file_of_its_own(tmp_path: Path) -> None:
    path = external(tmp_path / "model.onnx", one_of_each())
    report = convert(path, share_weights=True)
    assert report.verified
    assert report.data == tmp_path / "model.conv.onnx.data"
    assert report.data.stat().st_size == 32 * 16 * 4
    assert set(locations(tmp_path / "model.conv.onnx").values()) == {"weights.bin", "model.conv.onnx.data"}
    assert names(tmp_path) == ["model.conv.onnx", "model.conv.onnx.data", "model.onnx", "weights.bin"]
    x = {"x": random((3, 64))}
    assert_close(run(tmp_path / "model.conv.onnx", x), run(path, x))


def test_without_it_nothing_is_shared(tmp_path: Path) -> None:
    path = external(tmp_path / "model.onnx", kept())
    convert(path)
    assert set(locations(tmp_path / "model.conv.onnx").values()) == {"model.conv.onnx.data"}


def test_nothing_to_share(tmp_path: Path) -> None:
    path = external(tmp_path / "model.onnx", matmul(["N", 64], random((64, 32))))
    report = convert(path, share_weights=True)
    assert [note for note in report.notes if "so none is shared" in note]
    assert set(locations(tmp_path / "model.conv.onnx").values()) == {"model.conv.onnx.data"}


def test_data_in_a_folder_below(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    path = external(tmp_path / "in" / "model.onnx", kept())
    report = convert(path, tmp_path / "out.onnx", share_weights=True)
    assert report.verified
    assert set(locations(tmp_path / "out.onnx").values()) == {"in/weights.bin"}
    x = {"x": random((3, 64))}
    assert_close(run(tmp_path / "out.onnx", x), run(path, x))


def test_data_in_another_folder_is_refused(tmp_path: Path) -> None:
    path = external(tmp_path / "model.onnx", kept())
    (tmp_path / "out").mkdir()
    with pytest.raises(
        errors.OutputFileError, match=r"cannot share weights: .*weights.bin is neither in its"
    ) as caught:
        convert(path, tmp_path / "out" / "model.onnx", share_weights=True)
    assert str(tmp_path) in caught.value.hint
    assert names(tmp_path / "out") == []


def test_a_model_with_its_weights_inside_is_refused(tmp_path: Path) -> None:
    path = save(kept(), tmp_path / "model.onnx")
    with pytest.raises(errors.UsageError, match="are inside the model's own file"):
        convert(path, share_weights=True)
    assert names(tmp_path) == ["model.onnx"]


def test_a_failed_verification_leaves_the_original_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = external(tmp_path / "model.onnx", one_of_each())
    monkeypatch.setattr(Rearranged, "order", property(lambda self: (0, 1), lambda self, order: None), raising=False)
    monkeypatch.setattr(Rearranged, "sizes", property(lambda self: (512, 1), lambda self, sizes: None), raising=False)
    report = convert(path, share_weights=True, keep_failed=True)
    assert report.status == "different"
    assert report.failed is not None
    assert names(tmp_path) == ["model.conv.failed.onnx", "model.conv.onnx.data", "model.onnx", "weights.bin"]
    run(report.failed, {"x": random((3, 64))})  # it finds both of its data files


def test_a_data_file_that_another_model_reads_is_not_taken_away(tmp_path: Path) -> None:
    external(tmp_path / "model.onnx", kept(), "model.onnx.data")
    convert(tmp_path / "model.onnx", tmp_path / "shares.onnx", share_weights=True)
    x = {"x": random((3, 64))}
    expected = run(tmp_path / "model.onnx", x)
    external(tmp_path / "new.onnx", kept(), "new.bin")
    convert(tmp_path / "new.onnx", tmp_path / "model.onnx", force=True)  # it had model.onnx.data
    assert_close(run(tmp_path / "shares.onnx", x), expected)
    assert locations(tmp_path / "model.onnx").popitem()[1] == "model.onnx.1.data"


def test_a_result_that_shares_is_overwritten_by_another(tmp_path: Path) -> None:
    path = external(tmp_path / "model.onnx", kept())
    for _ in range(2):
        convert(path, share_weights=True, force=True)
    report = convert(path, force=True)
    assert not [note for note in report.notes if "any more" in note]
    assert names(tmp_path) == ["model.conv.onnx", "model.conv.onnx.data", "model.onnx", "weights.bin"]
    report = convert(path, share_weights=True, force=True)
    assert f"{report.output}.data is not read by model.conv.onnx any more" in " ".join(report.notes)
    assert set(locations(tmp_path / "model.conv.onnx").values()) == {"weights.bin"}


def test_the_command(tmp_path: Path) -> None:
    external(tmp_path / "model.onnx", kept())
    command = [str(Path(sys.executable).with_name("fc2conv")), "convert", "model.onnx", "--share-weights"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "weights.bin; keep it" in " ".join(done.stdout.split())
    save(kept(), tmp_path / "model.onnx")
    done = subprocess.run([*command, "--force"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--share-weights" in done.stderr
    assert "Traceback" not in done.stderr
