"""Options that say on what to compare, beside inputs that are given, from wherever they come."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers import INT64, matmul, model, random, save, value
from onnx import helper

COMMAND = str(Path(sys.executable).with_name("fc2conv"))


def verify(folder: Path, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    words = [COMMAND, "verify", "m.onnx", "m.onnx", *args]
    return subprocess.run(words, capture_output=True, text=True, check=False, cwd=folder, env={**os.environ, **env})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save(matmul(["N", 4], random((4, 3))), tmp_path / "m.onnx")
    np.savez(tmp_path / "in.npz", x=random((6, 2, 4)))
    return tmp_path


@pytest.mark.parametrize(
    "option",
    [
        ("--samples", "4"), ("--seed", "0"), ("--dim", "N=2"), ("--range", "x:0..1"), ("--distribution", "normal"),
        ("--distribution", "ones"),
    ],
)  # fmt: skip
def test_what_makes_inputs_up_contradicts_inputs_that_are_given(folder: Path, option: tuple[str, str]) -> None:
    done = verify(folder, "--inputs", "in.npz", *option)
    assert done.returncode == 2
    assert f"--inputs gives the inputs, {option[0]} makes them up" in done.stderr
    assert done.stdout == ""


def test_in_a_file_or_a_variable_it_is_for_other_runs(folder: Path) -> None:
    (folder / "fc2conv.toml").write_text('samples = 9\nrange = ["x:0..1"]\ndistribution = "ones"\n', encoding="utf-8")
    done = verify(folder, "--inputs", "in.npz", FC2CONV_DIM="N=2", FC2CONV_SEED="7")
    assert done.returncode == 0, done.stderr
    assert "6 runs, inputs from in.npz" in done.stdout
    assert "9 runs, seed 7 at N=2" in verify(folder, FC2CONV_DIM="N=2", FC2CONV_SEED="7").stdout


def test_layer_by_layer_so_many_of_the_given_ones_are_compared(folder: Path) -> None:
    done = verify(folder, "--inputs", "in.npz", "--samples", "2", "--per-layer")
    assert done.returncode == 0, done.stderr
    assert "6 runs, inputs from in.npz" in done.stdout


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (("--atol", "=1e-4"), "'=1e-4' names no output"),
        (("--rtol", "=1e-4"), "'=1e-4' names no output"),
        (("--atol", "k=5"), "output 'k' is int64, which must be equal"),
        (("--range", "ids:0.5..9"), "int64, and not whole"),
        (("--samples", "1000000000"), "samples is 1000000000"),
    ],
)
def test_what_would_do_nothing_or_never_end_is_refused(tmp_path: Path, option: tuple[str, str], words: str) -> None:
    nodes = [helper.make_node("Gather", ["table", "ids"], ["y"]), helper.make_node("Neg", ["ids"], ["k"])]
    outputs = [value("y", ["N", 4]), value("k", ["N"], INT64)]
    save(model(nodes, [value("ids", ["N"], INT64)], outputs, {"table": random((9, 4))}), tmp_path / "m.onnx")
    done = verify(tmp_path, *option)
    assert done.returncode == 2
    assert words in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.stderr


def test_one_run_is_no_runs(folder: Path) -> None:
    assert ": 1 run, seed 0 at N=2" in verify(folder, "--samples", "1", "--dim", "N=2").stdout
    assert "1 run, " in verify(folder, "--samples", "1", "--dim", "N=2", "--output-format", "markdown").stdout
