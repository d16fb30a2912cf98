"""How fast onnxruntime runs a converted model, next to the original: ``python benchmarks/latency.py [model.onnx ...]``.

Both run in turn, so that whatever else the machine does hits both alike; a row gives the medians and the median of the
ratios of each turn. One thread, unless told otherwise: small models are otherwise a measurement of how threads wake up.
onnxruntime's CPU is not what the conversion is for: its Gemm is as fast as its Conv, or faster. This shows what a user
pays who runs the converted file there.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime as ort

from fc2conv_cli import FC2ConvError, convert
from fc2conv_cli.verification.inputs import Recipe, sample
from fc2conv_cli.verification.runner import Runner

SAMPLES = Path(__file__).parent.parent / "sample_models"
DEFAULT = [SAMPLES / name for name in ("digits_cnn.onnx", "vgg_head.onnx", "mlp.onnx")]
ROUNDS, FEWEST_ROUNDS = 60, 5
SECONDS_OF_A_ROUND = 0.005


def loaded(path: Path, threads: int) -> ort.InferenceSession:
    """A session with onnxruntime's usual optimisations; 0 threads are its own choice."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def seconds(session: ort.InferenceSession, feeds: dict[str, np.ndarray], runs: int) -> float:
    """Seconds of one run, over so many in a row."""
    started = time.perf_counter()
    for _ in range(runs):
        session.run(None, feeds)
    return (time.perf_counter() - started) / runs


def compare(
    original: Path, converted: Path, batch: int, threads: int, seconds_in_all: float = math.inf
) -> tuple[float, float, float]:
    """Median seconds of a run of each, every symbolic dim being `batch`, and the median ratio of all turns that fit."""
    ports = Runner(original).inputs
    sizes = {dim: batch for port in ports for dim in port.shape or () if isinstance(dim, str)}
    feeds = sample(ports, sizes, Recipe(limit=2), (0,))
    sessions = [loaded(path, threads) for path in (original, converted)]
    slowest = max(seconds(session, feeds, 3) for session in sessions)
    runs = max(1, int(SECONDS_OF_A_ROUND / slowest))
    turns = min(ROUNDS, max(FEWEST_ROUNDS, seconds_in_all / (2 * runs * slowest)))
    rounds = [[seconds(session, feeds, runs) for session in sessions] for _ in range(int(turns))]
    ours, theirs = (statistics.median(column) for column in zip(*rounds, strict=True))
    return ours, theirs, statistics.median(after / before for before, after in rounds)


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", type=Path, default=DEFAULT)
    parser.add_argument("--batch", nargs="+", type=int, default=[1, 16])
    parser.add_argument("--threads", type=int, default=1, help="0: as onnxruntime chooses")
    given = parser.parse_args()
    print("| model | batch | original, us | converted, us | ratio |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for model in given.models:
            converted = Path(folder) / model.name
            try:
                convert(model, converted)
            except FC2ConvError as error:
                sys.exit(f"latency.py: {error}")
            for batch in given.batch:
                before, after, ratio = compare(model, converted, batch, given.threads)
                print(f"| {model.stem} | {batch} | {before * 1e6:.0f} | {after * 1e6:.0f} | {ratio:.2f} |")


if __name__ == "__main__":
    main()
