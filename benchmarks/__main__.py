"""fc2conv beside other tools on the same models: ``python -m benchmarks`` from the root of the repository."""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import os
import platform
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks import catalog, page, tables
from benchmarks.comparing import Comparison
from benchmarks.environments import environment
from benchmarks.measuring import Limits
from benchmarks.peers import COPY, OURS, TOOLS, homes
from benchmarks.results import Results, Row, load, save

HERE = Path(__file__).parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "fc2conv-benchmarks"


def _tools(text: str) -> tuple[str, ...]:
    """The tools that are named; the name of one of them has a comma in it."""
    known = [tool.name for tool in TOOLS]
    pattern = "|".join(re.escape(name) for name in sorted(known, key=len, reverse=True))
    found = re.findall(rf"\s*({pattern})\s*(?:[,;]|$)", text)
    if not found or re.sub(rf"\s*({pattern})\s*(?:[,;]|$)", "", text):
        raise argparse.ArgumentTypeError(f"{text!r}: the tools are {'; '.join(known)}")
    return tuple(found)


def _some(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 up")
    return int(text)


def arguments() -> argparse.Namespace:
    """What the user wants."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("models", nargs="*", metavar="MODEL", help="only these, as --list names them")
    parser.add_argument("--list", action="store_true", help="print the names of models and tools")
    parser.add_argument("--quick", action="store_true", help="samples with fixed sizes only, three runs")
    parser.add_argument(
        "--tools", help="only these, by name, semicolon or comma between; cp is always run", type=_tools, default=()
    )
    parser.add_argument("--folder", type=Path, default=CACHE, help="for environments, models and results (%(default)s)")
    parser.add_argument("--runs", type=_some, help="timed runs (5)")
    parser.add_argument(
        "--timeout", type=float, default=Limits.seconds, help="seconds a conversion may take (%(default)s)"
    )
    parser.add_argument("--memory", type=float, default=Limits.memory / 2**30, help="GiB it may take (%(default)s)")
    parser.add_argument("--page", type=Path, help="write tables and plot into this page too, between markers")
    parser.add_argument(
        "--again", action="store_true", help="write tables and plot from the last results; measure nothing"
    )
    return parser.parse_args()


def names(quick: bool) -> list[str]:
    """Every model that can be named, or those of a quick run."""
    plain = [model.name for model in catalog.samples()]
    fixed = [f"{name}, fixed" for name in plain]
    return fixed if quick else [*plain, *fixed, *catalog.BIG, *catalog.ZOO]


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


def machine() -> str:
    """Processor, cores and system."""
    info = Path("/proc/cpuinfo")
    model = re.search(r"model name\s*: (.*)", info.read_text() if info.exists() else "")
    return f"{model[1] if model else platform.processor()}, {os.cpu_count()} cores, {platform.system()}"


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
    given = arguments()
    given.folder = given.folder.resolve()
    if given.list:
        print("\n".join([*names(quick=False), *(set(catalog.GENERATED) - set(catalog.BIG))]))
        print(f"\ntools: {'; '.join(tool.name for tool in TOOLS)}")
        return
    saved = given.folder / "results.json"
    if given.again and not saved.exists():
        sys.exit(f"nothing was measured yet: {saved} does not exist")
    if not given.again:
        given.folder.mkdir(parents=True, exist_ok=True)
        for results in measure(given):
            save(results, saved)
    results = load(saved)
    plot = (given.page or saved).with_suffix(".svg")
    text = tables.page(results, plot.name if draw(saved, plot, given.folder) else None)
    saved.with_suffix(".md").write_text(text)
    if given.page:
        page.put(given.page, text)
    print(text)


if __name__ == "__main__":
    main()
