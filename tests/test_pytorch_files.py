"""The installed command on PyTorch files, each in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch_files
from helpers import CORPUS, SAMPLES, assert_close, names, random, run
from torch import nn

COMMAND = str(Path(sys.executable).with_name("fc2conv"))
FACTORY = "from torch import nn\ndef mlp(): return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))\n"


def fc2conv(*args: object, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, *map(str, args)], cwd=cwd, capture_output=True, text=True, check=False, env={**os.environ, **env}
    )


WEIGHTS = ("--model", "their_code:mlp", "--import-path", "code", "--input", "x:Nx4")
KINDS: dict[str, tuple[Callable[[Path], Path], tuple[str, ...]]] = {
    "a program": (torch_files.program, ()),
    "TorchScript": (torch_files.script, ("--input", "x:Nx4")),
    "a pickled module": (torch_files.pickled, ("--input", "x:Nx4")),
    "a state dict": (lambda path: torch_files.pickled(path, torch_files.mlp().state_dict()), WEIGHTS),
    "safetensors": (lambda path: torch_files.safetensors(path, torch_files.mlp().state_dict()), WEIGHTS),
}


@pytest.mark.parametrize("kind", KINDS)
def test_convert_then_verify(tmp_path: Path, kind: str) -> None:
    make, flags = KINDS[kind]
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "their_code.py").write_text(FACTORY)
    make(tmp_path / "model.bin")
    done = fc2conv("convert", "model.bin", *flags, "--output-format", "json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    report = json.loads(done.stdout)
    assert report["verified"] is True
    assert report["verification"]["export"]["passed"] is True
    assert len(report["layers"]) == 2
    x = random((5, 4))
    name = "x" if flags else "input"
    with torch.no_grad():
        assert_close(run(tmp_path / "model.conv.onnx", {name: x}), [torch_files.mlp()(torch.from_numpy(x)).numpy()])
    verified = fc2conv("verify", "model.bin", "model.conv.onnx", *flags, cwd=tmp_path)
    assert (verified.returncode, verified.stderr) == (0, "")
    assert "verdict: the same" in verified.stdout


POISON: dict[str, Callable[[Path, Path], object]] = {
    "a whole module": lambda path, witness: torch_files.pickled(path, nn.ModuleList([evil_module(witness)])),
    "a state dict": lambda path, witness: torch_files.pickled(
        path, {"w": torch.ones(1), "z": torch_files.Evil(witness)}
    ),
    "a program": lambda path, witness: torch_files.replace_members(
        torch_files.program(path),
        lambda name, old: torch_files.evil_save(witness) if name == "data/sample_inputs/model.pt" else old,
    ),
    "TorchScript": lambda path, witness: torch_files.replace_members(
        torch_files.script(path), lambda name, old: torch_files.evil_pickle(witness) if name == "data.pkl" else old
    ),
}


def evil_module(witness: Path) -> nn.Module:
    module = nn.Linear(2, 2)
    module.extra = torch_files.Evil(witness)  # type: ignore[assignment]
    return module


@pytest.mark.parametrize("kind", POISON)
def test_a_malicious_pickle_is_refused_and_does_nothing(tmp_path: Path, kind: str) -> None:
    path, witness = tmp_path / "model.pt", tmp_path / "witness"
    POISON[kind](path, witness)
    done = fc2conv("convert", path, cwd=tmp_path)
    assert done.returncode == 2, done.stdout
    assert "io.open" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert names(tmp_path) == ["model.pt"]


def test_a_class_of_the_users_needs_trust_and_its_code(tmp_path: Path) -> None:
    code = (
        "from torch import nn\nclass Net(nn.Sequential):\n    def __init__(self): super().__init__(nn.Linear(4, 3))\n"
    )
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "their_net.py").write_text(code)
    script = "import torch, their_net; torch.save(their_net.Net(), 'model.pt')"
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True, env={**os.environ, "PYTHONPATH": "code"})
    refused = fc2conv("convert", "model.pt", "--input", "x:1x4", cwd=tmp_path)
    assert refused.returncode == 2
    assert "would import and run: their_net.Net" in refused.stderr
    flags = ("--input", "x:1x4", "--unsafe-load", "--import-path", "code")
    done = fc2conv("convert", "model.pt", *flags, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not CORPUS.exists(), reason="no corpus here")
@pytest.mark.parametrize(
    ("name", "flag"), [("rl_sar__b2__policy", "x:1x45"), ("walk_these_ways__unitree_go1", "input:1x6")]
)
def test_the_torchscript_files_of_the_corpus(tmp_path: Path, name: str, flag: str) -> None:
    shutil.copy(CORPUS / "torchscript" / f"{name}.pt", tmp_path / "policy.pt")
    asked = fc2conv("convert", "policy.pt", cwd=tmp_path)
    assert asked.returncode == 2
    assert f"--input {flag}. " in asked.stderr
    done = fc2conv("convert", "policy.pt", "--input", flag, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    feeds = {flag.partition(":")[0]: random([int(n) for n in flag.partition(":")[2].split("x")])}
    with torch.no_grad():
        expected = torch.jit.load(tmp_path / "policy.pt", map_location="cpu")(
            torch.from_numpy(next(iter(feeds.values())))
        )
    assert_close(run(tmp_path / "policy.conv.onnx", feeds), [expected.numpy()])


def test_the_digits_program_from_end_to_end(tmp_path: Path) -> None:
    done = fc2conv("convert", SAMPLES / "digits_cnn.pt2", "-o", "out.onnx", "-v", "--opset", 21, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    line = next(line for line in done.stdout.splitlines() if line.startswith("seconds: "))
    rewrite = ["check", "infer", "plan", "solve", "report", "emit", "save", "verify"]
    stages = [part.rsplit(" ", 1)[0] for part in line.removeprefix("seconds: ").split(", ")]
    assert stages == ["start", "imports", "import torch", "load", "export", *rewrite]
    assert "torch" in done.stderr  # what it prints is there with -v
    x = random((3, 1, 8, 8))
    (original,), (converted,) = (
        run(SAMPLES / "digits_cnn.onnx", {"x": x}), run(tmp_path / "out.onnx", {"input": x})
    )  # fmt: skip
    np.testing.assert_allclose(converted, original, atol=1e-4)


def test_without_torch_the_message_names_the_command_that_installs_it(tmp_path: Path) -> None:
    path = torch_files.program(tmp_path / "model.pt2")
    code = (
        "import sys; sys.modules['torch'] = None; sys.argv = ['fc2conv', 'convert', sys.argv[1]]\n"
        "from fc2conv_cli.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "model.pt2: this is a PyTorch model, and torch is missing" in done.stderr
    assert "pip install 'fc2conv[torch]'" in done.stderr


@pytest.mark.parametrize("flag", ["--opset=18", "--keep-export", "--unsafe-load", "--model=a:b"])
def test_flags_that_do_nothing_for_onnx_are_refused(tmp_path: Path, flag: str) -> None:
    done = fc2conv("convert", SAMPLES / "mlp.onnx", "-o", "out.onnx", flag, cwd=tmp_path)
    assert done.returncode == 2
    assert f"{flag.partition('=')[0]}: no use for" in done.stderr
    assert names(tmp_path) == []
