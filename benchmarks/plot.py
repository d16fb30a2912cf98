"""Results as a picture: ``plot.py RESULTS.json OUT.svg``, in the environment that has matplotlib."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

Row = dict[str, Any]
GROUP = 0.8
"""What the bars of a model take of the room that it has."""


def timed(rows: list[Row]) -> list[Row]:
    """The rows that have a cost beside that of cp."""
    return [row for row in rows if row["ratios"] and row["tool"] != "cp"]


def wall(row: Row) -> float:
    """Wall seconds over those of cp."""
    return statistics.median(row["ratios"])


def memory(row: Row) -> float:
    """Peak memory, in MB."""
    return statistics.median(row["peaks"]) / 1e6


def unchanged(row: Row) -> float:
    """The share of layers that are still there; all of them where there is no good result."""
    return 1.0 if row["fault"] else (row["left"] or 0) / max(1, row["layers"])


def left(rows: list[Row]) -> dict[str, float]:
    """By tool, the percentage of layers that are left, a mean over models; of tools whose results were looked at."""
    looked = [row for row in rows if row["layers"] is not None or row["fault"]]
    tools = dict.fromkeys(row["tool"] for row in looked)
    return {tool: 100 * statistics.mean(unchanged(row) for row in looked if row["tool"] == tool) for tool in tools}


def bars(axes: Any, rows: list[Row], value: Callable[[Row], float]) -> None:
    """A group of bars for each model, a bar for each tool; around the number of the model, in the order of tools."""
    models = list(dict.fromkeys(row["model"] for row in rows))
    tools = list(dict.fromkeys(row["tool"] for row in rows))
    width = GROUP / max(1, len(tools))
    for number, tool in enumerate(tools):
        mine = {row["model"]: row for row in rows if row["tool"] == tool}
        places = [i + (number - (len(tools) - 1) / 2) * width for i, model in enumerate(models) if model in mine]
        shown = [mine[model] for model in models if model in mine]
        drawn = axes.bar(places, [value(row) for row in shown], width, label=tool)
        for patch, row in zip(drawn, shown, strict=True):
            patch.set_hatch("//" if row["fault"] else "")
    axes.set_xticks(range(len(models)), models, rotation=20, ha="right", fontsize=7)


def draw(rows: list[Row], target: Path) -> None:
    """Draw wall time and memory beside cp, and the layers that are left."""
    import matplotlib.pyplot as plt

    plt.rcParams["svg.hashsalt"] = "fc2conv"  # the same picture is the same file
    figure, (times, peaks, layers) = plt.subplots(3, 1, figsize=(8, 9), layout="constrained")
    bars(times, timed(rows), wall)
    times.set(yscale="log", ylim=(1, None), title="wall time over that of cp (hatched: no good result)")
    bars(peaks, timed(rows), memory)
    peaks.set(yscale="log", ylim=(10, None), title="peak memory, MB")
    shares = left(rows)
    layers.barh(list(shares)[::-1], list(shares.values())[::-1])
    layers.set(xlim=(0, 100), title="fully connected layers left, % (mean over models)")
    if timed(rows):
        times.legend(fontsize=7, ncols=3)
    figure.savefig(target, metadata={"Date": None})


if __name__ == "__main__":
    draw(json.loads(Path(sys.argv[1]).read_text())["rows"], Path(sys.argv[2]))
