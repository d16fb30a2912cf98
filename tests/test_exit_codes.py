"""The exit codes of the design, each from the installed command: what a pipeline builds upon."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers import matmul, model, names, random, save, value
from onnx import helper

COMMAND = str(Path(sys.executable).with_name("fc2conv"))
FAULT = "import numpy\nnumpy.random.default_rng = lambda *seeds: 1 / 0\n"
"""What Python runs as sitecustomize before anything else: from then on, nothing can draw random inputs."""


def fc2conv(*args: object, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, *map(str, args)], cwd=cwd, capture_output=True, text=True, check=False, env={**os.environ, **env}
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    save(matmul(["N", 4], random((4, 3))), folder / "m.onnx")
    save(matmul(["N", 4], random((4, 3)) * np.float32(1.01)), folder / "other.onnx")
    relu = model([helper.make_node("Relu", ["x"], ["y"])], [value("x", [2])], [value("y", [2])])
    save(relu, folder / "relu.onnx")
    overridable = matmul(["N", 4], random((4, 3)))
    overridable.graph.input.append(value("w", [4, 3]))
    save(overridable, folder / "overridable.onnx")
    (folder / "text.onnx").write_text("no model")
    (folder / "foreign.json").write_text("{}")
    for name, other in (("good", "m.onnx"), ("bad", "other.onnx")):
        saved = ("--output-format", "json", "--output-file", f"{name}.json")
        fc2conv("verify", "m.onnx", other, *saved, cwd=folder)
    return folder


CODES = {
    "convert m.onnx -o out.onnx --force": 0,
    "convert m.onnx --dry-run": 0,
    "convert relu.onnx": 0,
    "convert overridable.onnx -o over.onnx --force": 0,
    "verify m.onnx m.onnx": 0,
    "inspect m.onnx": 0,
    "inspect overridable.onnx": 0,
    "report good.json": 0,
    "report bad.json --rtol 0.5": 0,
    "explain EINSUM": 0,
    "config": 0,
    "--version": 0,
    "--help": 0,
    "verify m.onnx other.onnx": 1,
    "verify m.onnx other.onnx --quiet": 1,
    "convert overridable.onnx -o never.onnx --strict": 1,
    "convert overridable.onnx --strict --dry-run": 1,
    "report bad.json": 1,
    "report bad.json --output-format junit": 1,
    "verify m.onnx none.onnx": 2,
    "verify m.onnx text.onnx": 2,
    "convert text.onnx": 2,
    "inspect none.onnx": 2,
    "inspect m.onnx --only nobody": 2,
    "verify m.onnx m.onnx --rtol -1": 2,
    "verify m.onnx m.onnx --atol nan": 2,
    "verify m.onnx": 2,
    "report foreign.json": 2,
    "report none.json": 2,
    "config fly": 2,
    "explain NONSENSE": 2,
    "fly": 2,
}


@pytest.mark.parametrize("line", CODES)
def test_the_code_of(folder: Path, line: str) -> None:
    done = fc2conv(*line.split(), cwd=folder)
    assert done.returncode == CODES[line], done.stderr
    assert "Traceback" not in done.stderr
    assert bool(done.stderr) == (CODES[line] == 2)
    assert not (folder / "never.onnx").exists()


@pytest.mark.parametrize("line", ["verify m.onnx m.onnx", "convert m.onnx -o fault.onnx"])
def test_a_fault_of_our_own_is_101(folder: Path, tmp_path: Path, line: str) -> None:
    (tmp_path / "sitecustomize.py").write_text(FAULT)
    before = names(folder)
    path = os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH"))))
    done = fc2conv(*line.split(), cwd=folder, PYTHONPATH=path)
    assert (done.returncode, done.stdout) == (101, "")
    assert "this is a fault of fc2conv, not of your model: ZeroDivisionError" in done.stderr
    assert "Traceback" not in done.stderr
    assert names(folder) == before
    told = fc2conv(*line.split(), "-v", cwd=folder, PYTHONPATH=path)
    assert told.returncode == 101
    assert "Traceback" in told.stderr


def test_memory_that_is_not_there_is_no_fault_of_ours(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(FAULT.replace("1 / 0", "bytes(2**62)"))
    path = os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH"))))
    before = names(folder)
    done = fc2conv("convert", "m.onnx", "-o", "fault.onnx", cwd=folder, PYTHONPATH=path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("fc2conv: there is not enough memory")
    assert names(folder) == before
    anywhere = "import fc2conv_cli.cli as cli; cli.app = lambda: bytes(2**62); cli.main()"
    done = subprocess.run([sys.executable, "-c", anywhere], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.split("\n")[0]) == (2, "fc2conv: there is not enough memory")
