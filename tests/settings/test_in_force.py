"""`fc2conv config` tells what a command would run with, and why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from test_command import fc2conv


def settings(*args: object, cwd: Path, **env: str) -> dict[tuple[str, str], tuple[Any, str, str | None]]:
    done = fc2conv("config", "--output-format", "json", *args, cwd=cwd, **env)
    assert done.returncode == 0, done.stderr
    data = json.loads(done.stdout)
    assert data["version"] == 1
    return {(s["command"], s["key"]): (s["value"], s["source"], s["where"]) for s in data["settings"]}


def test_where_each_value_came_from(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.fc2conv]\nsamples = 2\n[tool.fc2conv.convert]\nonly = ['a*']")
    found = settings(cwd=tmp_path, FC2CONV_RTOL="0.5", FC2CONV_VERIFY_ATOL="0.25", FC2CONV_QUIET="1")
    path = tmp_path / "pyproject.toml"
    assert found["verify", "samples"] == (2, "file", f"{path}: [tool.fc2conv] samples")
    assert found["convert", "only"] == (["a*"], "file", f"{path}: [tool.fc2conv.convert] only")
    assert found["verify", "rtol"] == (["0.5"], "environment", "FC2CONV_RTOL")
    assert found["verify", "atol"] == (["0.25"], "environment", "FC2CONV_VERIFY_ATOL")
    assert found["convert", "atol"] == ([], "default", None)
    assert found["inspect", "quiet"] == (True, "environment", "FC2CONV_QUIET")
    assert found["inspect", "tokens"] == ("width", "default", None)
    assert found["report", "rtol"] == ([], "default", None)
    assert {command for command, _ in found} == {"convert", "verify", "inspect", "report"}


def test_one_command_as_if_it_were_run_so(tmp_path: Path) -> None:
    found = settings("verify", "--rtol", "3", "-q", "a.onnx", cwd=tmp_path, FC2CONV_RTOL="0.5")
    assert {command for command, _ in found} == {"verify"}
    assert found["verify", "rtol"] == (["3"], "command line", None)
    assert found["verify", "quiet"] == (True, "command line", None)
    assert found["verify", "seed"] == (0, "default", None)


def test_as_text(tmp_path: Path) -> None:
    lines = fc2conv("config", "verify", cwd=tmp_path, FC2CONV_SEED="5").stdout.splitlines()
    assert lines[0].split() == ["command", "setting", "value", "from"]
    assert ["verify", "seed", "5", "FC2CONV_SEED"] in [line.split() for line in lines]


@pytest.mark.parametrize("args", [("fly",), ("explain",), ("verify", "--rtol", "-1"), ("verify", "--nonsense")])
def test_what_cannot_be_asked(tmp_path: Path, args: tuple[str, ...]) -> None:
    done = fc2conv("config", *args, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr


def test_a_variable_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    done = fc2conv("config", cwd=tmp_path, FC2CONV_SAMPLES="many")
    assert (done.returncode, done.stdout) == (2, "")
    assert "environment variable FC2CONV_SAMPLES is 'many': " in done.stderr
