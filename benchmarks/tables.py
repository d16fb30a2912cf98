"""Results as Markdown: one table of what became of the layers, one of each model, one of what it cost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmarks.results import Results, Row, median

GOOD = """*Good* is a result that loads, agrees with the original in onnxruntime on our own inputs, and passes
`fc2conv verify`. A layer of a model without a good result counts as left. Layout nodes are Transpose, Reshape, Flatten,
Squeeze and Unsqueeze; a negative number says that there are fewer than before. Latency is onnxruntime's on one thread,
result over original, where anything was converted."""
COST = """Cost: medians; tools took turns with `cp`, and ratios are of the same turn. What gave no good result, or took
over a minute, ran once, and so does the row *verified* on big models. The least peak
memory that can be seen is some 10 MB."""
UNTIMED = "No cost: none of these models is one that tools are timed on (`--list` marks those)."
START = 10_000_000
"""Bytes of a model below which its memory is that of starting the tool."""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)


def _looked_at(row: Row) -> bool:
    return row.layers is not None or bool(row.fault)


def summary(results: Results) -> str:
    """A row a tool, over all models."""
    converting = results.tools(lambda row: row.layers is not None)
    converting += [tool for tool in results.tools(lambda row: row.fault) if tool not in converting]
    layers = {row.model: row.layers for row in results.rows if row.layers is not None}
    head = ["tool", "models", "good results", "no result", "wrong or unloadable", "FC layers left, of",
            "layout nodes added per layer converted", "latency, median ratio"]  # fmt: skip
    return table(head, [_summary(tool, results.of(tool), layers) for tool in converting])


def _summary(tool: str, rows: list[Row], layers: dict[str, int | None]) -> list[str]:
    good = [row for row in rows if row.good]
    bad = [row for row in rows if row.fault and row.layers is not None]
    of = sum(layers.get(row.model) or 0 for row in rows)
    left = sum(row.left or 0 for row in good) + sum(layers.get(row.model) or 0 for row in rows if row.fault)
    converted = [row for row in good if row.layers != row.left]
    nodes, done = (
        sum(row.layout or 0 for row in converted),
        sum((row.layers or 0) - (row.left or 0) for row in converted),
    )
    latency = [row.latency for row in converted if row.latency is not None]
    return [
        tool, str(len(rows)), str(len(good)), str(len(rows) - len(good) - len(bad)), str(len(bad)), f"{left} of {of}",
        f"{nodes / done:+.1f}" if done else "-", f"{median(latency):.2f}" if latency else "-",
    ]  # fmt: skip


def outcomes(results: Results) -> str:
    """A row a model: layers left, layout nodes added and latency of each tool."""
    tools = results.tools(lambda row: row.layers is not None or row.fault)
    rows = []
    for model in results.models(_looked_at):
        cells = [results.row(model, tool) for tool in tools]
        layers = next((row.layers for row in cells if row and row.layers is not None), None)
        rows.append([model, "?" if layers is None else str(layers), *map(_outcome, cells)])
    return table(["model", "FC layers", *tools], rows)


def _outcome(row: Row | None) -> str:
    if row is None or not _looked_at(row):
        return "-"
    if row.fault:
        return f"**{_short(row)}**"
    if row.left == row.layers:
        return f"all {row.left} left"
    latency = "" if row.latency is None else f", {row.latency:.2f}x"
    return f"{row.left} left, {row.layout:+d}{latency}"


def _short(row: Row) -> str:
    if row.layers is None:
        return "no result"
    return row.fault.partition(":")[0]


def costs(results: Results) -> str:
    """A row a model and tool that was timed."""
    head = ["model", "size", "tool", "runs", "wall", "x cp", "processor", "peak memory", "x size"]
    timed = [row for row in results.rows if row.seconds]
    return table(head, [_cost(row, first=i == 0 or timed[i - 1].model != row.model) for i, row in enumerate(timed)])


def _cost(row: Row, *, first: bool) -> list[str]:
    peak = median(row.peaks)
    marked = f"{row.tool} ({_short(row)})" if row.fault else row.tool
    return [
        row.model if first else "", megabytes(row.size) if first else "", marked, str(len(row.seconds)),
        f"{median(row.seconds):.2f} s", f"{median(row.ratios):.1f}" if row.ratios else "-", f"{median(row.cpu):.2f} s",
        megabytes(peak), f"{peak / row.size:.2f}" if row.size > START else "-",
    ]  # fmt: skip


def megabytes(count: float) -> str:
    """Bytes as MB of a million."""
    return f"{count / 1e6:.0f} MB" if count >= 1e6 else f"{count / 1e6:.2f} MB"


def faults(results: Results) -> str:
    """What tools said where they gave no good result, each sentence once."""
    said: dict[str, list[str]] = {}
    for row in results.rows:
        if row.fault:
            said.setdefault(f"{row.tool}: {row.fault}", []).append(row.model)
    return "\n".join(f"- {text} ({'; '.join(models)})" for text, models in said.items())


def page(results: Results, plot: str | None) -> str:
    """All of it."""
    versions = ", ".join(f"{name} {version}" for name, version in results.versions.items())
    cost = [COST, costs(results)] if any(row.seconds for row in results.rows) else [UNTIMED]
    parts = [
        f"Measured {results.date} on {results.machine}; {versions}.",
        table(["tool", "how it was run"], results.how.items()),
        GOOD,
        summary(results),
        f"![Layers left, and cost beside cp]({plot})" if plot else "",
        "Each model: layers left, layout nodes added, latency.",
        outcomes(results),
        *cost,
        faults(results),
        "\n".join(f"- {note}" for note in results.notes),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"
