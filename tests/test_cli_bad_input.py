"""What cannot be used is exit code 2, one message, and nothing on the disk."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from command_line import fc2conv
from helpers import SAMPLES, gemm, matmul, names, random, save


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return save(matmul(["N", 4], random((4, 3)), random((3,))), tmp_path / "model.onnx")


def unloadable(folder: Path) -> Path:
    proto = matmul(["N", 4], random((4, 3)))
    proto.graph.node[0].input[0] = "nobody"
    return save(proto, folder / "m.onnx")


def unrunnable(folder: Path) -> Path:
    return save(gemm([2, 4], random((4, 3)), random((3,)), opset=6, ir_version=3, broadcast=1), folder / "m.onnx")


def from_the_future(folder: Path) -> Path:
    return save(matmul(["N", 4], random((4, 3)), opset=27, ir_version=13), folder / "m.onnx")


def in_a_later_format(folder: Path) -> Path:
    return save(matmul(["N", 4], random((4, 3)), opset=26, ir_version=14), folder / "m.onnx")


def without_its_data(folder: Path) -> Path:
    onnx.save(
        matmul(["N", 64], random((64, 32))), folder / "m.onnx",
        save_as_external_data=True, location="w.bin", size_threshold=0,
    )  # fmt: skip
    (folder / "w.bin").unlink()
    return folder / "m.onnx"


def truncated(folder: Path) -> Path:
    (folder / "m.onnx").write_bytes((SAMPLES / "mlp.onnx").read_bytes()[:5000])
    return folder / "m.onnx"


def empty(folder: Path) -> Path:
    (folder / "m.onnx").touch()
    return folder / "m.onnx"


def text(folder: Path) -> Path:
    (folder / "m.onnx").write_text("import torch\n" * 9)
    return folder / "m.onnx"


BAD = {
    "no such file": lambda folder: folder / "none.onnx",
    "this is a folder": lambda folder: folder,
    "is empty": empty,
    "neither an ONNX model": text,
    "truncated": truncated,
    "the graph is not valid": unloadable,
    "which cannot be read": without_its_data,
    "onnxruntime cannot load it": unrunnable,
    "Opset 27": from_the_future,
    "IR version: 14": in_a_later_format,
}


@pytest.mark.parametrize("words", BAD)
def test_bad_input_is_2_with_one_message_and_nothing_written(tmp_path: Path, words: str) -> None:
    bad = BAD[words](tmp_path)
    before = names(tmp_path)
    done = fc2conv("convert", bad, "-o", tmp_path / "out.onnx")
    assert done.returncode == 2, done.stdout
    assert words in done.stderr
    assert str(bad) in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") <= 3
    assert done.stdout == ""
    assert names(tmp_path) == before


@pytest.mark.parametrize("make", [unrunnable, from_the_future])
def test_what_cannot_be_run_is_written_unverified_on_demand(tmp_path: Path, make) -> None:  # type: ignore[no-untyped-def]
    bad = make(tmp_path)
    assert "--no-verify" in fc2conv("convert", bad).stderr
    done = fc2conv("convert", bad, "--no-verify")
    assert done.returncode == 0, done.stderr
    assert "UNVERIFIED" in done.stdout
    assert (tmp_path / "m.conv.onnx").exists()


@pytest.mark.parametrize(
    "args",
    [
        ["convert"],
        ["convert", "model.onnx", "--no-such-option"],
        ["convert", "model.onnx", "-o", "model.onnx"],
        ["convert", "model.onnx", "-o", "there.onnx"],
        ["convert", "model.onnx", "-o", "none/out.onnx"],
        ["convert", "model.onnx", "--only", "nobody*"],
        ["convert", "model.onnx", "--skip", "nobody*"],
        ["convert", "model.onnx", "--samples", "0"],
        ["convert", "model.onnx", "--output-format", "yaml"],
        ["inspect", "model.onnx", "--output-file", "there.onnx"],
        ["inspect", "model.onnx", "--output-file", "weights.bin"],
        ["convert", "model.onnx", "--output-file", "weights.bin"],
        ["convert", "model.onnx", "-o", "new.txt", "--output-file", "new.txt"],
        ["convert", "model.onnx", "--output-file", "none/report.txt"],
        ["convert", "model.onnx", "--dry-run", "-o", "model.onnx"],
        ["verify", "model.onnx"],
        ["verify", "model.onnx", "none.onnx"],
        ["no-such-command"],
    ],
)
def test_bad_usage_is_2_and_touches_nothing(path: Path, tmp_path: Path, args: list[str]) -> None:
    (tmp_path / "there.onnx").write_text("mine")
    (tmp_path / "weights.bin").write_bytes(random((64,)).tobytes())
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    done = fc2conv(*args, cwd=tmp_path)
    assert done.returncode == 2, done.stdout
    assert done.stderr
    assert "Traceback" not in done.stderr
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="no /proc here, the one folder that refuses even root")
def test_a_folder_that_cannot_be_written_to(path: Path) -> None:
    done = fc2conv("convert", path, "-o", "/proc/out.onnx")
    assert done.returncode == 2
    assert "cannot be written" in done.stderr
    assert "Traceback" not in done.stderr


def test_decomposing_while_isolated_is_refused(path: Path) -> None:
    done = fc2conv("convert", path, "--layout", "isolated", "--decompose-layernorm")
    assert done.returncode == 2
    assert "Leave out --decompose-layernorm, or --layout isolated." in done.stderr


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--atol", "logits=1"], "the model has no output 'logits'"),
        (["--range", "z:0..1"], "the model has no input 'z'"),
        (["--dim", "M=2"], "the model has no dynamic dim 'M'"),
        (["--input", "x:3x5"], "5 at axis 1 does not fit"),
        (["--inputs", "nothing.npz"], "no such file or folder"),
        (["--inputs", ".", "--distribution", "ones"], "--inputs gives the inputs"),
        (["--rtol", "-1"], "no number from 0 up"),
    ],
)
def test_options_of_a_comparison_that_cannot_be(path: Path, args: list[str], words: str) -> None:
    done = fc2conv("verify", path, path, *args, cwd=path.parent)
    assert done.returncode == 2
    assert words in " ".join(done.stderr.replace("│", " ").split())
