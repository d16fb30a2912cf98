"""The installed command: exit codes, streams, and what it leaves on the disk."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from helpers import SAMPLES, gemm, matmul, model, names, random, save, value
from onnx import helper

COMMAND = [str(Path(sys.executable).with_name("fc2conv"))]


def fc2conv(*args: object, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, args)], cwd=cwd, capture_output=True, text=True, check=False, env={**os.environ, **env}
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return save(matmul(["N", 4], random((4, 3)), random((3,))), tmp_path / "model.onnx")


def test_convert_then_verify(path: Path) -> None:
    done = fc2conv("convert", path)
    assert done.returncode == 0, done.stderr
    assert "1 fully connected layer, 1 becomes a convolution" in done.stdout
    assert "same" in done.stdout
    assert done.stderr == ""
    again = fc2conv("verify", path, path.with_name("model.conv.onnx"))
    assert again.returncode == 0
    assert "9 runs, seed 0 at N=1; N=3; N=5" in again.stdout


def test_a_difference_is_1_and_says_what_would_pass(path: Path, tmp_path: Path) -> None:
    other = save(matmul(["N", 4], random((4, 3)) * np.float32(1.01), random((3,))), tmp_path / "other.onnx")
    done = fc2conv("verify", path, other)
    assert done.returncode == 1
    assert "DIFFERENT" in done.stdout
    assert "would pass with --rtol" in done.stdout
    assert "verdict: DIFFERENT" in done.stdout
    assert done.stderr == ""
    assert fc2conv("verify", path, other, "--rtol", "0.05").returncode == 0
    assert fc2conv("verify", path, other, "--atol", "5").returncode == 0


def unloadable(folder: Path) -> Path:
    proto = matmul(["N", 4], random((4, 3)))
    proto.graph.node[0].input[0] = "nobody"
    return save(proto, folder / "m.onnx")


def unrunnable(folder: Path) -> Path:
    return save(gemm([2, 4], random((4, 3)), random((3,)), opset=6, ir_version=3, broadcast=1), folder / "m.onnx")


def from_the_future(folder: Path) -> Path:
    return save(matmul(["N", 4], random((4, 3)), opset=27, ir_version=13), folder / "m.onnx")


def in_a_later_format(folder: Path) -> Path:
    return save(matmul(["N", 4], random((4, 3)), opset=26, ir_version=14), folder / "m.onnx")


def without_its_data(folder: Path) -> Path:
    onnx.save(
        matmul(["N", 64], random((64, 32))), folder / "m.onnx",
        save_as_external_data=True, location="w.bin", size_threshold=0,
    )  # fmt: skip
    (folder / "w.bin").unlink()
    return folder / "m.onnx"


def truncated(folder: Path) -> Path:
    (folder / "m.onnx").write_bytes((SAMPLES / "mlp.onnx").read_bytes()[:5000])
    return folder / "m.onnx"


def empty(folder: Path) -> Path:
    (folder / "m.onnx").touch()
    return folder / "m.onnx"


def text(folder: Path) -> Path:
    (folder / "m.onnx").write_text("import torch\n" * 9)
    return folder / "m.onnx"


BAD = {
    "no such file": lambda folder: folder / "none.onnx",
    "this is a folder": lambda folder: folder,
    "is empty": empty,
    "neither an ONNX model": text,
    "truncated": truncated,
    "the graph is not valid": unloadable,
    "which cannot be read": without_its_data,
    "onnxruntime cannot load it": unrunnable,
    "Opset 27": from_the_future,
    "IR version: 14": in_a_later_format,
}


@pytest.mark.parametrize("words", BAD)
def test_bad_input_is_2_with_one_message_and_nothing_written(tmp_path: Path, words: str) -> None:
    bad = BAD[words](tmp_path)
    before = names(tmp_path)
    done = fc2conv("convert", bad, "-o", tmp_path / "out.onnx")
    assert done.returncode == 2, done.stdout
    assert words in done.stderr
    assert str(bad) in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") <= 3
    assert done.stdout == ""
    assert names(tmp_path) == before


@pytest.mark.parametrize("make", [unrunnable, from_the_future])
def test_what_cannot_be_run_is_written_unverified_on_demand(tmp_path: Path, make) -> None:  # type: ignore[no-untyped-def]
    bad = make(tmp_path)
    assert "--no-verify" in fc2conv("convert", bad).stderr
    done = fc2conv("convert", bad, "--no-verify")
    assert done.returncode == 0, done.stderr
    assert "UNVERIFIED" in done.stdout
    assert (tmp_path / "m.conv.onnx").exists()


@pytest.mark.parametrize(
    "args",
    [
        ["convert"],
        ["convert", "model.onnx", "--no-such-option"],
        ["convert", "model.onnx", "-o", "model.onnx"],
        ["convert", "model.onnx", "-o", "there.onnx"],
        ["convert", "model.onnx", "-o", "none/out.onnx"],
        ["convert", "model.onnx", "--only", "nobody*"],
        ["convert", "model.onnx", "--skip", "nobody*"],
        ["convert", "model.onnx", "--samples", "0"],
        ["convert", "model.onnx", "--output-format", "yaml"],
        ["inspect", "model.onnx", "--output-file", "there.onnx"],
        ["inspect", "model.onnx", "--output-file", "weights.bin"],
        ["convert", "model.onnx", "--output-file", "weights.bin"],
        ["convert", "model.onnx", "-o", "new.txt", "--output-file", "new.txt"],
        ["convert", "model.onnx", "--output-file", "none/report.txt"],
        ["convert", "model.onnx", "--dry-run", "-o", "model.onnx"],
        ["verify", "model.onnx"],
        ["verify", "model.onnx", "none.onnx"],
        ["no-such-command"],
    ],
)
def test_bad_usage_is_2_and_touches_nothing(path: Path, tmp_path: Path, args: list[str]) -> None:
    (tmp_path / "there.onnx").write_text("mine")
    (tmp_path / "weights.bin").write_bytes(random((64,)).tobytes())
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    done = fc2conv(*args, cwd=tmp_path)
    assert done.returncode == 2, done.stdout
    assert done.stderr
    assert "Traceback" not in done.stderr
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="no /proc here, the one folder that refuses even root")
def test_a_folder_that_cannot_be_written_to(path: Path) -> None:
    done = fc2conv("convert", path, "-o", "/proc/out.onnx")
    assert done.returncode == 2
    assert "cannot be written" in done.stderr
    assert "Traceback" not in done.stderr


def test_force_overwrites(path: Path, tmp_path: Path) -> None:
    (tmp_path / "there.onnx").write_text("mine")
    assert fc2conv("convert", path, "-o", tmp_path / "there.onnx", "--force").returncode == 0
    onnx.checker.check_model(str(tmp_path / "there.onnx"))


def test_dry_run_writes_nothing(path: Path, tmp_path: Path) -> None:
    done = fc2conv("convert", path, "--dry-run")
    assert done.returncode == 0
    assert "nothing written" in done.stdout
    assert names(tmp_path) == ["model.onnx"]
    inspected = fc2conv("inspect", path)
    assert inspected.returncode == 0
    assert inspected.stdout in done.stdout


def test_nothing_to_convert(tmp_path: Path) -> None:
    relu = save(
        model([helper.make_node("Relu", ["x"], ["y"])], [value("x", [2])], [value("y", [2])]), tmp_path / "m.onnx"
    )
    done = fc2conv("convert", relu)
    assert done.returncode == 0
    assert "nothing to convert" in done.stdout
    assert names(tmp_path) == ["m.onnx"]
    assert fc2conv("convert", relu, "-o", tmp_path / "copy.onnx").returncode == 0
    assert onnx.load(tmp_path / "copy.onnx") == onnx.load(relu)


def two_layers(folder: Path) -> Path:
    nodes = [
        helper.make_node("MatMul", ["x", "v"], ["a"], name="body.0"),
        helper.make_node("MatMul", ["a", "w"], ["y"], name="head"),
    ]
    constants = {"v": random((4, 4)), "w": random((4, 3))}
    return save(model(nodes, [value("x", ["N", 4])], [value("y", ["N", 3])], constants), folder / "two.onnx")


def test_only_and_skip_by_glob(tmp_path: Path) -> None:
    path = two_layers(tmp_path)
    for args in (["--only", "body.*"], ["--skip", "head"], ["--only", "*", "--skip", "he?d"]):
        done = fc2conv("convert", path, *args, "--force", "--output-format", "json")
        assert done.returncode == 0
        report = json.loads(done.stdout)
        assert [layer["name"] for layer in report["layers"]] == ["body.0"]
        assert [(s["name"], s["code"]) for s in report["skips"]] == [("head", "FC2C-EXCLUDED")]
    assert fc2conv("convert", path, "--skip", "head", "--strict", "--force").returncode == 0


def test_strict_refuses_to_leave_a_layer(tmp_path: Path) -> None:
    proto = matmul(["N", 4], random((4, 3)))
    proto.graph.input.append(value("w", [4, 3]))
    path = save(proto, tmp_path / "m.onnx")
    assert fc2conv("convert", path).returncode == 0
    done = fc2conv("convert", path, "--strict", "-o", tmp_path / "out.onnx")
    assert done.returncode == 1
    assert "FC2C-OVERRIDABLE-WEIGHT" in done.stdout
    assert "nothing written" in done.stdout
    assert not (tmp_path / "out.onnx").exists()


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


def test_explain() -> None:
    done = fc2conv("explain", "fc2c-unknown-shape")
    assert done.returncode == 0
    assert done.stdout.startswith("## FC2C-UNKNOWN-SHAPE")
    unknown = fc2conv("explain", "FC2C-NONSENSE")
    assert unknown.returncode == 2
    assert "The codes are: FC2C-TWO-RUNTIME-OPERANDS" in unknown.stderr


def test_version_help_and_completion() -> None:
    assert fc2conv("--version").stdout.startswith("fc2conv 0.")
    for args in ([], ["convert"], ["verify"], ["inspect"]):
        done = fc2conv(*args, "--help")
        assert done.returncode == 0
        assert "Usage" in done.stdout
    assert "Exit codes" in fc2conv("--help").stdout.replace("\n", " ")
    assert "--show-completion" in fc2conv("--help").stdout


def imports(*args: object, cwd: Path | None = None) -> set[str]:
    code = (
        "import sys, contextlib, io; sys.argv = ['fc2conv', *sys.argv[1:]];\n"
        "from fc2conv_cli.cli import main\n"
        "with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()): main()\n"
        "print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, args)], cwd=cwd, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_help_imports_neither_onnx_nor_onnxruntime_nor_torch() -> None:
    loaded = imports("--help")
    assert "typer" in loaded
    assert loaded.isdisjoint({"onnx", "onnx_ir", "onnxruntime", "onnx_shape_inference", "torch", "numpy"})


def test_converting_does_not_import_torch(path: Path) -> None:
    loaded = imports("convert", path)
    assert path.with_name("model.conv.onnx").exists()
    assert "onnxruntime" in loaded
    assert loaded.isdisjoint({"torch", "onnxscript", "scipy", "sklearn"})


def test_a_fault_of_our_own_is_101(path: Path, tmp_path: Path) -> None:
    code = (
        "import sys; sys.argv = ['fc2conv', 'convert', 'model.onnx'];"
        "import fc2conv_cli.pipeline as p; p.emit = lambda *a: 1 / 0;"
        "from fc2conv_cli.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 101
    assert "fault of fc2conv" in done.stderr
    assert "Traceback" not in done.stderr
    assert names(tmp_path) == ["model.onnx"]


def test_a_reader_that_goes_away_is_no_fault(path: Path) -> None:
    line = f"{COMMAND[0]} inspect {path} | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
    assert done.stdout.strip() in ("0", "141")
    assert done.stderr == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_report_that_cannot_be_written(path: Path) -> None:
    line = f"{COMMAND[0]} inspect {path} > /dev/full"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "the report cannot be written" in done.stderr


def test_a_stderr_that_cannot_be_written_keeps_the_exit_code(tmp_path: Path) -> None:
    for redirect in ("2>&-", "2>/dev/full"):
        line = f"{COMMAND[0]} convert {tmp_path / 'none.onnx'} {redirect}"
        assert subprocess.run(["bash", "-c", line], capture_output=True, check=False).returncode == 2


def test_a_closed_stdout_and_a_poor_encoding(path: Path) -> None:
    done = subprocess.run(
        ["bash", "-c", f"{COMMAND[0]} inspect {path} >&-"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
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


def test_the_interface_becomes_4d_when_asked_and_verify_takes_it(path: Path) -> None:
    done = fc2conv("convert", path, "--io-layout", "nchw")
    assert done.returncode == 0, done.stderr
    assert "the interface changes (--io-layout nchw): input 'x' was [N, 4], is now [N, 4, 1, 1]" in done.stdout
    assert fc2conv("verify", path, path.with_name("model.conv.onnx")).returncode == 0


def test_decomposing_while_isolated_is_refused(path: Path) -> None:
    done = fc2conv("convert", path, "--layout", "isolated", "--decompose-layernorm")
    assert done.returncode == 2
    assert "Leave out --decompose-layernorm, or --layout isolated." in done.stderr


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--atol", "logits=1"], "the model has no output 'logits'"),
        (["--range", "z:0..1"], "the model has no input 'z'"),
        (["--dim", "M=2"], "the model has no dynamic dim 'M'"),
        (["--input", "x:3x5"], "5 at axis 1 does not fit"),
        (["--inputs", "nothing.npz"], "no such file or folder"),
        (["--inputs", ".", "--distribution", "ones"], "--inputs gives the inputs"),
        (["--rtol", "-1"], "no number from 0 up"),
    ],
)
def test_options_of_a_comparison_that_cannot_be(path: Path, args: list[str], words: str) -> None:
    done = fc2conv("verify", path, path, *args, cwd=path.parent)
    assert done.returncode == 2
    assert words in " ".join(done.stderr.replace("│", " ").split())


def test_options_of_a_comparison(path: Path) -> None:
    args = ["--dim", "N=2,5", "--range", "x:1..2", "--atol", "y=0.5", "--rtol", "0", "--elementwise", "--samples", 2]
    done = fc2conv("verify", path, path, *args, "--output-format", "json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["cases"] == [{"N": 2}, {"N": 5}]
    (output,) = report["outputs"]
    assert (output["atol"], output["rtol"], output["elementwise"]) == (0.5, 0.0, True)
    assert report["original_cost"]["runs"] >= report["runs"] == 4
    np.savez(path.parent / "in.npz", x=random((3, 2, 4)))
    assert (
        json.loads(fc2conv("verify", path, path, "--inputs", path.parent / "in.npz", "--output-format", "json").stdout)[
            "runs"
        ]
        == 3
    )
