"""What fc2conv may cost, and what it does.

A bar is a few seconds and a multiple of copying the file: the rewrite moves no arithmetic, so it should cost about as
much as a copy. Each command runs in turns with cp, with the same pause before both: a host takes pages back that a
deleted file leaves, and a copy right after a deletion looks faster than it is. The models are written at the first run
and kept: 7.5 GB in all.
"""

from __future__ import annotations

import shutil
import signal
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import arguments, models
from benchmarks.measuring import Cost, Limits, run
from benchmarks.page import put

ROOT = Path(__file__).parent.parent
BEGIN, END = "<!-- written by python -m benchmarks.bars -->", "<!-- end of what is written by benchmarks.bars -->"
HEAD = ("| what | weights | cp, s | fc2conv, s | peak, MB | runs |", "|---|---|---|---|---|---|")
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
        return path
    deep = {"deep": 8000, "half_as_deep": 4000}
    if name in deep:
        return models.write_once(
            path, lambda part: models.write_one_file(part, *models.chain(deep[name], 8, transposed=False))
        )
    return models.write_once(path, models.MODELS[name])


def _copy(path: Path, folder: Path) -> Cost:
    """Copy the larger of the two files of a model."""
    data = path.with_name(f"{path.name}.data")
    return _timed(["cp", data if data.exists() else path, folder / "copy"], folder)


def _timed(command: list[str | Path], folder: Path) -> Cost:
    folder.mkdir()
    try:
        time.sleep(PAUSE)
        cost = run(command, folder.parent / "log", Limits(600.0), {"PYTHONPATH": str(ROOT)})
    finally:
        _clear(folder)
    if cost.fault:
        sys.exit(f"{' '.join(map(str, command))}: {cost.fault}")
    return cost


def _clear(folder: Path) -> None:
    """Remove what a command wrote, also of one that was stopped."""
    shutil.rmtree(folder, ignore_errors=True)
    for left in (*folder.parent.glob("out.onnx*"), *folder.parent.glob(".fc2conv-*.onnx")):
        left.unlink()
    for left in (folder.parent / "part", *folder.parent.glob(".fc2conv-*")):
        shutil.rmtree(left, ignore_errors=True)


def measure(bar: Bar, folder: Path, runs: int) -> str:
    """A row of the table: so many runs of `cp` and of the command, in turns."""
    print(f"{bar.model}: {bar.what}", file=sys.stderr)
    path = _model(bar.model, folder)
    output = folder / "out.onnx" if "--share-weights" in bar.options else folder / "work" / "out.onnx"
    command = [sys.executable, "-m", "fc2conv_cli", "convert", path, "-o", output, "-q", *bar.options]
    copies: list[Cost] = []
    costs: list[Cost] = []
    for _ in range(runs):
        copies.append(_copy(path, folder / "work"))
        costs.append(_timed(list(command), folder / "work"))
    data = path.with_name(f"{path.name}.data")
    return row(bar, (data if data.exists() else path).stat().st_size, copies, costs)


def row(bar: Bar, size: int, copies: Sequence[Cost], costs: Sequence[Cost]) -> str:
    """What was measured on a model of that many bytes beside what is allowed: medians."""
    cp, seconds = (statistics.median(c.seconds for c in some) for some in (copies, costs))
    peak = statistics.median(c.peak for c in costs)
    allowed = None if bar.seconds is None else bar.seconds(cp)
    room = None if bar.memory is None else bar.memory(size)
    cells = (
        bar.what,
        f"{size / MB:,.1f} MB" if size >= MB else f"{size / 1000:,.0f} kB",
        f"{cp:.2f}",
        _beside(seconds, allowed, "{:.2f}"),
        _beside(peak / MB, None if room is None else room / MB, "{:,.0f}"),
        str(len(costs)),
    )
    return f"| {' | '.join(cells)} |"


def _beside(value: float, allowed: float | None, form: str) -> str:
    """A value beside its bar, in bold if it is over it."""
    if allowed is None:
        return form.format(value)
    shown = f"{form.format(value)} of {form.format(allowed)}"
    return shown if value <= allowed else f"**{shown}**"


def main(words: Sequence[str] | None = None) -> None:
    """Measure all bars, or those of the models that are named."""
    known = list(dict.fromkeys(bar.model for bar in BARS))
    parser = arguments.parser("benchmarks.bars", __doc__ or "")
    add = parser.add_argument
    add("names", nargs="*", metavar="MODEL", help=f"measure on these models only, of: {', '.join(known)}")
    add("--runs", metavar="N", type=arguments.some, default=5, help="runs; what takes long has fewer (default: 5)")
    add(
        "--page",
        metavar="FILE",
        type=Path,
        help="put the table into this page too, between markers; all models are run",
    )
    folder = arguments.CACHE / "bars"
    add("--folder", metavar="FOLDER", type=Path, default=folder, help="where models are kept (default: %(default)s)")
    given = parser.parse_args(words)
    if unknown := [name for name in given.names if name not in known]:
        parser.error(f"no model {', '.join(unknown)}; there are {', '.join(known)}")
    if given.page is not None and given.names:
        parser.error("--page: the table there has all models; name none")
    given.folder.mkdir(parents=True, exist_ok=True)
    _clear(given.folder / "work")
    rows = list(HEAD)
    print(*rows, sep="\n", flush=True)
    try:
        for bar in BARS:
            if not given.names or bar.model in given.names:
                rows.append(measure(bar, given.folder.resolve(), min(bar.runs, given.runs)))
                print(rows[-1], flush=True)
    except KeyboardInterrupt:
        _clear(given.folder / "work")
        print("interrupted; the rows above are measured, no page is written", file=sys.stderr)
        sys.exit(128 + signal.SIGINT)
    if given.page is not None:
        put(given.page, "\n".join(rows), BEGIN, END, "## What it may cost")


if __name__ == "__main__":
    main()
