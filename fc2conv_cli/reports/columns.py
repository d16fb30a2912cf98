"""Tables without borders, laid out as Rich's `Table` does it, of thousands of rows too.

Rich says how wide each column is, and folds whatever does not fit; a cell that fits, as nearly all do, is only padded
here. Rich itself makes and measures a dozen objects a cell, which takes a minute for a hundred thousand rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, JustifyMethod, OverflowMethod, RenderResult
from rich.measure import Measurement
from rich.segment import Segment
from rich.style import Style
from rich.table import Table
from rich.text import Text

_GAP = 2
"""Blanks between two columns."""
_HEADER = Style(bold=True)


class Columns:
    """A table that Rich can print. A cell is a string, or a `Text` of one style."""

    def __init__(self) -> None:
        """Begin without columns."""
        self._columns: list[_Column] = []
        self._rows: list[tuple[str | Text, ...]] = []

    def add_column(self, name: str, *, right: bool = False, fold: bool = True) -> None:
        """Add a column.

        Args:
            name: Its header.
            right: Whether it is aligned to the right, as numbers are.
            fold: Whether a cell may go on in the next line where there is no room; it is cut if not.
        """
        self._columns.append(_Column(name, "right" if right else "left", "fold" if fold else "ellipsis"))

    def add_row(self, *cells: str | Text) -> None:
        """Add a row with a cell for each column."""
        self._rows.append(cells)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Print header and rows."""
        widths = self._widths(console, options)
        header = self._lines(console, [column.name for column in self._columns], widths)
        yield from (Segment(segment.text, _HEADER) if segment.text != "\n" else segment for segment in header)
        for row in self._rows:
            yield from self._lines(console, row, widths)

    def _widths(self, console: Console, options: ConsoleOptions) -> list[int]:
        """What Rich makes of the widths that the columns would like to have: it narrows the widest if need be."""
        asked = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), show_header=False)
        probes = [_Probe(width) for width in self._wanted()]
        for column in self._columns:
            asked.add_column(no_wrap=column.overflow == "ellipsis")
        asked.add_row(*probes)
        for _ in console.render(asked, options):
            pass
        return [probe.given for probe in probes]

    def _wanted(self) -> Iterator[int]:
        for number, column in enumerate(self._columns):
            yield max(map(_width, (column.name, *(row[number] for row in self._rows))))

    def _lines(self, console: Console, row: Sequence[str | Text], widths: Sequence[int]) -> Iterator[Segment]:
        """A row, which takes several lines if a cell does."""
        cells = [
            column.lines(console, cell, width) for column, cell, width in zip(self._columns, row, widths, strict=True)
        ]
        styles = [console.get_style(cell.style) if isinstance(cell, Text) and cell.style else None for cell in row]
        for number in range(max(map(len, cells))):
            parts = [lines[number] if number < len(lines) else " " * w for lines, w in zip(cells, widths, strict=True)]
            yield from _styled(parts, styles)


class _Column:
    def __init__(self, name: str, justify: JustifyMethod, overflow: OverflowMethod) -> None:
        self.name, self.justify, self.overflow = name, justify, overflow

    def lines(self, console: Console, cell: str | Text, width: int) -> list[str]:
        """The lines of a cell, each as wide as the column."""
        plain = cell if isinstance(cell, str) else cell.plain
        if plain.isascii() and plain.isprintable() and len(plain) <= width and plain[-1:] != " ":
            return [plain.rjust(width) if self.justify == "right" else plain.ljust(width)]
        folds = self.overflow == "fold"
        wrapped = Text(plain).wrap(console, width, justify=self.justify, overflow=self.overflow, no_wrap=not folds)
        return [f"{line.plain}{' ' * (width - line.cell_len)}" for line in wrapped]


class _Probe:
    """A cell that asks Rich for a width, and notes the one that it gets."""

    def __init__(self, wanted: int) -> None:
        self.given = self._wanted = wanted

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(self._wanted, self._wanted)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        self.given = options.max_width
        yield Text()


def _width(cell: str | Text) -> int:
    plain = cell if isinstance(cell, str) else cell.plain
    if plain.isascii() and plain.isprintable():
        return len(plain)
    return max(map(cell_len, Text(plain).plain.splitlines()), default=0)


def _styled(parts: Sequence[str], styles: Sequence[Style | None]) -> Iterator[Segment]:
    """A line: one piece of text as far as nothing in it has a style."""
    gap, plain = " " * _GAP, ""
    for number, (part, style) in enumerate(zip(parts, styles, strict=True)):
        plain += gap if number else ""
        if style is None:
            plain += part
            continue
        yield Segment(plain)
        yield Segment(part, style)
        plain = ""
    yield Segment(plain)
    yield Segment.line()
