"""``fc2conv verify --per-layer`` as it is installed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import fc2conv
from helpers import save
from layer_models import pair, with_wrong_weight
from networks import mlp


def test_the_wrong_layer_is_named_and_the_exit_code_is_1(tmp_path: Path) -> None:
    original, right = pair(mlp(3), tmp_path)
    done = fc2conv("verify", original, right, "--per-layer")
    assert done.returncode == 0, done.stderr
    assert "no layer diverges" in done.stdout
    assert "\x1b" not in done.stdout
    wrong = with_wrong_weight(right, "MatMul2", lambda array: array * 1.01)
    done = fc2conv("verify", original, wrong, "--per-layer")
    assert done.returncode == 1
    assert "first layer that diverges: MatMul2: MatMul+Add -> Conv 1x1, " in done.stdout
    assert done.stderr == ""
    data = json.loads(fc2conv("verify", original, wrong, "--per-layer", "--output-format", "json").stdout)
    assert data["first_to_diverge"] == "MatMul2"
    assert len(data["per_layer"]) == 3


@pytest.mark.parametrize("keep", [False, True])
def test_a_conversion_that_fails_says_how_to_find_the_layer(tmp_path: Path, keep: bool) -> None:
    source = save(mlp(2), tmp_path / "model.onnx")
    options = ["--keep-failed"] if keep else []
    done = fc2conv("convert", source, "--atol", "0", "--rtol", "0", *options)
    assert done.returncode == 1
    if not keep:
        assert "--keep-failed keeps it; `fc2conv verify --per-layer` then says which layer" in done.stdout
        return
    command = next(line for line in done.stdout.split("\n") if line.startswith("which layer diverges first: "))
    again = fc2conv(*command.split(": ")[1].split()[1:])
    assert "layer by layer in onnxruntime: 2 layers" in again.stdout
