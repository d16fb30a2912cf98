from __future__ import annotations

import json
from pathlib import Path

from command_line import fc2conv
from helpers import matmul, random, save

from fc2conv_cli.verification.cost import Measured, resident_bytes
from fc2conv_cli.verification.runner import Runner


def test_runs_are_counted_and_timed(tmp_path: Path) -> None:
    path = save(matmul(["N", 4], random((4, 3))), tmp_path / "m.onnx")
    measured = Measured.load(lambda: Runner(path))
    for _ in range(3):
        assert measured.run({"x": random((2, 4))})["y"].shape == (2, 3)
    cost = measured.cost
    assert cost.runs == 3
    assert 0 < cost.seconds_per_run < cost.run_seconds
    assert cost.load_seconds > 0
    assert (cost.memory_bytes is None) == (resident_bytes() is None)


def test_a_large_model_is_seen_in_memory(tmp_path: Path) -> None:
    path = save(matmul(["N", 2048], random((2048, 4096))), tmp_path / "m.onnx")  # 32 MB
    done = fc2conv("verify", path, path, "--output-format", "json")  # a process that has no memory to reuse
    report = json.loads(done.stdout)
    for cost in (report["original_cost"], report["converted_cost"]):
        assert cost["runs"] >= report["runs"]
        assert cost["memory_bytes"] is None or cost["memory_bytes"] > 10 * 2**20
