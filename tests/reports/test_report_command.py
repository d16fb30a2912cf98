"""`fc2conv report`, and every format, from the installed command."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import typer
from helpers import matmul, random, save

from fc2conv_cli.cli import app
from fc2conv_cli.options.comparing import Judging

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


def test_what_verify_takes_to_judge_report_takes_too(folder: Path) -> None:
    saved = ("--output-format", "json", "--output-file", "r.json")
    assert fc2conv("verify", "a.onnx", "b.onnx", "--per-layer", *saved, cwd=folder).returncode == 1
    copy = fc2conv("report", "r.json", "--output-format", "json", cwd=folder)
    assert copy.stdout == (folder / "r.json").read_text()
    for args, code in (
        (["--atol", "y=9"], 0),
        (["--rtol", "y=0.5", "--atol", "0"], 0),
        (["--atol", "9", "--elementwise"], 0),
        (["--elementwise"], 1),
        (["--accept-ill-conditioned"], 1),
        (["--atol", "z=9"], 2),
        (["--atol", "y=9", "--atol", "y=8"], 2),
    ):
        done = fc2conv("report", "r.json", *args, cwd=folder)
        assert done.returncode == code, (args, done.stderr)
        assert ("judged again with " in done.stdout) == (code != 2)


def test_both_have_the_same_options_to_judge_by() -> None:
    group: Any = typer.main.get_command(app)
    keys = {field.name for field in dataclasses.fields(Judging)}
    for name in ("verify", "convert", "report"):
        found = {option.name: option for option in group.commands[name].params}
        assert keys <= found.keys()
        if name == "report":
            assert {"samples", "seed", "data"}.isdisjoint(found)
