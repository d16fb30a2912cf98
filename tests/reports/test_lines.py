from __future__ import annotations

import io

from rich.console import Console

from fc2conv_cli.reports.lines import line, lines, notes, table


def test_lines_are_not_wrapped_and_no_markup() -> None:
    console = Console(file=(out := io.StringIO()), width=20)
    line(console, "[bold]a long line that is searched for[/nonsense]")
    line(console, "")
    notes(console, ["one", "two"])
    notes(console, [])
    lines(console, ["[i]this one is long too, and next to no other", "x"])
    assert out.getvalue() == (
        "[bold]a long line that is searched for[/nonsense]\nnote: one\nnote: two\n"
        "[i]this one is long too, and next to no other\nx\n"
    )


def test_numbers_are_to_the_right() -> None:
    rows = table("output", "max |delta|")
    rows.add_row("y", "1")
    console = Console(file=(out := io.StringIO()), width=80)
    console.print(rows)
    assert out.getvalue().splitlines()[1].rstrip() == "y                 1"
