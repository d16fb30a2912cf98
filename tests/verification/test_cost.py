from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, ClassVar

from command_line import fc2conv
from helpers import matmul, random, save

from fc2conv_cli import Settings, verify
from fc2conv_cli.reports.words import costs
from fc2conv_cli.verification.cost import Measured, resident_bytes
from fc2conv_cli.verification.runner import Runner, warm_up


def test_runs_are_counted_and_timed(tmp_path: Path) -> None:
    path = save(matmul(["N", 4], random((4, 3))), tmp_path / "m.onnx")
    measured = Measured.load(lambda: Runner(path))
    for _ in range(3):
        assert measured.run({"x": random((2, 4))})["y"].shape == (2, 3)
    cost = measured.cost
    assert cost.runs == 2
    assert 0 < cost.seconds_per_run < cost.run_seconds
    assert cost.load_seconds > 0
    assert (cost.memory_bytes is None) == (resident_bytes() is None)


def test_a_large_model_is_seen_in_memory(tmp_path: Path) -> None:
    path = save(matmul(["N", 2048], random((2048, 4096))), tmp_path / "m.onnx")  # 32 MB
    done = fc2conv("verify", path, path, "--output-format", "json")  # a process that has no memory to reuse
    report = json.loads(done.stdout)
    for cost in (report["original_cost"], report["converted_cost"]):
        assert cost["runs"] >= report["runs"] - 1
        assert cost["memory_bytes"] is None or cost["memory_bytes"] > 10 * 2**20


class Slow:
    """A model that takes its time in the first run, as one does that sets something up."""

    inputs = overridable = outputs = ()
    metadata: ClassVar[dict[str, str]] = {}

    def __init__(self) -> None:
        self.ran = 0

    def run(self, feeds: object) -> dict[str, Any]:
        self.ran += 1
        time.sleep(0.3 if self.ran == 1 else 0)
        return {}


def test_the_first_run_is_not_timed() -> None:
    measured = Measured.load(Slow)
    measured.run({})
    assert (measured.cost.runs, measured.cost.seconds_per_run) == (0, 0.0)
    for _ in range(4):
        measured.run({})
    assert measured.cost.runs == 4
    assert measured.cost.run_seconds < 0.2


def test_what_onnxruntime_sets_up_once_is_set_up_before_a_model_is_loaded(tmp_path: Path) -> None:
    path = save(matmul(["N", 4], random((4, 3))), tmp_path / "m.onnx")
    warm_up.cache_clear()
    verify(path, path)
    assert warm_up.cache_info().currsize == 1
    misses = warm_up.cache_info().misses
    verify(path, path)
    assert warm_up.cache_info().misses == misses


def test_one_run_has_no_time_a_run(tmp_path: Path) -> None:
    path = save(matmul([2, 4], random((4, 3))), tmp_path / "m.onnx")
    report = verify(path, path, settings=Settings(samples=1))
    _, converted = costs(report)
    assert converted.startswith("converted: loaded in ")
    assert "a run" not in converted
