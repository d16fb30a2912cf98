from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, ClassVar

import pytest
from command_line import fc2conv
from helpers import matmul, random, save

from fc2conv_cli import Settings, verify
from fc2conv_cli.reports.words import costs
from fc2conv_cli.verification.cost import Cost, Measured, resident_bytes
from fc2conv_cli.verification.report import VerifyReport
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


@pytest.mark.parametrize(
    ("load", "run", "said"),
    [
        (0.00012345, 0.0012345, "loaded in 0.12 ms, 1.23 ms a run"),
        (0.0123, 0.0999, "loaded in 12.3 ms, 99.9 ms a run"),
        (0.9994, 0.9996, "loaded in 999 ms, 1.00 s a run"),
        (1.27, 2.59, "loaded in 1.27 s, 2.59 s a run"),
        (12.34, 12345.0, "loaded in 12.3 s, 12345 s a run"),
    ],
)
def test_times_have_no_exponent(load: float, run: float, said: str) -> None:
    report = VerifyReport(Path("a"), Path("b"), 0, 1, (), 2, (), original_cost=Cost(load, run, 1, None))
    assert list(costs(report)) == [f"original: {said} over 1 after the first"]
