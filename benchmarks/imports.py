"""What fc2conv imports for a conversion, package by package: how long the modules of each take to load.

A tiny model is converted and verified under `python -X importtime` a few times. The time of a module is its own,
without that of the modules that it imports, so that the rows of the table add up. Python takes
longer when it is asked for this, so the shares say more than the milliseconds.
"""

from __future__ import annotations

import datetime
import platform
import re
import statistics
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks import arguments
from benchmarks.machine import machine
from benchmarks.measuring import Limits, run
from benchmarks.page import put

ROOT = Path(__file__).parent.parent
BEGIN = "<!-- written by python -m benchmarks.imports -->"
END = "<!-- end of what is written by benchmarks.imports -->"
PYTHON, REST = "Python's own modules", "no import: Python's start, converting, verifying"
SMALL, NOT_WORTH_A_NAME = 0.01, 0.001
"""Shares of all imports: packages that take less have a row together, or are only counted in it."""

Modules = Mapping[str, float]
"""Seconds by module."""


def modules(said: str) -> dict[str, float]:
    """The modules that ``-X importtime`` told of, and the seconds of each alone; anything may stand between."""
    lines = re.findall(r"^import time: +(\d+) \| +\d+ \| +(\S+)$", said, re.M)
    found: dict[str, float] = {}
    for microseconds, name in lines:  # what fails at first, or is reloaded, is told of twice
        found[name] = found.get(name, 0.0) + int(microseconds) / 1e6
    return found


def package(module: str) -> str:
    """The package of a module as a reader knows it."""
    top = module.partition(".")[0]
    if top in sys.stdlib_module_names or top.startswith("_sysconfigdata_"):  # the one is named for the system
        return PYTHON
    return "google.protobuf" if top == "google" else top


def by_package(found: Modules) -> dict[str, float]:
    """Seconds of each package."""
    sums: dict[str, float] = {}
    for module, seconds in found.items():
        sums[package(module)] = sums.get(package(module), 0.0) + seconds
    return sums


def table(runs: Sequence[tuple[Modules, float]]) -> str:
    """The table, from the modules of each run and its seconds in all: medians, the slowest package first."""
    sums = [by_package(found) for found, _ in runs]
    names = dict.fromkeys(name for found in sums for name in found)
    medians = {name: statistics.median(found.get(name, 0.0) for found in sums) for name in names}
    counts = {name: len({module for found, _ in runs for module in found if package(module) == name}) for name in names}
    total = statistics.median(sum(found.values()) for found in sums)
    whole = statistics.median(seconds for _, seconds in runs)
    rows = ["| package | modules | ms | share of imports |", "|---|---|---|---|"]
    rows += _rows(medians, counts, total)
    rows.append(f"| **all imports** | {sum(counts.values()):,} | {1e3 * total:,.0f} | 100 % |")
    rows.append(f"| {REST} | | {1e3 * max(0.0, whole - total):,.0f} | |")
    return "\n".join(rows)


def _rows(medians: Modules, counts: Mapping[str, int], total: float) -> Iterator[str]:
    """A row for each package that counts, and one for all the others."""
    ordered = sorted(medians, key=lambda name: -medians[name])
    large = [name for name in ordered if medians[name] >= SMALL * total]
    for name in large:
        yield _row(_shown(name), counts[name], medians[name], total)
    if small := ordered[len(large) :]:
        named = [name for name in small if medians[name] >= NOT_WORTH_A_NAME * total]
        said = ", ".join(map(_shown, named))
        if len(named) < len(small):
            said += f"{' and ' if said else ''}smaller ones ({len(small) - len(named)})"
        yield _row(said, sum(counts[name] for name in small), sum(medians[name] for name in small), total)


def _row(said: str, count: int, seconds: float, total: float) -> str:
    return f"| {said} | {count:,} | {1e3 * seconds:,.0f} | {100 * seconds / total if total else 0:.0f} % |"


def _shown(name: str) -> str:
    return name if name == PYTHON else f"`{name}`"


def measure(runs: int, model: Path) -> list[tuple[Modules, float]]:
    """Convert a model so many times, after once to have its modules compiled and in memory."""
    found: list[tuple[Modules, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "out.onnx"
        convert = ["-m", "fc2conv_cli", "convert", model, "-o", output, "--force"]
        command = [sys.executable, "-X", "importtime", *convert]
        for _ in range(runs + 1):
            cost = run(command, Path(folder) / "log", Limits(600.0), {"PYTHONPATH": str(ROOT)})
            if cost.fault:
                sys.exit(f"{' '.join(map(str, command))}: {cost.fault}")
            found.append((modules(cost.said), cost.seconds))
    return found[1:]


def page(runs: Sequence[tuple[Modules, float]]) -> str:
    """What goes into the page: when and where, and the table."""
    today = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    times = "one run" if len(runs) == 1 else f"medians of {len(runs)} runs"
    where = f"Measured {today} on {machine()}; Python {platform.python_version()}, {times}, each module without"
    return f"{where} those that it imports.\n\n{table(runs)}"


def main(words: Sequence[str] | None = None) -> None:
    """Measure, print, and write the page if one is named."""
    parser = arguments.parser("benchmarks.imports", __doc__ or "")
    parser.add_argument(
        "--runs", metavar="N", type=arguments.some, default=5, help="conversions (default: %(default)s)"
    )
    parser.add_argument("--page", metavar="FILE", type=Path, help="put the table into this page, between markers")
    given = parser.parse_args(words)
    text = page(measure(given.runs, ROOT / "sample_models" / "mlp.onnx"))
    if given.page is not None:
        put(given.page, text, BEGIN, END, "## Start")
    print(text)


if __name__ == "__main__":
    main()
