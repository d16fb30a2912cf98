"""A command that ends with exit code 2 leaves a report of why, in every format, and over no file but a report."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from helpers import matmul, names, random, save
from samples import NASTY
from test_report_command import fc2conv

from fc2conv_cli.errors import ModelNotFoundError
from fc2conv_cli.reports.error_report import ErrorReport, leave, render
from fc2conv_cli.reports.formats import Format


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save(matmul(["N", 4], random((4, 3))), tmp_path / "m.onnx")
    return tmp_path


@pytest.mark.parametrize("output_format", list(Format))
def test_every_format_tells_it_and_a_saved_one_tells_it_again(folder: Path, output_format: Format) -> None:
    to_file = ("--output-format", output_format, "--output-file", "r.txt")
    done = fc2conv("verify", "m.onnx", "none.onnx", *to_file, cwd=folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "fc2conv: none.onnx: no such file\nCheck the path.\n"
    told = (folder / "r.txt").read_text()
    assert "no such file" in told
    assert "Check the path." in told
    printed = fc2conv("verify", "m.onnx", "none.onnx", "--output-format", output_format, cwd=folder)
    assert printed.stdout == ("" if output_format is Format.text else told)
    saved = ("--output-format", "json", "--output-file", "r.json")
    fc2conv("verify", "m.onnx", "none.onnx", *saved, cwd=folder)
    again = fc2conv("report", "r.json", *to_file, cwd=folder)
    assert (again.returncode, again.stderr) == (2, done.stderr)
    assert (folder / "r.txt").read_text() == told


def test_the_data_of_an_error() -> None:
    report = ErrorReport.of(ModelNotFoundError(Path("m.onnx"), "no such file", hint=NASTY), "inspect")
    assert json.loads(render(report, Format.json)) == {
        "version": 1,
        "command": "inspect",
        "error": {
            "kind": "ModelNotFoundError", "message": "m.onnx: no such file", "hint": NASTY, "exit_code": 2
        },
    }  # fmt: skip
    root = ET.fromstring(render(report, Format.junit))
    assert (root.get("errors"), root.get("failures"), root.get("tests")) == ("1", "0", "1")
    error = root.find("testsuite/testcase/error")
    assert error is not None
    assert (error.get("type"), error.get("message")) == ("ModelNotFoundError", "m.onnx: no such file")
    assert render(report, Format.github).count("\n") == 1
    assert render(report, Format.markdown).startswith("### ❌ fc2conv inspect: no result\n\nm.onnx: no such file\n\n")


@pytest.mark.parametrize(
    "line",
    [
        "verify m.onnx m.onnx --rtol -1",
        "verify m.onnx",
        "verify m.onnx m.onnx --nonsense",
        "inspect m.onnx --only nobody",
        "convert m.onnx --dim M=2 -o out.onnx",
        "report none.json",
    ],
)
def test_whatever_ends_in_2(folder: Path, line: str) -> None:
    before = names(folder)
    done = fc2conv(*line.split(), "--output-format", "json", cwd=folder)
    assert done.returncode == 2
    report = json.loads(done.stdout)
    assert report["command"] == line.split()[0]
    assert report["error"]["exit_code"] == 2
    assert report["error"]["message"].split()[0] in done.stderr
    assert fc2conv(*line.split(), "--output-format", "json", "--quiet", cwd=folder).stdout == ""
    assert names(folder) == before


def test_settings_that_cannot_be_used_are_told_too(folder: Path) -> None:
    (folder / "fc2conv.toml").write_text("samples = 0")
    done = fc2conv("verify", "m.onnx", "m.onnx", "--output-format", "junit", cwd=folder)
    assert done.returncode == 2
    error = ET.fromstring(done.stdout.encode()).find(".//error")
    assert error is not None
    assert str(folder / "fc2conv.toml") in str(error.get("message"))


@pytest.mark.parametrize(
    "line",
    [
        "verify none.onnx m.onnx --output-file m.onnx",
        "verify none.onnx model --output-file model",
        "verify none.onnx m.onnx --output-file weights.bin",
        "verify m.onnx m.onnx --nonsense --output-file m.onnx",
        "verify m.onnx m.onnx --inputs text.npz --output-file text.npz",
        "report r.json --output-file r.json",
        "report r.json --rtol -1 --output-file r.json",
    ],
)
def test_no_other_file_is_written_over(folder: Path, line: str) -> None:
    (folder / "model").write_text("a model, if not a good one")
    (folder / "text.npz").write_text("text")
    (folder / "weights.bin").write_bytes(b"\0\1\2")
    (folder / "r.json").write_text("{}")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert fc2conv(*line.split(), "--output-format", "json", cwd=folder).returncode == 2
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_github_gets_a_summary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = ErrorReport.of(ModelNotFoundError(Path("m.onnx"), "no such file"), "verify")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "s.md"))
    assert leave(report, Format.github, None, []) == render(report, Format.github)
    assert (tmp_path / "s.md").read_text() == render(report, Format.markdown) + "\n"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "none" / "s.md"))
    assert leave(report, Format.github, None, []) == render(report, Format.github)  # one error is enough
