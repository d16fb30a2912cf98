"""The steps of action.yml, run in bash as GitHub's runner does, with the service's files and variables made here."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import yaml
from helpers import SAMPLES, matmul, random, save

ACTION: dict[str, Any] = yaml.safe_load((SAMPLES.parent / "action.yml").read_text(encoding="utf-8"))
COMMAND = Path(sys.executable).with_name("fc2conv")


def step(name: str) -> dict[str, Any]:
    return next(s for s in ACTION["runs"]["steps"] if s["name"] == name)


def run(name: str, folder: Path, inputs: dict[str, str], **env: str) -> subprocess.CompletedProcess[str]:
    """One step; its expressions are replaced as the runner does it."""
    known = {f"inputs.{key}": str(spec.get("default", "")) for key, spec in ACTION["inputs"].items()}
    known |= {f"inputs.{key}": value for key, value in inputs.items()}
    known["github.action_path"] = str(SAMPLES.parent)
    found = step(name)
    given = {
        key: re.sub(r"\$\{\{ (\S+) \}\}", lambda match: known[match[1]], value) for key, value in found["env"].items()
    }
    service = {key: str(folder / key.lower()) for key in ("RUNNER_TEMP", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    script = folder / "step.sh"
    script.write_text(found["run"])
    line = ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)]
    whole = {**os.environ, **service, **given, **env}
    return subprocess.run(line, cwd=folder, capture_output=True, text=True, check=False, env=whole)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "runner_temp" / "fc2conv" / "bin").mkdir(parents=True)
    (tmp_path / "runner_temp" / "fc2conv" / "bin" / "fc2conv").symlink_to(COMMAND)
    (tmp_path / "runner_temp" / "fc2conv" / "bin" / "python").symlink_to(sys.executable)
    save(matmul(["N", 4], random((4, 3))), tmp_path / "a model.onnx")
    save(matmul(["N", 4], random((4, 3)) * np.float32(1.01)), tmp_path / "wrong.onnx")
    return tmp_path


def outputs(folder: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in (folder / "github_output").read_text().splitlines())


def test_no_input_is_part_of_a_script() -> None:
    for each in ACTION["runs"]["steps"]:
        assert "${{" not in each["run"], each["name"]
        assert each["shell"] == "bash"
    for spec in ACTION["outputs"].values():
        assert re.fullmatch(r"\$\{\{ steps\.verify\.outputs\.[\w-]+ \}\}", spec["value"])


def test_the_same_is_0_with_reports_and_a_summary(folder: Path) -> None:
    done = run("Verify", folder, {"original": "a model.onnx", "converted": "a model.onnx"})
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("::notice title=fc2conv::")
    assert outputs(folder) == {
        "exit-code": "0", "report": "fc2conv-report/report.json", "junit": "fc2conv-report/junit.xml"
    }  # fmt: skip
    assert ET.parse(folder / "fc2conv-report" / "junit.xml").getroot().get("failures") == "0"
    assert (folder / "github_step_summary").read_text().startswith("### ✅ ")


def test_a_difference_is_1_with_an_annotation(folder: Path) -> None:
    (folder / "fc2conv.toml").write_text("quiet = true")
    done = run("Verify", folder, {"original": "a model.onnx", "converted": "wrong.onnx", "reports": "my reports"})
    assert done.returncode == 1, done.stderr
    assert done.stdout.startswith("::error title=fc2conv%3A outputs%2C y::output 'y' (float32): max |delta| ")
    assert outputs(folder)["exit-code"] == "1"
    assert ET.parse(folder / "my reports" / "junit.xml").getroot().get("failures") == "1"
    assert "DIFFERENT" in (folder / "github_step_summary").read_text()


def test_options_one_a_line(folder: Path) -> None:
    inputs = {"original": "a model.onnx", "converted": "wrong.onnx", "options": "--rtol=0.5\n\n--samples=2\n"}
    assert run("Verify", folder, inputs).returncode == 0


@pytest.mark.parametrize(
    "options",
    [
        "  --rtol 0.5  \n\n# a comment, it's one\n\t--samples=2 --seed 3\n",
        "--rtol\n0.5\n   # --rtol 0\n",
        "'--rtol' \"y=0.5\"\r\n   \r\n",
    ],
)
def test_options_as_in_a_shell(folder: Path, options: str) -> None:
    inputs = {"original": "a model.onnx", "converted": "wrong.onnx", "options": options}
    done = run("Verify", folder, inputs)
    assert done.returncode == 0, done.stderr


def test_options_run_nothing_and_that_cannot_be_read_is_2(folder: Path) -> None:
    inputs = {"original": "a model.onnx", "converted": "a model.onnx"}
    done = run("Verify", folder, {**inputs, "options": "--rtol '0.5"})
    assert done.returncode == 2
    assert "options cannot be read: No closing quotation" in done.stderr
    assert outputs(folder) == {"exit-code": "2"}
    run("Verify", folder, {**inputs, "options": "$(touch ran) `touch ran`; touch ran"})
    assert not (folder / "ran").exists()


def test_no_verdict_is_2_with_a_report_that_says_why(folder: Path) -> None:
    inputs = {"original": "a model.onnx", "converted": "a model.onnx"}
    assert run("Verify", folder, inputs).returncode == 0
    (folder / "github_output").unlink()
    (folder / "github_step_summary").unlink()
    done = run("Verify", folder, {**inputs, "converted": "none.onnx"})
    assert done.returncode == 2
    assert done.stderr.count("no such file") == 1
    assert done.stdout.startswith("::error title=fc2conv verify%3A no result::none.onnx: no such file")
    assert outputs(folder)["exit-code"] == "2"
    root = ET.parse(folder / outputs(folder)["junit"]).getroot()
    assert (root.get("errors"), root.get("failures")) == ("1", "0")
    assert (folder / "github_step_summary").read_text().startswith("### ❌ fc2conv verify: no result")


def test_a_report_that_cannot_be_had_leaves_no_old_one(folder: Path) -> None:
    inputs = {"original": "a model.onnx", "converted": "a model.onnx"}
    assert run("Verify", folder, inputs).returncode == 0
    (folder / "github_output").unlink()
    fc2conv = folder / "runner_temp" / "fc2conv" / "bin" / "fc2conv"
    fc2conv.unlink()
    fc2conv.write_text("#!/bin/bash\nexit 101\n")
    fc2conv.chmod(0o755)
    done = run("Verify", folder, inputs)
    assert done.returncode == 101
    assert done.stdout == "::error title=fc2conv::no verdict (exit code 101); the message stands above\n"
    assert outputs(folder) == {"exit-code": "101"}
    assert list((folder / "fc2conv-report").iterdir()) == []


def test_the_environment_is_made_for_it(tmp_path: Path) -> None:
    """With a Python that only notes how it was called; the package is this repository unless another is named."""
    python = tmp_path / "python"
    python.write_text(
        f'#!/bin/bash\necho "$@" >> "{tmp_path}/calls"\n'
        'if [ "$2" = venv ]; then mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; fi\n'
    )
    python.chmod(0o755)
    for package, installed in (("", str(SAMPLES.parent)), ("fc2conv==1.0", "fc2conv==1.0")):
        (tmp_path / "calls").unlink(missing_ok=True)
        done = run("Install fc2conv", tmp_path, {"package": package, "python": str(python)})
        assert done.returncode == 0, done.stderr
        venv, pip = (tmp_path / "calls").read_text().splitlines()
        assert venv == f"-m venv {tmp_path / 'runner_temp' / 'fc2conv'}"
        assert pip.startswith("-m pip install ")
        assert pip.endswith(f"--constraint {SAMPLES.parent / 'constraints.txt'} {installed}")
