"""Results as a picture: ``plot.py RESULTS.json OUT.svg``, in the environment that has matplotlib."""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt

Row = dict[str, Any]


def unchanged(row: Row) -> float:
    """The share of layers that are still there; all of them where there is no good result."""
    return 1.0 if row["fault"] else row["left"] / max(1, row["layers"])


def bars(axes: Any, rows: list[Row], models: list[str], value: Any) -> None:
    """A group of bars for each model, a bar for each tool."""
    tools = list(dict.fromkeys(row["tool"] for row in rows))
    width = 0.8 / max(1, len(tools))
    for number, tool in enumerate(tools):
        mine = {row["model"]: row for row in rows if row["tool"] == tool}
        places = [i + (number - (len(tools) - 1) / 2) * width for i, model in enumerate(models) if model in mine]
        shown = [mine[model] for model in models if model in mine]
        drawn = axes.bar(places, [value(row) for row in shown], width, label=tool)
        for patch, row in zip(drawn, shown, strict=True):
            patch.set_hatch("//" if row["fault"] else "")
    axes.set_xticks(range(len(models)), models, rotation=20, ha="right", fontsize=7)


def main() -> None:
    """Draw wall time and memory beside cp, and the layers that are left."""
    rows: list[Row] = json.loads(Path(sys.argv[1]).read_text())["rows"]
    timed = [row for row in rows if row["ratios"] and row["tool"] != "cp"]
    models = list(dict.fromkeys(row["model"] for row in timed))
    plt.rcParams["svg.hashsalt"] = "fc2conv"  # the same picture is the same file
    figure, (wall, memory, layers) = plt.subplots(3, 1, figsize=(8, 9), layout="constrained")
    bars(wall, timed, models, lambda row: statistics.median(row["ratios"]))
    wall.set(yscale="log", ylim=(1, None), title="wall time over that of cp (hatched: no good result)")
    bars(memory, timed, models, lambda row: statistics.median(row["peaks"]) / 1e6)
    memory.set(yscale="log", ylim=(10, None), title="peak memory, MB")
    looked = [row for row in rows if row["layers"] is not None or row["fault"]]
    for row in looked:
        row["layers"], row["left"] = row["layers"] or 1, row["left"] or 0
    tools = list(dict.fromkeys(row["tool"] for row in looked))
    share = [100 * statistics.mean(unchanged(row) for row in looked if row["tool"] == tool) for tool in tools]
    layers.barh(tools[::-1], share[::-1])
    layers.set(xlim=(0, 100), title="fully connected layers left, % (mean over models)")
    wall.legend(fontsize=7, ncols=3)
    figure.savefig(sys.argv[2], metadata={"Date": None})


if __name__ == "__main__":
    main()
