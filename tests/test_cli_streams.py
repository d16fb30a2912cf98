"""What goes to stdout and stderr, whatever these are."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import onnx
import pytest
from command_line import COMMAND, fc2conv
from helpers import matmul, names, random, save


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return save(matmul(["N", 4], random((4, 3)), random((3,))), tmp_path / "model.onnx")


def test_json_stands_alone_on_stdout(path: Path, tmp_path: Path) -> None:
    done = fc2conv("convert", path, "--output-format", "json")
    report = json.loads(done.stdout)
    assert done.stderr == ""
    assert report["version"] == 1
    assert report["status"] == "written"
    assert report["verification"]["outputs"][0]["name"] == "y"
    assert report["layers"][0]["conv"]["kernel_shape"] == [1, 1]
    verified = json.loads(fc2conv("verify", path, tmp_path / "model.conv.onnx", "--output-format", "json").stdout)
    assert verified["passed"] is True
    assert verified["seed"] == 0


def test_reports_go_to_a_file_and_quiet_says_nothing(path: Path, tmp_path: Path) -> None:
    done = fc2conv("convert", path, "--output-format", "json", "--output-file", tmp_path / "report.json")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert json.loads((tmp_path / "report.json").read_text())["passed"] is True
    quiet = fc2conv("convert", path, "--force", "-q")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")


def test_a_fault_of_our_own_is_101(path: Path, tmp_path: Path) -> None:
    code = (
        "import sys; sys.argv = ['fc2conv', 'convert', 'model.onnx'];"
        "import fc2conv_cli.pipeline.rewriting as p; p.emit = lambda *a: 1 / 0;"
        "from fc2conv_cli.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 101
    assert "fault of fc2conv" in done.stderr
    assert "Traceback" not in done.stderr
    assert names(tmp_path) == ["model.onnx"]


def test_a_reader_that_goes_away_is_no_fault(path: Path) -> None:
    line = f"{COMMAND} inspect {path} | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
    assert done.stdout.strip() in ("0", "141")
    assert done.stderr == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("to", ["> /dev/full", ">&-"])
def test_a_report_that_cannot_be_written(path: Path, to: str) -> None:
    for command in (f"inspect {path}", "explain EINSUM", "config"):
        done = subprocess.run(["bash", "-c", f"{COMMAND} {command} {to}"], capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert "stdout: the report cannot be written" in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("to", ["> /dev/full", ">&-"])
def test_who_wants_no_report_needs_no_stdout(path: Path, to: str) -> None:
    line = f"{COMMAND} convert {path} --quiet {to}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert names(path.parent) == ["model.conv.onnx", "model.onnx"]


def test_a_stderr_that_cannot_be_written_keeps_the_exit_code(tmp_path: Path) -> None:
    for redirect in ("2>&-", "2>/dev/full"):
        line = f"{COMMAND} convert {tmp_path / 'none.onnx'} {redirect}"
        assert subprocess.run(["bash", "-c", line], capture_output=True, check=False).returncode == 2


def test_a_poor_encoding(path: Path) -> None:
    proto = onnx.load(path)
    proto.graph.node[0].name = "größe"
    done = fc2conv("inspect", save(proto, path), PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert "gr\\xf6\\xdfe" in done.stdout


def test_names_from_the_file_are_not_markup(tmp_path: Path) -> None:
    proto = matmul(["N", 4], random((4, 3)))
    proto.graph.node[0].name = "[bold]fc[/nonsense] :smile:"
    done = fc2conv("inspect", save(proto, tmp_path / "m.onnx"))
    assert done.returncode == 0
    assert "[bold]fc[/nonsense] :smile:" in done.stdout
