"""What was measured, as records that can be saved and read again."""

from __future__ import annotations

import dataclasses
import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Row:
    """One tool on one model.

    Attributes:
        model: Name of the model.
        tool: Name of the tool.
        size: Bytes of the model and its data.
        fault: Why there is no result, or why it is no good; empty if it is good.
        layers: Fully connected layers of the original; None if the result was not looked at.
        left: Those that the result still has.
        layout: Layout nodes of the result minus those of the original.
        latency: Seconds of a run of the result in onnxruntime over those of the original.
        seconds: Wall seconds of each run that was timed.
        cpu: Processor seconds of each.
        peaks: Peak memory of each, in bytes.
        ratios: Wall seconds of each over those of ``cp`` in the same turn.
    """

    model: str
    tool: str
    size: int
    fault: str = ""
    layers: int | None = None
    left: int | None = None
    layout: int | None = None
    latency: float | None = None
    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    peaks: list[int] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether there is a result that computes the same."""
        return not self.fault


@dataclass(frozen=True)
class Results:
    """All rows, in the order in which models and tools were given, and where they come from."""

    date: str
    machine: str
    versions: dict[str, str]
    how: dict[str, str]
    rows: list[Row]
    notes: list[str] = field(default_factory=list)

    def of(self, tool: str) -> list[Row]:
        """The rows of a tool."""
        return [row for row in self.rows if row.tool == tool]

    def tools(self, where: Callable[[Row], object]) -> list[str]:
        """Tools that have such a row, in order."""
        return list(dict.fromkeys(row.tool for row in self.rows if where(row)))

    def models(self, where: Callable[[Row], object]) -> list[str]:
        """Models that have such a row, in order."""
        return list(dict.fromkeys(row.model for row in self.rows if where(row)))

    def row(self, model: str, tool: str) -> Row | None:
        """The row of a tool on a model."""
        return next((row for row in self.rows if (row.model, row.tool) == (model, tool)), None)


def median(values: Sequence[float]) -> float:
    """The median of at least one value."""
    return statistics.median(values)


def save(results: Results, path: Path) -> None:
    """Write them as JSON."""
    path.write_text(json.dumps(dataclasses.asdict(results), indent=1))


def load(path: Path) -> Results:
    """Read what `save` wrote."""
    saved: dict[str, Any] = json.loads(path.read_text())
    return Results(**{**saved, "rows": [Row(**row) for row in saved["rows"]]})
