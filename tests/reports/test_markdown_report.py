from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from helpers import model, random, save, value
from markdown_it import MarkdownIt
from onnx import helper
from samples import NASTY, different, inspected, left, without_an_output, written

from fc2conv_cli import inspect
from fc2conv_cli.reports.markdown_report import render
from fc2conv_cli.reports.printable import printable


def cells(text: str) -> list[list[str]]:
    """The rows of all tables as GitHub reads them."""
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    rows: list[list[str]] = []
    for token in tokens:
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline" and rows and token.level >= 4:
            rows[-1].append("".join(child.content for child in token.children or ()))
    return rows


def test_outputs_are_a_table(tmp_path: Path) -> None:
    text = render(different(tmp_path))
    header, row, *figures = cells(text)
    assert [len(each) for each in figures] == [8, 8]
    assert figures[0][0] == "output"
    assert text.startswith("### ❌ ")
    assert dict(zip(header, row, strict=True))["verdict"] == "DIFFERENT"
    assert (row[0], row[1]) == ("y", "float32")


def test_layers_and_their_verdict(tmp_path: Path) -> None:
    text = render(written(tmp_path))
    assert text.startswith("### ✅ ")
    assert [row[0] for row in cells(text)][:1] == ["layer"]
    assert "Written: " in text
    assert "FC2C-OVERRIDABLE-WEIGHT" in render(left(tmp_path))
    assert "is missing from the converted model" in render(without_an_output(tmp_path))


@pytest.mark.parametrize("make", [inspected, different])
def test_no_name_is_markup(tmp_path: Path, make) -> None:  # type: ignore[no-untyped-def]
    row = cells(render(make(tmp_path, name=NASTY)))[1]
    assert row[0] == printable(NASTY)


def test_long_tables_are_cut(tmp_path: Path) -> None:
    values = ["x", *(f"v{i}" for i in range(209)), "y"]
    nodes = [helper.make_node("MatMul", [a, "w"], [b]) for a, b in pairwise(values)]
    proto = model(nodes, [value("x", ["N", 2])], [value("y", ["N", 2])], {"w": random((2, 2))})
    text = render(inspect(save(proto, tmp_path / "m.onnx")))
    assert len(cells(text)) == 201
    assert "... and 10 more" in text
