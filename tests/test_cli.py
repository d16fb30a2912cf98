"""The installed command: what it does with a model, and what it leaves on the disk."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from command_line import fc2conv
from helpers import matmul, model, names, random, save, value
from onnx import helper


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return save(matmul(["N", 4], random((4, 3)), random((3,))), tmp_path / "model.onnx")


def test_convert_then_verify(path: Path) -> None:
    done = fc2conv("convert", path)
    assert done.returncode == 0, done.stderr
    assert "1 fully connected layer, 1 becomes a convolution" in done.stdout
    assert "same" in done.stdout
    assert done.stderr == ""
    again = fc2conv("verify", path, path.with_name("model.conv.onnx"))
    assert again.returncode == 0
    assert "9 runs, seed 0 at N=1; N=3; N=5" in again.stdout


def test_a_difference_is_1_and_says_how_to_find_it(path: Path, tmp_path: Path) -> None:
    other = save(matmul(["N", 4], random((4, 3)) * np.float32(1.0005), random((3,))), tmp_path / "other.onnx")
    done = fc2conv("verify", path, other)
    assert done.returncode == 1
    assert "DIFFERENT" in done.stdout
    assert "would pass with --rtol" not in done.stdout  # it is no rounding
    assert "--per-layer tells which layer diverges first" in done.stdout
    assert "verdict: DIFFERENT" in done.stdout
    assert done.stderr == ""
    assert fc2conv("verify", path, other, "--rtol", "0.05").returncode == 0
    assert fc2conv("verify", path, other, "--atol", "5").returncode == 0


def test_force_overwrites(path: Path, tmp_path: Path) -> None:
    (tmp_path / "there.onnx").write_text("mine")
    assert fc2conv("convert", path, "-o", tmp_path / "there.onnx", "--force").returncode == 0
    onnx.checker.check_model(str(tmp_path / "there.onnx"))


def test_dry_run_writes_nothing(path: Path, tmp_path: Path) -> None:
    done = fc2conv("convert", path, "--dry-run")
    assert done.returncode == 0
    assert "nothing written" in done.stdout
    assert names(tmp_path) == ["model.onnx"]
    inspected = fc2conv("inspect", path)
    assert inspected.returncode == 0
    assert inspected.stdout in done.stdout


def test_nothing_to_convert(tmp_path: Path) -> None:
    relu = save(
        model([helper.make_node("Relu", ["x"], ["y"])], [value("x", [2])], [value("y", [2])]), tmp_path / "m.onnx"
    )
    done = fc2conv("convert", relu)
    assert done.returncode == 0
    assert "nothing to convert" in done.stdout
    assert names(tmp_path) == ["m.onnx"]
    assert fc2conv("convert", relu, "-o", tmp_path / "copy.onnx").returncode == 0
    assert onnx.load(tmp_path / "copy.onnx") == onnx.load(relu)


def two_layers(folder: Path) -> Path:
    nodes = [
        helper.make_node("MatMul", ["x", "v"], ["a"], name="body.0"),
        helper.make_node("MatMul", ["a", "w"], ["y"], name="head"),
    ]
    constants = {"v": random((4, 4)), "w": random((4, 3))}
    return save(model(nodes, [value("x", ["N", 4])], [value("y", ["N", 3])], constants), folder / "two.onnx")


def test_only_and_skip_by_glob(tmp_path: Path) -> None:
    path = two_layers(tmp_path)
    for args in (["--only", "body.*"], ["--skip", "head"], ["--only", "*", "--skip", "he?d"]):
        done = fc2conv("convert", path, *args, "--force", "--output-format", "json")
        assert done.returncode == 0
        report = json.loads(done.stdout)
        assert [layer["name"] for layer in report["layers"]] == ["body.0"]
        assert [(s["name"], s["code"]) for s in report["skips"]] == [("head", "FC2C-EXCLUDED")]
    assert fc2conv("convert", path, "--skip", "head", "--strict", "--force").returncode == 0


def test_strict_refuses_to_leave_a_layer(tmp_path: Path) -> None:
    proto = matmul(["N", 4], random((4, 3)))
    proto.graph.input.append(value("w", [4, 3]))
    path = save(proto, tmp_path / "m.onnx")
    assert fc2conv("convert", path).returncode == 0
    done = fc2conv("convert", path, "--strict", "-o", tmp_path / "out.onnx")
    assert done.returncode == 1
    assert "FC2C-OVERRIDABLE-WEIGHT" in done.stdout
    assert "nothing written" in done.stdout
    assert not (tmp_path / "out.onnx").exists()


def test_the_interface_becomes_4d_when_asked_and_verify_takes_it(path: Path) -> None:
    done = fc2conv("convert", path, "--io-layout", "nchw")
    assert done.returncode == 0, done.stderr
    assert "the interface changes (--io-layout nchw): input 'x' was [N, 4], is now [N, 4, 1, 1]" in done.stdout
    assert fc2conv("verify", path, path.with_name("model.conv.onnx")).returncode == 0


def test_options_of_a_comparison(path: Path) -> None:
    args = ["--dim", "N=2,5", "--range", "x:1..2", "--atol", "y=0.5", "--rtol", "0", "--elementwise", "--samples", 2]
    done = fc2conv("verify", path, path, *args, "--output-format", "json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["cases"] == [{"N": 2}, {"N": 5}]
    (output,) = report["outputs"]
    assert (output["atol"], output["rtol"], output["elementwise"]) == (0.5, 0.0, True)
    assert report["original_cost"]["runs"] >= report["runs"] == 4
    np.savez(path.parent / "in.npz", x=random((3, 2, 4)))
    assert (
        json.loads(fc2conv("verify", path, path, "--inputs", path.parent / "in.npz", "--output-format", "json").stdout)[
            "runs"
        ]
        == 3
    )
