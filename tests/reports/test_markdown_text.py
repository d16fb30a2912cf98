from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from fc2conv_cli.reports.markdown_text import escaped
from fc2conv_cli.reports.printable import printable


@given(st.text("a1 `*_{}[]<>()#|~!&$@\\\n", max_size=20))
def test_it_is_shown_as_it_is(text: str) -> None:
    (_, inline, _) = MarkdownIt("commonmark").parse(f"x{escaped(text)}x")
    assert "".join(child.content for child in inline.children or ()) == f"x{' '.join(printable(text).split())}x"


def test_nobody_is_mentioned_and_no_row_ends() -> None:
    assert escaped("@you | a\nb") == "\\@you \\| a\\\\nb"
