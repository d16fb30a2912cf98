"""What the command does before it does anything: help, and what it imports."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_line import fc2conv
from helpers import matmul, random, save

from fc2conv_cli import convert
from fc2conv_cli.reports.formats import Format, render


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return save(matmul(["N", 4], random((4, 3)), random((3,))), tmp_path / "model.onnx")


def test_explain() -> None:
    done = fc2conv("explain", "fc2c-unknown-shape")
    assert done.returncode == 0
    assert done.stdout.startswith("## FC2C-UNKNOWN-SHAPE")
    unknown = fc2conv("explain", "FC2C-NONSENSE")
    assert unknown.returncode == 2
    assert "The codes are: FC2C-TWO-RUNTIME-OPERANDS" in unknown.stderr


def test_version_help_and_completion() -> None:
    assert fc2conv("--version").stdout.startswith("fc2conv 0.")
    for args in ([], ["convert"], ["verify"], ["inspect"]):
        done = fc2conv(*args, "--help")
        assert done.returncode == 0
        assert "Usage" in done.stdout
    assert "Exit codes" in fc2conv("--help").stdout.replace("\n", " ")
    assert "--show-completion" in fc2conv("--help").stdout


def imports(*args: object, cwd: Path | None = None) -> set[str]:
    code = (
        "import sys, contextlib, io; sys.argv = ['fc2conv', *sys.argv[1:]];\n"
        "from fc2conv_cli.cli import main\n"
        "with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()): main()\n"
        "print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, args)], cwd=cwd, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_help_imports_neither_onnx_nor_onnxruntime_nor_torch() -> None:
    loaded = imports("--help")
    assert "typer" in loaded
    assert loaded.isdisjoint({"onnx", "onnx_ir", "onnxruntime", "onnx_shape_inference", "torch", "numpy"})


def test_converting_does_not_import_torch(path: Path) -> None:
    loaded = imports("convert", path)
    assert path.with_name("model.conv.onnx").exists()
    assert "onnxruntime" in loaded
    assert loaded.isdisjoint({"torch", "onnxscript", "scipy", "sklearn"})


@pytest.mark.parametrize("command", ["convert", "inspect", "verify"])
def test_the_seconds_are_those_of_the_whole_process(path: Path, command: str) -> None:
    models = [path] * (1 + (command == "verify"))
    began = time.perf_counter()
    done = fc2conv(command, *models, "--output-format", "json")
    passed = time.perf_counter() - began
    seconds = json.loads(done.stdout)["seconds"]
    assert list(seconds)[:3] == ["start", "imports", "load"]
    assert sum(seconds.values()) <= passed + 0.001 * len(seconds)  # each is rounded
    assert seconds["start"] > 0
    assert seconds["imports"] > 0


def test_verbose_says_the_seconds(path: Path) -> None:
    done = fc2conv("convert", path, "-v")
    assert "\nseconds: start " in done.stdout
    assert "seconds: " not in fc2conv("convert", path, "--force").stdout
    assert "\nseconds: load " in text_from_python(path)
    verified = fc2conv("verify", path, path, "-v").stdout
    assert re.search(r"^seconds: start [\d.]+, imports [\d.]+, load [\d.]+, verify [\d.]+$", verified, re.M)
    assert "seconds: " not in fc2conv("verify", path, path).stdout


def text_from_python(path: Path) -> str:
    """What Python's own caller sees: neither its start nor its imports are ours to count."""
    return render(convert(path, force=True), Format.text, width=None, color=False, verbose=True)


def test_an_unverified_conversion_imports_neither_onnxruntime_nor_sympy(path: Path) -> None:
    code = (
        "import atexit, os, sys; sys.argv = ['fc2conv', *sys.argv[1:]]\n"
        "from fc2conv_cli import __main__\n"
        "end = os._exit; os._exit = lambda code: (print(*sys.modules, file=sys.stderr, flush=True), end(code))\n"
        "__main__.run()"
    )
    command = [sys.executable, "-c", code, "convert", str(path), "--no-verify"]
    loaded = set(subprocess.run(command, capture_output=True, text=True, check=True).stderr.split())
    assert path.with_name("model.conv.onnx").exists()
    assert "onnx_ir" in loaded
    assert loaded.isdisjoint({"onnxruntime", "onnx_shape_inference", "sympy.core", "torch"})
