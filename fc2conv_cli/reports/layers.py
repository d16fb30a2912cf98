"""A comparison layer by layer as text: a table, a plot of deviations on a log scale, and the first that diverges."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fc2conv_cli.verification.layer_report import LayerReport, LayersReport
from fc2conv_cli.verification.metrics import Deviation

_LISTED_ROWS = 40
"""Rows before table and plot are cut; ``-v`` and JSON have them all."""
_WIDE = 120
"""Columns that the whole table takes."""
_BAR = 48
"""Columns of the longest bar."""
_LOWEST, _HIGHEST = -9, 0
"""Decades that the scale has at least."""


def show(console: Console, report: LayersReport, *, verbose: bool) -> None:
    """Print it all.

    Args:
        console: Where to.
        report: The comparison.
        verbose: Whether to show every layer.
    """
    what = "values of the same name" if report.basis == "names" else "layers"
    if report.layers:
        runs = f"{report.runs} {'run' if report.runs == 1 else 'runs'}"
        _line(console, f"layer by layer in {report.engine}: {len(report.layers)} {what}, {runs}")
        rows = report.layers if verbose else _cut(report)
        console.print(_table(rows, report, console.width))
        if len(rows) < len(report.layers):
            _line(console, f"  ... and {len(report.layers) - len(rows)} more (-v lists all)")
        _plot(console, rows)
    for row in report.layers:
        for note in row.notes:
            _line(console, f"{row.name}: {note}")
    for note in report.notes:
        _line(console, f"note: {note}")
    if report.layers and report.runs:
        _line(console, _conclusion(report))


def beside_outputs(report: LayersReport, *, agrees: bool) -> str:
    """What is to be said where layers and outputs do not tell the same; they decide nothing, the outputs do."""
    if not report.layers or not report.runs or agrees == report.agrees:
        return ""
    if agrees:
        return "the outputs agree all the same: on these inputs what diverges is lost before it reaches one"
    return "the outputs differ all the same: the fault is behind the last layer, or other inputs show it (--seed)"


def _cut(report: LayersReport) -> Sequence[LayerReport]:
    """The first rows, and the one that matters if it is further down."""
    rows, first = report.layers[:_LISTED_ROWS], report.first
    return rows if first is None or first in rows else (*rows[:-1], first)


def _conclusion(report: LayersReport) -> Text:
    first, what = report.first, "value" if report.basis == "names" else "layer"
    if first is None:
        left, rounding = sum(not row.measured for row in report.layers), sum(row.is_rounding for row in report.layers)
        missing = f" ({left} not measured)" if left else ""
        grown = f"; {rounding} outside of tolerance by rounding that grows in the original too" if rounding else ""
        return Text(f"no {what} diverges{missing}{grown}", style="green")
    change = first.spelling if first.spelling == first.becomes else f"{first.spelling} -> {first.becomes}"
    reads = "" if first.reads is None else f"{list(first.reads)} -> "
    writes = "" if first.writes is None else str(list(first.writes))
    by = ", ".join(
        f"{kind} {_number(d.max_abs)} ({_number(d.max_relative)} of max |ref|)"
        for kind, d in (("single", first.single), ("entire", first.entire))
        if d is not None
    )
    text = f"first {what} that diverges: {first.name}: {change}, {reads}{writes}, {by}"
    if not first.diverges:
        text += "; each layer agrees on the original's own input, so the fault is in what stands before this one"
    return Text(text, style="bold red")


def _table(rows: Sequence[LayerReport], report: LayersReport, width: int) -> Table:
    """What was measured of each layer; shares are left out where there is no room, since the plot has them."""
    named, narrow = report.basis == "names", width < _WIDE
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in ("value" if named else "layer", "was", "becomes", "reads", "writes", "type"):
        if not (named and column == "reads"):
            table.add_column(column, overflow="fold")
    kinds = ("entire",) if named else ("entire", "single")
    for kind in kinds:
        table.add_column(kind, justify="right", no_wrap=True)
        if not narrow:
            table.add_column("/ max |ref|", justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for row in rows:
        cells = [row.name, row.spelling, row.becomes, *([] if named else [_shape(row.reads)]), _shape(row.writes)]
        figures = [cell for kind in kinds for cell in _figures(getattr(row, kind))[: 1 if narrow else 2]]
        table.add_row(*map(Text, (*cells, row.dtype, *figures)), _verdict(row))
    return table


def _verdict(row: LayerReport) -> Text:
    if not row.measured:
        return Text("not measured")
    if row.diverges:
        return Text("DIVERGES", style="bold red")
    if row.differs:
        return Text("differs before", style="red")
    return Text("rounding", style="yellow") if row.is_rounding else Text("same", style="green")


def _figures(deviation: Deviation | None) -> tuple[str, str]:
    return ("", "") if deviation is None else (_number(deviation.max_abs), _number(deviation.max_relative))


def _shape(shape: tuple[int, ...] | None) -> str:
    return "" if shape is None else str(list(shape))


def _plot(console: Console, rows: Sequence[LayerReport]) -> None:
    """A bar for each deviation, and where the tolerance is."""
    shown = [row for row in rows if row.measured]
    if not shown:
        return
    low, high = _scale(shown)
    width = max(len(row.name) for row in shown)
    mark = "█" if console.is_terminal else "#"
    _line(console, f"deviation / max |ref|, log scale from 1e{low:+03d} to 1e{high:+03d}; | is what is allowed")
    for row in shown:
        name = row.name
        for kind, deviation in (("entire", row.entire), ("single", row.single)):
            if deviation is None:
                continue
            bar = _bar(_length(deviation.max_relative, low, high), _length(_allowed(row, deviation), low, high), mark)
            excused = deviation.passed or (deviation is row.entire and row.is_rounding)
            style = "" if excused else "red"
            text = Text(f"{name:{width}}  {kind}  ") + Text(bar, style=style)
            _line(console, text + Text(f"  {_number(deviation.max_relative)}"))
            name = ""


def _scale(rows: Sequence[LayerReport]) -> tuple[int, int]:
    values = [d.max_relative for row in rows for d in (row.entire, row.single) if d is not None]
    finite = [value for value in values if value > 0 and math.isfinite(value)]
    low = min([_LOWEST, *(math.floor(math.log10(value)) for value in finite)])
    return low, max([_HIGHEST, *(math.ceil(math.log10(value)) for value in finite)])


def _allowed(row: LayerReport, deviation: Deviation) -> float:
    """What the deviation over the largest reference value may be."""
    if not deviation.max_reference:
        return row.tolerance.rtol
    return row.tolerance.atol / deviation.max_reference + row.tolerance.rtol


def _length(value: float, low: int, high: int) -> int:
    """Columns of a bar; 0 only for 0."""
    if value <= 0:
        return 0
    if not math.isfinite(value):
        return _BAR
    share = (math.log10(value) - low) / (high - low)
    return max(1, min(_BAR, round(share * _BAR)))


def _bar(length: int, limit: int, mark: str) -> str:
    """A bar with the limit marked on it."""
    cells = [mark] * length + [" "] * (_BAR + 1 - length)
    if limit:
        cells[limit] = "|"
    return "".join(cells)


def _number(value: float) -> str:
    return "0" if value == 0 else f"{value:.3g}"


def _line(console: Console, text: Text | str) -> None:
    console.print(text if isinstance(text, Text) else Text(text), soft_wrap=True)
