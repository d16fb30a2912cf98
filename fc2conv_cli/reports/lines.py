"""Lines and tables of text that all reports for people are made of."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fc2conv_cli.reports.printable import printable

_NUMBERS = {"in", "out", "params", "MACs", "max |delta|", "/ max |ref|", "allowed", "original", "converted"}
"""Columns that are aligned to the right."""


def plain(text: str, style: str = "") -> Text:
    """Text as it is, without markup; what does not print is escaped."""
    return Text(printable(text), style=style)


def line(console: Console, text: Text | str, style: str = "") -> None:
    """A line that the terminal may wrap but we do not, so that it can be searched for; nothing if it is empty."""
    if text:
        console.print(text if isinstance(text, Text) else plain(text, style), soft_wrap=True)


def notes(console: Console, said: Iterable[str]) -> None:
    """Notes, each on a line."""
    for note in said:
        line(console, f"note: {note}")


def table(*columns: str) -> Table:
    """An empty table without borders."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        made.add_column(column, justify="right" if column in _NUMBERS else "left", overflow="fold")
    return made
