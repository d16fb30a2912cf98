"""Ctrl-C ends the command with 130 and a line that is true."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_line import COMMAND
from helpers import matmul, names, random, save

NOTHING = "fc2conv: interrupted; nothing was written\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return save(matmul(["N", 4], random((4, 3))), tmp_path / "model.onnx")


def run(code: str, *words: object) -> subprocess.CompletedProcess[str]:
    """The command's process, with a change made beforehand."""
    code = f"import sys; sys.argv[0] = 'fc2conv'; {code}; from fc2conv_cli.__main__ import run; run()"
    command = [sys.executable, "-c", code, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def interrupted_in(name: str) -> str:
    module, _, function = name.rpartition(".")
    package, _, holder = module.rpartition(".")
    return f"from {package} import {holder} as m; m.{function} = lambda *a, **k: exec('raise KeyboardInterrupt')"


@pytest.mark.parametrize("function", ["cli.app", "pipeline.rewriting.emit", "timing.START.note"])
def test_before_anything_is_written(path: Path, function: str) -> None:
    done = run(interrupted_in(f"fc2conv_cli.{function}"), "convert", path)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", NOTHING)
    assert names(path.parent) == ["model.onnx"]


def test_after_the_model_is_written(path: Path) -> None:
    done = run(interrupted_in("fc2conv_cli.cli._show"), "convert", path)
    out = path.with_name("model.conv.onnx")
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == f"fc2conv: interrupted; {out} may have been written\n"
    assert out.exists()


def test_the_signal_itself(path: Path) -> None:
    """Before and after the model is there, whichever it hits."""
    out = path.with_name("model.conv.onnx")
    said = {NOTHING: False, f"fc2conv: interrupted; {out} may have been written\n": True}
    for delay in (0.4, 0.7, 0.9):
        process = subprocess.Popen(
            [COMMAND, "convert", path, "--force", "-q"], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )
        time.sleep(delay)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate()
        if process.returncode == 130:
            assert stderr in said
            assert said[stderr] or not out.exists()
        out.unlink(missing_ok=True)
