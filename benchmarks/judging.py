"""What became of a model: ``python -m benchmarks.judging ORIGINAL CONVERTED OUT.json``, a process that may crash."""

from __future__ import annotations

import argparse
import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from benchmarks.counting import count
from benchmarks.latency import compare, loaded

TOLERANCE = 1e-3
"""Of the largest reference value: far above rounding, far below what a wrong weight does."""
SIZES = (1, 3)
"""What a dynamic dim is, one after the other, in our own comparison."""


@dataclasses.dataclass(frozen=True)
class Judgement:
    """What is in a converted file, and whether it computes the same.

    Attributes:
        layers: Fully connected layers of the original.
        left: Those that the result still has.
        layout: Layout nodes of the result minus those of the original.
        fault: Why the result is no good, in a line; empty if it is.
        verify: Exit code of ``fc2conv verify``; None if it came to nothing before.
        deviation: Largest deviation in onnxruntime, of the largest reference value, on our own inputs.
        latency: Seconds of a run of the result over those of the original.
    """

    layers: int
    left: int
    layout: int
    fault: str = ""
    verify: int | None = None
    deviation: float | None = None
    latency: float | None = None


def judge(original: Path, converted: Path, samples: int, seconds: float) -> Judgement:
    """Count, load, compare, and time."""
    before, after = count(original), count(converted)
    result = Judgement(before.layers, after.layers, after.layout - before.layout)
    try:
        deviation = max(_deviation(original, converted, size) for size in SIZES)
    except Exception as error:  # onnxruntime has no exceptions of its own that are public
        return dataclasses.replace(result, fault=f"does not load or run: {_line(str(error), converted)}")
    verify = [sys.executable, "-m", "fc2conv_cli", "verify", str(original), str(converted)]
    done = subprocess.run([*verify, f"--samples={samples}"], capture_output=True, text=True, check=False)
    result = dataclasses.replace(result, deviation=deviation, verify=done.returncode)
    if not deviation <= TOLERANCE:
        return dataclasses.replace(result, fault=f"wrong: deviates by {deviation:.2g} of the largest value")
    if done.returncode:
        said = done.stderr.strip() or done.stdout.strip()
        return dataclasses.replace(result, fault=f"refused by `fc2conv verify`: {_line(said, converted)}")
    _, _, ratio = compare(original, converted, batch=1, threads=1, seconds_in_all=seconds)
    return dataclasses.replace(result, latency=ratio)


def _deviation(original: Path, converted: Path, size: int) -> float:
    sessions = [loaded(path, 0) for path in (original, converted)]
    rng = np.random.default_rng(size)
    feeds = {port.name: _draw(port, size, rng) for port in sessions[0].get_inputs()}
    expected, actual = (session.run(None, feeds) for session in sessions)
    if len(expected) != len(actual):
        return float("inf")
    return max(_apart(a, b) for a, b in zip(actual, expected, strict=True))


def _draw(port: ort.NodeArg, size: int, rng: np.random.Generator) -> np.ndarray[Any, Any]:
    shape = [dim if isinstance(dim, int) else size for dim in port.shape]
    if "float" in port.type:
        return rng.standard_normal(shape).astype(np.float16 if "16" in port.type else np.float32)
    return rng.integers(0, 2, shape).astype(port.type.removeprefix("tensor(").removesuffix(")"))


def _apart(actual: np.ndarray[Any, Any], expected: np.ndarray[Any, Any]) -> float:
    if actual.shape != expected.shape or actual.dtype != expected.dtype:
        return float("inf")
    largest = float(np.abs(expected).max(initial=0)) or 1.0
    return float(np.abs(actual.astype(np.float64) - expected).max(initial=0)) / largest


def _line(text: str, file: Path) -> str:
    """A text as one line, without the folder that a file is in."""
    return " ".join(text.replace(f"{file.parent}/", "").split())[:200]


def main() -> None:
    """Judge one file and write what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("original", type=Path)
    parser.add_argument("converted", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--samples", type=int, default=4)
    parser.add_argument("--latency-seconds", type=float, default=0.6)
    given = parser.parse_args()
    judgement = judge(given.original, given.converted, given.samples, given.latency_seconds)
    given.out.write_text(json.dumps(dataclasses.asdict(judgement)))


if __name__ == "__main__":
    main()
