"""Run fc2conv and the tools that one might take instead over the same models, and write what came of it.

Each result is loaded, run and compared with the original; time and memory are measured in turns with cp. Tables,
plot and the data behind them are left in the folder. The first run installs the other tools and writes the models:
some 3 GB and 1.4 GB. benchmarks/README.md says what is compared, and how.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import os
import platform
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks import arguments, catalog, page, tables
from benchmarks.comparing import Comparison
from benchmarks.environments import environment
from benchmarks.machine import machine
from benchmarks.measuring import Limits
from benchmarks.peers import COPY, OURS, TOOLS, homes
from benchmarks.results import Results, Row, load, save

HERE = Path(__file__).parent


def _tools(text: str) -> tuple[str, ...]:
    """The tools that are named; the name of one of them has a comma in it."""
    known = [tool.name for tool in TOOLS]
    pattern = "|".join(re.escape(name) for name in sorted(known, key=len, reverse=True))
    found = re.findall(rf"\s*({pattern})\s*(?:[,;]|$)", text)
    if not found or re.sub(rf"\s*({pattern})\s*(?:[,;]|$)", "", text):
        raise argparse.ArgumentTypeError(f"{text!r}: the tools are {'; '.join(known)}")
    return tuple(found)


def _given() -> argparse.Namespace:
    """What the user wants."""
    parser = arguments.parser("benchmarks", __doc__ or "")
    add = parser.add_argument
    add("models", nargs="*", metavar="MODEL", help="run these models only; all of --list if none is named")
    add("--list", action="store_true", help="print the names of models, which are timed, and of tools; measure nothing")
    add("--quick", action="store_true", help="run the sample models at fixed sizes only, three times each")
    add(
        "--tools",
        metavar="NAME,NAME",
        type=_tools,
        default=(),
        help="run these tools only, with commas or semicolons between; cp runs in any case",
    )
    add("--runs", metavar="N", type=arguments.some, help="timed runs of each (default: 5)")
    add(
        "--timeout",
        metavar="SECONDS",
        type=float,
        default=Limits.seconds,
        help="stop a conversion after this time, and call that its result (default: %(default)g)",
    )
    add(
        "--memory",
        metavar="GIB",
        type=float,
        default=Limits.memory / 2**30,
        help="give a conversion no more memory than this (default: %(default)g)",
    )
    add("--page", metavar="FILE", type=Path, help="put the tables and the plot into this page too, between markers")
    add("--again", action="store_true", help="write the tables and the plot of the last results; measure nothing")
    add(
        "--folder",
        metavar="FOLDER",
        type=Path,
        default=arguments.CACHE,
        help="where environments, models and results are kept (default: %(default)s)",
    )
    return parser.parse_args()


def names(quick: bool) -> list[str]:
    """Every model that can be named, or those of a quick run."""
    plain = [model.name for model in catalog.samples()]
    fixed = [f"{name}, fixed" for name in plain]
    return fixed if quick else [*plain, *fixed, *catalog.BIG, *catalog.ZOO]


def can_be_made(name: str) -> bool:
    """Whether there is such a model; a name with a dot may be one of the zoo's."""
    return name in {*names(quick=False), *catalog.GENERATED} or "." in name


def chosen(wanted: list[str], folder: Path) -> tuple[list[catalog.Model], str]:
    """The models of these names, made where they are not there yet; what there is to say of missing ones."""
    here = folder / "models"
    (here / "fixed").mkdir(parents=True, exist_ok=True)
    zoo = [name for name in wanted if name in catalog.ZOO or "." in name]
    known = {model.name: model for model in [*catalog.samples(), *catalog.fixed_samples(here / "fixed")]}
    found = [known[name] for name in wanted if name in known]
    found += [catalog.big(name, here) for name in wanted if name in catalog.GENERATED]
    exported, said = catalog.zoo(zoo, here, folder) if zoo else ([], "")
    return [*found, *exported], said


def versions(tools: list[str]) -> dict[str, str]:
    """Versions of Python, the runtime, and the tools by their pins."""
    found = {"Python": platform.python_version()}
    found |= {name: importlib.metadata.version(name) for name in ("onnx", "onnxruntime", "numpy")}
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, cwd=HERE, check=False
    )
    found[OURS] = commit.stdout.strip() or importlib.metadata.version(OURS)
    for name, package in (("onnxsim", "onnxsim"), ("ONNXifier", "onnxifier"), ("Olive", "olive-ai")):
        pins = (HERE / f"peers-{name.lower()}.txt").read_text()
        if name in tools:
            found[name] = re.findall(rf"^{package}==(.*)$", pins, re.M)[0]
    return found


def measure(given: argparse.Namespace) -> Iterator[Results]:
    """Run everything; what is known after each model, so that nothing is lost when it is stopped."""
    wanted = given.models or names(given.quick)
    tools = [tool for tool in TOOLS if not given.tools or tool.name in (COPY, *given.tools)]
    unknown = [name for name in given.models if not can_be_made(name)]
    if unknown:
        sys.exit(f"no model {', '.join(unknown)}; --list names them.")
    given.folder.mkdir(parents=True, exist_ok=True)
    models, said = chosen(wanted, given.folder)
    missing = [name for name in given.models if name not in [model.name for model in models]]
    if missing:
        sys.exit(f"no model {', '.join(missing)}; --list names them. {said}")
    limits = Limits(given.timeout, int(given.memory * 2**30))
    how = {tool.name: tool.how for tool in tools}
    today, found = datetime.datetime.now(tz=datetime.UTC).date().isoformat(), versions(list(how))
    runs = given.runs or (3 if given.quick else 5)
    with tempfile.TemporaryDirectory(dir=given.folder) as work:
        comparison = Comparison(homes(tools, given.folder), Path(work), limits, runs)
        rows: list[Row] = []
        for model in models:
            rows += comparison.rows(model, tools)
            yield Results(today, machine(), found, how, rows, [said] if said else [])


def draw(results: Path, target: Path, cache: Path) -> bool:
    """Draw the plot, where matplotlib can be had and anything was timed."""
    home = environment("plot", cache)
    if home.fault:
        print(f"no plot: matplotlib {home.fault}", file=sys.stderr)
        return False
    command = [home.program("python"), HERE / "plot.py", results, target]
    return subprocess.run(command, check=False).returncode == 0


def main() -> None:
    """Measure, write, print."""
    given = _given()
    given.folder = given.folder.resolve()
    if given.list:
        known = [*names(quick=False), *sorted(set(catalog.GENERATED) - set(catalog.BIG))]
        print("\n".join(f"{name} (timed)" if catalog.is_timed(name) else name for name in known))
        print(f"\ntools: {'; '.join(tool.name for tool in TOOLS)}")
        return
    saved = given.folder / "results.json"
    if given.again and not saved.exists():
        sys.exit(f"nothing was measured yet: {saved} does not exist")
    if not given.again:
        for results in measure(given):
            save(results, saved)
    results = load(saved)
    plot = (given.page or saved).with_suffix(".svg")
    text = tables.page(results, plot.name if draw(saved, plot, given.folder) else None)
    saved.with_suffix(".md").write_text(text)
    if given.page:
        page.put(given.page, text)
    try:
        print(text, flush=True)
    except BrokenPipeError:  # the reader (head, less) has gone; Python would complain again when it closes stdout
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)


if __name__ == "__main__":
    main()
