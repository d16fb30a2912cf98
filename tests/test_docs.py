"""What the documentation shows is what the commands print."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import SAMPLES

ROOT = SAMPLES.parent


def blocks(page: Path) -> list[str]:
    return re.findall(r"```\w*\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


def test_stride_and_padding() -> None:
    done = subprocess.run(
        [sys.executable, "docs/stride_and_padding.py"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout in blocks(ROOT / "docs" / "equivalence.md")


def test_the_readme_shows_what_the_main_command_prints(tmp_path: Path) -> None:
    (tmp_path / "sample_models").mkdir()
    shutil.copy(SAMPLES / "digits_cnn.onnx", tmp_path / "sample_models")
    command = Path(sys.executable).with_name("fc2conv")
    line = next(b for b in blocks(ROOT / "README.md") if "fc2conv convert sample" in b).split("&&")[-1].split()
    done = subprocess.run([command, *line[1:]], cwd=tmp_path, capture_output=True, text=True, check=True)
    shown = next(b for b in blocks(ROOT / "README.md") if b.startswith("sample_models/digits_cnn.onnx:"))

    def without_deviations(text: str) -> str:  # their last digits may differ on another processor
        return re.sub(r"output  type.*\ny       float32.*", "", text)

    assert without_deviations(done.stdout) == without_deviations(shown)


def test_the_readme_shows_what_a_pytorch_file_prints(tmp_path: Path) -> None:
    (tmp_path / "sample_models").mkdir()
    shutil.copy(SAMPLES / "digits_cnn.pt2", tmp_path / "sample_models")
    command = Path(sys.executable).with_name("fc2conv")
    line = next(b for b in blocks(ROOT / "README.md") if "digits_cnn.pt2 --force" in b).splitlines()[-1].split()
    done = subprocess.run([command, *line[1:]], cwd=tmp_path, capture_output=True, text=True, check=True)
    shown = next(b for b in blocks(ROOT / "README.md") if b.startswith("sample_models/digits_cnn.pt2:"))

    def without_deviations(text: str) -> str:  # their last digits may differ on another processor
        return re.sub(r"output    type.*\nlinear_1  float32.*|ONNX: .* of max", "", text)

    assert without_deviations(done.stdout) == without_deviations(shown)


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "CONTRIBUTING.md",
        "docs/architecture.md",
        "docs/pytorch.md",
        "docs/equivalence.md",
        "docs/spellings.md",
        "docs/ci.md",
        "docs/mutants.md",
        "docs/performance.md",
    ],
)
def test_links_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", (ROOT / page).read_text(encoding="utf-8")):
        assert ((ROOT / page).parent / target).exists(), target


def test_every_module_stands_in_the_architecture() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    for module in (ROOT / "fc2conv_cli").rglob("*.py"):
        named = module.name in page or f"{module.parent.name}/" in page
        assert named or module.name.startswith("__"), module
