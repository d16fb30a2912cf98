"""What docs/ci.md shows is run: the GitLab job and the commands; and the pre-commit hook, as pre-commit calls it."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import yaml
from helpers import SAMPLES, matmul, random, save

ROOT = SAMPLES.parent
PAGE = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")


def block(heading: str, language: str) -> str:
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    found = re.search(rf"```{language}\n(.*?)```", section, re.DOTALL)
    assert found is not None
    return found[1]


def shell(folder: Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    whole = {**os.environ, "PATH": path, **env}
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False, env=whole)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "models").mkdir()
    for name in ("models/net", "model"):
        save(matmul(["N", 4], random((4, 3))), tmp_path / f"{name}.onnx")
        save(matmul(["N", 4], random((4, 3))), tmp_path / f"{name}.conv.onnx")
    return tmp_path


def spoil(path: Path) -> None:
    save(matmul(["N", 4], random((4, 3)) * np.float32(1.01)), path)


def test_the_gitlab_job_installs_from_where_the_others_do() -> None:
    (install,) = yaml.safe_load(block("GitLab", "yaml"))["fc2conv"]["before_script"]
    *_, what = shlex.split(install)
    assert re.fullmatch(r"fc2conv @ git\+https://github\.com/OWNER/fc2conv@TAG", what)
    assert "https://github.com/OWNER/fc2conv" in block("pre-commit", "yaml")


@pytest.mark.parametrize("wrong", [False, True])
def test_the_gitlab_job(folder: Path, wrong: bool) -> None:
    job: dict[str, Any] = yaml.safe_load(block("GitLab", "yaml"))["fc2conv"]
    if wrong:
        spoil(folder / "models" / "net.conv.onnx")
    done = shell(folder, "bash", "-eo", "pipefail", "-c", "\n".join(job["script"]), **job["variables"])
    assert done.returncode == wrong, done.stderr
    after = shell(folder, "bash", "-c", "\n".join(job["after_script"]), **job["variables"])
    assert ("verdict: DIFFERENT" in after.stdout) == wrong
    root = ET.parse(folder / job["artifacts"]["reports"]["junit"]).getroot()
    assert root.get("failures") == str(int(wrong))
    assert (folder / job["artifacts"]["paths"][0]).exists()


def test_the_gitlab_job_that_cannot_decide(folder: Path) -> None:
    job: dict[str, Any] = yaml.safe_load(block("GitLab", "yaml"))["fc2conv"]
    (folder / "models" / "net.conv.onnx").unlink()
    done = shell(folder, "bash", "-eo", "pipefail", "-c", "\n".join(job["script"]), **job["variables"])
    assert done.returncode == 2
    after = shell(folder, "bash", "-c", "\n".join(job["after_script"]), **job["variables"])
    assert "no such file" in after.stderr
    assert ET.parse(folder / job["artifacts"]["reports"]["junit"]).getroot().get("errors") == "1"


def test_the_commands_of_the_page(folder: Path) -> None:
    done = shell(folder, "bash", "-e", "-c", block("Reports", "sh"))
    assert done.returncode == 0, done.stderr
    assert "### ✅ " in done.stdout
    assert "judged again with rtol 0.0001" in done.stdout


def test_both_files_of_the_page_set_the_same(folder: Path) -> None:
    section = PAGE.split("\n## Settings\n")[1]
    found = []
    for text in re.findall(r"```toml\n(.*?)```", section, re.DOTALL):
        name = text.split("\n")[0].removeprefix("# ")
        (folder / name).write_text(text)
        done = shell(folder, "fc2conv", "config", "--output-format", "json")
        assert done.returncode == 0, done.stderr
        settings = json.loads(done.stdout)["settings"]
        assert all(str(folder / name) in s["where"] for s in settings if s["source"] == "file")
        found.append({(s["command"], s["key"]): s["value"] for s in settings if s["source"] == "file"})
        (folder / name).unlink()
    assert found[0] == found[1]
    assert found[0]["verify", "samples"] == 16
    assert len(found) == 2


def test_the_github_workflow_names_inputs_that_the_action_has() -> None:
    action = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    steps = yaml.safe_load(block("GitHub Actions", "yaml"))["jobs"]["models"]["steps"]
    used = next(s for s in steps if s["uses"].startswith("OWNER/fc2conv@"))["with"]
    assert used.keys() <= action["inputs"].keys()
    assert {name for name, spec in action["inputs"].items() if spec.get("required")} <= used.keys()


def hook(folder: Path, *files: str) -> subprocess.CompletedProcess[str]:
    """As pre-commit does it: the entry split like a shell does, and then the files that are staged and match."""
    (spec,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    assert spec["id"] in block("pre-commit", "yaml")
    return shell(folder, *shlex.split(spec["entry"]), *(f for f in files if re.search(spec["files"], f)))


def test_the_hook_verifies_each_pair_once(folder: Path) -> None:
    done = hook(folder, "model.onnx", "model.conv.onnx", "models/net.conv.onnx", "README.md")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("verdict: the same") == 2
    assert hook(folder, "model.onnx").stdout.count("verdict: the same") == 1
    save(matmul(["N", 4], random((4, 3))), folder / "alone.onnx")
    assert (hook(folder, "alone.onnx").returncode, hook(folder).returncode) == (0, 0)


@pytest.mark.parametrize("data", ["model.onnx.data", "model.data", "model.conv.onnx.data", "model.conv.onnx.2.data"])
def test_the_hook_sees_data_files(folder: Path, data: str) -> None:
    spoil(folder / "model.conv.onnx")
    assert hook(folder, data).returncode == 1
    done = hook(folder, "model.onnx", data, "model.conv.onnx")
    assert (done.returncode, done.stdout.count("verdict: DIFFERENT")) == (1, 1)
    assert hook(folder, "elsewhere.data").returncode == 0


def test_the_hook_fails_with_the_worst_of_them(folder: Path) -> None:
    spoil(folder / "model.conv.onnx")
    assert hook(folder, "model.onnx", "models/net.onnx").returncode == 1
    (folder / "models" / "net.conv.onnx").write_text("no model")
    done = hook(folder, "models/net.conv.onnx", "model.conv.onnx")
    assert done.returncode == 2
    assert "verdict: DIFFERENT" in done.stdout
