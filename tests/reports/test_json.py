from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from helpers import SAMPLES, matmul, random, save

from fc2conv_cli import convert, inspect, verify
from fc2conv_cli.reports.json import VERSION, render


def test_a_conversion(tmp_path: Path) -> None:
    data = json.loads(render(convert(SAMPLES / "digits_cnn.onnx", tmp_path / "out.onnx")))
    assert data["version"] == VERSION
    assert (data["status"], data["passed"]) == ("written", True)
    first = data["layers"][0]
    assert (first["in_features"], first["out_features"], first["positions"]) == (256, 64, ["N"])
    assert first["conv"] == {
        "op_type": "Conv",
        "reads": "view",
        "kernel_shape": [4, 4],
        "input_shape": ["N", 16, 4, 4],
        "output_shape": ["N", 64, 1, 1],
    }
    assert (data["layout"]["gap"], data["layout"]["cost"]) == (0.0, pytest.approx(10.0, abs=0.01))
    assert data["layout_nodes"]["before"] == {"transposes": 0, "reshapes": 1, "bytes_moved": 0}
    assert data["stretches"] == [{"layers": ["node_linear", "node_linear_1"], "nodes": ["node_relu_2"]}]
    assert data["interface"] == []
    assert data["verification"]["cases"] == [{"N": 1}, {"N": 3}, {"N": 5}]


def test_an_inspection_is_the_plan_of_a_conversion(tmp_path: Path) -> None:
    inspected = json.loads(render(inspect(SAMPLES / "mlp.onnx")))
    converted = json.loads(render(convert(SAMPLES / "mlp.onnx", tmp_path / "out.onnx")))
    assert inspected["layers"] == converted["layers"]
    assert inspected["skips"] == converted["skips"]


def test_numbers_that_json_cannot_hold(tmp_path: Path) -> None:
    ours = save(matmul(["N", 4], random((4, 3))), tmp_path / "a.onnx")
    theirs = save(matmul(["N", 4], np.full((4, 3), np.nan, np.float32)), tmp_path / "b.onnx")
    data = json.loads(render(verify(ours, theirs)))
    (output,) = data["outputs"]
    assert output["max_abs"] == output["rtol_to_pass"] == "inf"
    assert output["converted"] == "nan"
