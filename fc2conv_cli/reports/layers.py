"""A comparison layer by layer as text: a table, a plot of deviations on a log scale, and the first that diverges."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from fc2conv_cli.reports.columns import Columns
from fc2conv_cli.reports.lines import line, notes, plain
from fc2conv_cli.reports.printable import printable
from fc2conv_cli.reports.words import first_layer, number
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
        line(console, f"layer by layer in {report.engine}: {len(report.layers)} {what}, {runs}")
        rows = report.layers if verbose else _cut(report)
        console.print(_table(rows, report, console.width))
        if len(rows) < len(report.layers):
            line(console, f"  ... and {len(report.layers) - len(rows)} more (-v lists all)")
        _plot(console, rows)
    for row in report.layers:
        for note in row.notes:
            line(console, f"{row.name}: {note}")
    notes(console, report.notes)
    line(console, first_layer(report), style="green" if report.agrees else "bold red")


def _cut(report: LayersReport) -> Sequence[LayerReport]:
    """The first rows, and the one that matters if it is further down."""
    rows, first = report.layers[:_LISTED_ROWS], report.first
    return rows if first is None or first in rows else (*rows[:-1], first)


def _table(rows: Sequence[LayerReport], report: LayersReport, width: int) -> Columns:
    """What was measured of each layer; shares are left out where there is no room, since the plot has them."""
    named, narrow = report.basis == "names", width < _WIDE
    table = Columns()
    for column in ("value" if named else "layer", "was", "becomes", "reads", "writes", "type"):
        if not (named and column == "reads"):
            table.add_column(column)
    kinds = ("entire",) if named else ("entire", "single")
    for kind in kinds:
        table.add_column(kind, right=True, fold=False)
        if not narrow:
            table.add_column("/ max |ref|", right=True, fold=False)
    table.add_column("verdict", fold=False)
    for row in rows:
        cells = [row.name, row.spelling, row.becomes, *([] if named else [_shape(row.reads)]), _shape(row.writes)]
        figures = [cell for kind in kinds for cell in _figures(getattr(row, kind))[: 1 if narrow else 2]]
        table.add_row(*map(printable, (*cells, row.dtype, *figures)), _verdict(row))
    return table


def verdict(row: LayerReport) -> str:
    """What came of a layer: ``inherited`` is a deviation that came in with its input."""
    if not row.measured:
        return "not measured"
    if row.diverges:
        return "DIVERGES"
    if row.differs:
        return "inherited"
    return "rounding" if row.is_rounding else "same"


_STYLES = {"DIVERGES": "bold red", "inherited": "red", "rounding": "yellow", "same": "green"}


def _verdict(row: LayerReport) -> Text:
    said = verdict(row)
    return plain(said, style=_STYLES.get(said, ""))


def _figures(deviation: Deviation | None) -> tuple[str, str]:
    return ("", "") if deviation is None else (number(deviation.max_abs), number(deviation.max_relative))


def _shape(shape: tuple[int, ...] | None) -> str:
    return "" if shape is None else str(list(shape))


def _plot(console: Console, rows: Sequence[LayerReport]) -> None:
    """A bar for each deviation, and where the tolerance is."""
    shown = [row for row in rows if row.measured]
    if not shown:
        return
    low, high = _scale(shown)
    width = max(len(printable(row.name)) for row in shown)
    mark = "█" if console.is_terminal else "#"
    line(console, f"deviation / max |ref|, log scale from 1e{low:+03d} to 1e{high:+03d}; | is what is allowed")
    for row in shown:
        name = printable(row.name)
        for kind, deviation in (("entire", row.entire), ("single", row.single)):
            if deviation is None:
                continue
            bar = _bar(_length(deviation.max_relative, low, high), _length(_allowed(row, deviation), low, high), mark)
            excused = deviation.passed or (deviation is row.entire and row.is_rounding)
            style = "" if excused else "red"
            text = plain(f"{name:{width}}  {kind}  ") + plain(bar, style=style)
            line(console, text + plain(f"  {number(deviation.max_relative)}"))
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
