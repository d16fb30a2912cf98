"""One model: each tool once, its result judged; then those that gave a good one in turns with ``cp``."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.catalog import Model
from benchmarks.environments import Environment
from benchmarks.measuring import Cost, Limits, run
from benchmarks.peers import COPY, ROOT, Tool, files_of
from benchmarks.results import Row

SLOW = 60.0
"""Seconds from which one run has to do."""
JUDGING = Limits(seconds=600.0)


@dataclass(frozen=True)
class Comparison:
    """How to compare.

    Attributes:
        homes: The environment of each tool.
        folder: Where results are written, on the same disk as the models.
        limits: What a conversion may take.
        runs: How often what is timed runs.
    """

    homes: Mapping[str, Environment | None]
    folder: Path
    limits: Limits
    runs: int

    def rows(self, model: Model, tools: Sequence[Tool]) -> list[Row]:
        """A row for each tool that has anything to say about a model."""
        size = sum(path.stat().st_size for path in files_of(model.path))
        rows = []
        for tool in tools:
            if tool.converts or model.timed:
                print(f"{model.name}: {tool.name}", file=sys.stderr)
                rows.append(self._once(model, tool, Row(model.name, tool.name, size)))
        return self._timed(model, {tool.name: tool for tool in tools}, rows) if model.timed else rows

    def _once(self, model: Model, tool: Tool, row: Row) -> Row:
        """The first run: what comes of it, and what it cost."""
        home = self.homes.get(tool.name)
        if home is not None and home.fault:
            return replace(row, fault=home.fault)
        with self._target(model) as target:
            cost = self._run(model, tool, target)
            if cost.fault or not target.exists():
                row = replace(row, fault=cost.fault or f"wrote nothing: {_last(cost.said)}")
            elif tool.converts:
                row = replace(row, **_judged(model, target))
        return _with(row, cost) if model.timed else row

    def _timed(self, model: Model, tools: Mapping[str, Tool], rows: list[Row]) -> list[Row]:
        """The same, with more runs in turns for those that are worth it; their first one was a warm-up."""
        worth = [row.tool for row in rows if row.good and row.seconds and row.seconds[0] <= SLOW]
        worth = [name for name in worth if not (model.heavy and tools[name].once_on_heavy)]
        done = {row.tool: replace(row, seconds=[], cpu=[], peaks=[]) if row.tool in worth else row for row in rows}
        for _ in range(self.runs):
            copied = None
            for name in worth:
                os.sync()  # or one tool pays for writing what another one left
                with self._target(model) as target:
                    cost = self._run(model, tools[name], target)
                if cost.fault:
                    done[name] = replace(done[name], fault=cost.fault)
                    continue
                copied = cost.seconds if name == COPY else copied
                done[name] = _with(done[name], cost, copied)
        return list(done.values())

    def _run(self, model: Model, tool: Tool, target: Path) -> Cost:
        command = tool.command(self.homes.get(tool.name), model.path, target)
        return run(command, target.parent.with_suffix(".log"), self.limits, tool.variables)

    @contextmanager
    def _target(self, model: Model) -> Iterator[Path]:
        """A place for a result, which goes afterwards."""
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        try:
            yield folder / model.path.name
        finally:
            shutil.rmtree(folder)
            folder.with_suffix(".log").unlink(missing_ok=True)


def _with(row: Row, cost: Cost, copied: float | None = None) -> Row:
    ratios = [*row.ratios, cost.seconds / copied] if copied else row.ratios
    return replace(
        row,
        seconds=[*row.seconds, cost.seconds],
        cpu=[*row.cpu, cost.cpu],
        peaks=[*row.peaks, cost.peak],
        ratios=ratios,
    )


def _judged(model: Model, target: Path) -> dict[str, Any]:
    """What is in a result, as fields of a row."""
    out, log = target.with_suffix(".json"), target.with_suffix(".log")
    command = [sys.executable, "-m", "benchmarks.judging", str(model.path), str(target), str(out)]
    if model.heavy:
        command += ["--samples", "1"]
    cost = run(command, log, JUDGING, {"PYTHONPATH": str(ROOT)})
    if cost.fault:
        return {"fault": f"cannot be judged: {cost.fault}"}
    judgement = json.loads(out.read_text())
    return {key: judgement[key] for key in ("fault", "layers", "left", "layout", "latency")}


def _last(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1][:160] if lines else "nothing said"
