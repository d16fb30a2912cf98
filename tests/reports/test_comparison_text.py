from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console
from samples import by_layer, different, written

from fc2conv_cli.reports.comparison_text import steps, verify


def text(report: Any, show: Any = verify, *, verbose: bool = False) -> str:
    console = Console(file=(out := io.StringIO()), width=150)
    show(console, report, verbose=verbose)
    return out.getvalue()


@pytest.fixture(scope="module")
def wrong(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return by_layer(tmp_path_factory.mktemp("wrong"))


def test_the_verdict_is_the_last_line(wrong: Any) -> None:
    lines = text(wrong).splitlines()
    assert lines[0].endswith(f"against {wrong.original}")
    assert lines[-2].startswith("first layer that diverges: MatMul2: ")
    assert lines[-1] == "verdict: DIFFERENT"


def test_figures_and_costs_are_for_who_asks(wrong: Any) -> None:
    assert "SQNR dB" not in text(wrong)
    shown = text(wrong, verbose=True)
    assert "SQNR dB" in shown
    assert "original: loaded in " in shown


def test_how_to_find_the_layer(tmp_path: Any) -> None:
    assert "fc2conv verify --per-layer tells which layer diverges first\nverdict: DIFFERENT" in text(
        different(tmp_path)
    )
    assert "--per-layer" not in text(different(tmp_path, 1.0))


def test_an_export_that_is_at_fault_is_named(tmp_path: Any) -> None:
    good = different(tmp_path, 1.0)
    bad = replace(good, export=different(tmp_path))
    assert text(bad).endswith(
        "verdict: DIFFERENT: it is the export that does not agree with PyTorch, not the rewrite\n"
    )
    assert "export deviation, PyTorch to exported ONNX: 0 of max |ref|, same in 9 runs" in text(
        replace(good, export=good)
    )


def test_the_comparison_alone_has_no_verdict_line(tmp_path: Any) -> None:
    assert "verdict:" not in text(written(tmp_path).verification, steps)
