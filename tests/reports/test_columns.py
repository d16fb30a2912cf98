"""Tables as Rich lays them out, whatever stands in the cells."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fc2conv_cli.reports.columns import Columns

CELLS = st.one_of(
    st.from_regex(r"[a-z0-9_/.]{0,30}", fullmatch=True),
    st.lists(st.sampled_from(["a", "word", "[N, 64, 1, 1]", "layer/名前", "é", "x" * 40, "[b]", "\t"]), max_size=6).map(
        " ".join
    ),
    st.sampled_from(
        ["two\nlines", "\x07bell", "", " ", "1,234,567", "ends in blanks  ", "  begins", "👍🏽", "a\u200bb"]
    ),
)
VERDICTS = st.sampled_from(["same", "DIFFERENT", "", "not compared"])


def printed(what: Columns | Table, width: int, *, color: bool = False) -> list[str]:
    out = io.StringIO()
    Console(file=out, width=width, highlight=False, emoji=False, force_terminal=color, no_color=not color).print(what)
    return [line.rstrip() for line in out.getvalue().splitlines()]


def both(names: Sequence[str], rows: Sequence[Sequence[str | Text]], **kinds: Sequence[int]) -> tuple[Columns, Table]:
    """A table of ours and one of Rich's; `right` and `cut` say which columns are of that kind."""
    ours = Columns()
    theirs = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for number, name in enumerate(names):
        right, cut = number in kinds.get("right", ()), number in kinds.get("cut", ())
        ours.add_column(name, right=right, fold=not cut)
        how = {"overflow": "ellipsis", "no_wrap": True} if cut else {"overflow": "fold"}
        theirs.add_column(name, justify="right" if right else "left", **how)  # type: ignore[arg-type]
    for row in rows:
        ours.add_row(*row)
        theirs.add_row(*(cell if isinstance(cell, Text) else Text(cell) for cell in row))
    return ours, theirs


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(CELLS, CELLS, CELLS, VERDICTS), max_size=6), st.integers(60, 150))
def test_any_table_is_laid_out_as_rich_does(rows: list[tuple[str, ...]], width: int) -> None:
    ours, theirs = both(["layer", "in", "a longer name", "verdict"], rows, right=[1, 2], cut=[3])
    assert printed(ours, width) == printed(theirs, width)


@pytest.mark.parametrize("width", [1, 5, 12])
def test_there_may_be_no_room_at_all(width: int) -> None:
    ours, _ = both(["layer", "in", "verdict"], [("a name", "64", "same")], right=[1])
    assert printed(ours, width)


def test_header_and_styled_cells_have_their_colours() -> None:
    ours, theirs = both(
        ["output", "verdict"], [("y", Text("same", style="green")), ("z", Text("DIFFERENT", "bold red"))]
    )
    lines = printed(ours, 80, color=True)
    assert lines[0].startswith("\x1b[1moutput")
    assert lines[1:] == ["y       \x1b[32msame     \x1b[0m", "z       \x1b[1;31mDIFFERENT\x1b[0m"]
    plain = [re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip() for line in lines]
    assert plain == printed(theirs, 80)


def test_rich_is_asked_for_nothing_by_the_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a table of ten thousand rows takes ten seconds: wrapping is left to Rich only where a cell does not fit."""
    wrapped: list[str] = []
    wrap = Text.wrap
    monkeypatch.setattr(Text, "wrap", lambda self, *args, **how: wrapped.append(self.plain) or wrap(self, *args, **how))
    rows = [(f"layer{i}", "64", "[N, 64, 1, 1]") for i in range(1000)]
    rows[500] = ("a name as long as that of no other layer of this network", "64", "[N, 64, 1, 1]")
    ours, _ = both(["layer", "in", "reads"], rows, right=[1])
    assert len(printed(ours, 60)) == 1002
    assert [text for text in wrapped if text] == [rows[500][0]]
