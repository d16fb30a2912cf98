"""What fc2conv may cost, beside what it does: ``python -m benchmarks.bars [--page docs/performance.md]``.

A bar is a few seconds and a multiple of copying the file: the rewrite moves no arithmetic, so it should cost about as
much as a copy. Each command runs in turns with `cp`, with the same pause before both: a host takes pages back that a
deleted file leaves, and a copy right after a deletion looks faster than it is.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks import models
from benchmarks.measuring import Cost, Limits, run
from benchmarks.page import put

ROOT = Path(__file__).parent.parent
BEGIN, END = "<!-- written by python -m benchmarks.bars -->", "<!-- end of what is written by benchmarks.bars -->"
MB, LARGEST = 10**6, 4 * 8192 * 8192
PAUSE = 2.0


@dataclass(frozen=True)
class Bar:
    """One row: what is converted, how, and what it may take, given the seconds of `cp` and the bytes of the model."""

    what: str
    model: str
    options: tuple[str, ...]
    seconds: Callable[[float], float] | None = None
    memory: Callable[[int], float] | None = None
    runs: int = 5


def _fixed(limit: float) -> Callable[[float], float]:
    return lambda cp: limit


BARS = (
    Bar(
        "external data, weights stay as they are",
        "external_out_in",
        ("--no-verify",),
        lambda cp: 1.0 + 1.5 * cp,
        lambda size: 200 * MB,
    ),
    Bar(
        "external data, weights are transposed",
        "external_in_out",
        ("--no-verify",),
        lambda cp: 1.0 + 4 * cp,
        lambda size: 200 * MB + 2 * LARGEST,
    ),
    Bar("one file", "vgg11", ("--no-verify",), lambda cp: 1.2 + 6 * cp, lambda size: 150 * MB + 2.2 * size),
    Bar(
        "one file, weights are transposed",
        "one_file_in_out",
        ("--no-verify",),
        lambda cp: 1.2 + 6 * cp,
        lambda size: 150 * MB + 2.2 * size,
    ),
    Bar("`--share-weights`", "external_out_in", ("--no-verify", "--share-weights"), _fixed(1.0)),
    Bar("16,000 nodes, 8,000 layers", "deep", ("--no-verify",), _fixed(12.0)),
    Bar("8,000 nodes, 4,000 layers", "half_as_deep", ("--no-verify",)),
    Bar("a tiny model, verified", "mlp", (), _fixed(1.2)),
    Bar("verified", "vgg11", ("--samples", "1"), runs=2),
    Bar("verified, one model in memory at a time", "vgg11", ("--samples", "1", "--low-memory"), runs=2),
    Bar("weights are transposed", "four_gb_in_out", ("--no-verify",), runs=1),
    Bar("verified, one model in memory at a time", "four_gb_in_out", ("--samples", "1", "--low-memory"), runs=1),
)


def _model(name: str, folder: Path) -> Path:
    path = folder / f"{name}.onnx"
    if name == "mlp":
        shutil.copyfile(ROOT / "sample_models" / "mlp.onnx", path)
    elif not path.exists() and name in ("deep", "half_as_deep"):
        models.write_one_file(path, *models.chain(8000 if name == "deep" else 4000, 8, transposed=False))
    elif not path.exists():
        models.MODELS[name](path)
    return path


def _copy(path: Path, folder: Path) -> Cost:
    """Copy the larger of the two files of a model."""
    data = path.with_name(f"{path.name}.data")
    return _timed(["cp", data if data.exists() else path, folder / "copy"], folder)


def _timed(command: list[str | Path], folder: Path) -> Cost:
    folder.mkdir()
    time.sleep(PAUSE)
    cost = run(command, folder.parent / "log", Limits(600.0), {"PYTHONPATH": str(ROOT)})
    shutil.rmtree(folder)
    for left in folder.parent.glob("out.onnx*"):
        left.unlink()
    if cost.fault:
        sys.exit(f"{' '.join(map(str, command))}: {cost.fault}")
    return cost


def measure(bar: Bar, folder: Path, runs: int) -> str:
    """A row of the table: medians of so many runs, `cp` and the command in turns."""
    path = _model(bar.model, folder)
    output = folder / "out.onnx" if "--share-weights" in bar.options else folder / "work" / "out.onnx"
    command = [sys.executable, "-m", "fc2conv_cli", "convert", path, "-o", output, "-q", *bar.options]
    copies: list[Cost] = []
    costs: list[Cost] = []
    for _ in range(runs):
        copies.append(_copy(path, folder / "work"))
        costs.append(_timed(list(command), folder / "work"))
    cp, seconds = (statistics.median(c.seconds for c in some) for some in (copies, costs))
    peak = statistics.median(c.peak for c in costs)
    data = path.with_name(f"{path.name}.data")
    size = (data if data.exists() else path).stat().st_size
    allowed = None if bar.seconds is None else bar.seconds(cp)
    room = None if bar.memory is None else bar.memory(size)
    cells = (
        bar.what,
        f"{size / MB:,.1f} MB" if size >= MB else f"{size / 1000:,.0f} kB",
        f"{cp:.2f}",
        _beside(seconds, allowed, "{:.2f}"),
        _beside(peak / MB, None if room is None else room / MB, "{:,.0f}"),
        str(runs),
    )
    return f"| {' | '.join(cells)} |"


def _beside(value: float, allowed: float | None, form: str) -> str:
    if allowed is None:
        return form.format(value)
    shown = f"{form.format(value)} of {form.format(allowed)}"
    return shown if value <= allowed else f"**{shown}**"


def main() -> None:
    """Measure all bars, or those of the models that are named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "names", nargs="*", metavar="MODEL", help=f"of {', '.join(dict.fromkeys(b.model for b in BARS))}"
    )
    parser.add_argument("--folder", type=Path, default=Path.home() / ".cache" / "fc2conv-benchmarks" / "bars")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--page", type=Path)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    rows = ["| what | weights | cp, s | fc2conv, s | peak, MB | runs |", "|---|---|---|---|---|---|"]
    for bar in BARS:
        if not given.names or bar.model in given.names:
            rows.append(measure(bar, given.folder.resolve(), min(bar.runs, given.runs)))
            print(rows[-1], flush=True)
    if given.page is not None:
        put(given.page, "\n".join(rows), BEGIN, END, "## What it may cost")


if __name__ == "__main__":
    main()
