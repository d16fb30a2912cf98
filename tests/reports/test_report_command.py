"""`fc2conv report`, and every format, from the installed command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from helpers import matmul, random, save

COMMAND = str(Path(sys.executable).with_name("fc2conv"))


def fc2conv(*args: object, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, *map(str, args)], cwd=cwd, capture_output=True, text=True, check=False, env={**os.environ, **env}
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save(matmul(["N", 4], random((4, 3))), tmp_path / "a.onnx")
    save(matmul(["N", 4], random((4, 3)) * np.float32(1.01)), tmp_path / "b.onnx")
    return tmp_path


def test_what_was_saved_is_written_as_it_would_have_been(folder: Path) -> None:
    (folder / "r.json").write_text(fc2conv("verify", "a.onnx", "b.onnx", "--output-format", "json", cwd=folder).stdout)
    direct = fc2conv("verify", "a.onnx", "b.onnx", cwd=folder)
    again = fc2conv("report", "r.json", cwd=folder)
    assert (again.returncode, again.stdout, again.stderr) == (1, direct.stdout, "")
    copy = fc2conv("report", "r.json", "--output-format", "json", cwd=folder)
    assert copy.stdout == (folder / "r.json").read_text()
    loose = fc2conv("report", "r.json", "--rtol", "0.5", cwd=folder)
    assert loose.returncode == 0
    assert "verdict: the same" in loose.stdout
    same = fc2conv("report", "r.json", "--output-file", "r.json", cwd=folder)
    assert same.returncode == 2
    assert "FILE and --output-file are one file" in same.stderr
    assert copy.stdout == (folder / "r.json").read_text()


@pytest.mark.parametrize("line", ["convert a.onnx --force", "verify a.onnx b.onnx", "inspect a.onnx"])
def test_every_command_has_every_format(folder: Path, line: str) -> None:
    code = int(line.startswith("verify"))
    done = {
        f: fc2conv(*line.split(), "--output-format", f, cwd=folder, GITHUB_STEP_SUMMARY=str(folder / "s.md"))
        for f in ("text", "json", "markdown", "junit", "github")
    }
    assert {each.returncode for each in done.values()} == {code}
    assert {each.stderr for each in done.values()} == {""}
    assert json.loads(done["json"].stdout)["command"] == line.split()[0]
    assert ET.fromstring(done["junit"].stdout.encode()).get("failures") == str(code)
    assert done["github"].stdout.startswith("::error " if code else "::notice ")
    assert (folder / "s.md").read_text().rstrip("\n") == done["markdown"].stdout.rstrip("\n")
