"""pre-commit itself runs the hook, in an environment that it makes; only where it is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from helpers import SAMPLES, matmul, random, save

PRE_COMMIT = shutil.which("pre-commit")


@pytest.mark.skipif(PRE_COMMIT is None, reason="pre-commit is not installed; and it would need the package index")
@pytest.mark.skipif(not (SAMPLES.parent / ".git").exists(), reason="pre-commit takes hooks from a git repository")
def test_it_stops_a_pair_that_differs(tmp_path: Path) -> None:
    save(matmul(["N", 4], random((4, 3))), tmp_path / "net.onnx")
    save(matmul(["N", 4], random((4, 3)) * np.float32(1.01)), tmp_path / "net.conv.onnx")
    subprocess.run(["git", "init", "-q", "."], cwd=tmp_path, check=True)
    subprocess.run(["git", "add", "-A"], cwd=tmp_path, check=True)
    line = [str(PRE_COMMIT), "try-repo", str(SAMPLES.parent), "fc2conv-verify", "--all-files"]
    home = {**os.environ, "PRE_COMMIT_HOME": str(tmp_path / "home")}
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False, env=home)
    assert done.returncode == 1, done.stderr
    assert "verdict: DIFFERENT" in done.stdout
