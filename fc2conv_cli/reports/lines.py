"""Lines and tables of text that all reports for people are made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rich.console import Console
from rich.text import Text

from fc2conv_cli.reports.columns import Columns
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


def lines(console: Console, said: Iterable[str]) -> None:
    """Lines all at once: one by one, thousands take Rich five times as long."""
    line(console, Text("\n".join(map(printable, said))))


def notes(console: Console, said: Iterable[str]) -> None:
    """Notes, each on a line."""
    lines(console, (f"note: {note}" for note in said))


def seconds(console: Console, spent: Mapping[str, float]) -> None:
    """How long each stage took, on one line."""
    if spent:
        line(console, f"seconds: {', '.join(f'{stage} {count:.3f}' for stage, count in spent.items())}")


def table(*columns: str) -> Columns:
    """An empty table without borders."""
    made = Columns()
    for column in columns:
        made.add_column(column, right=column in _NUMBERS)
    return made
