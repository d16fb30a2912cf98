from __future__ import annotations

import io
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from helpers import model, save, value
from rich.console import Console
from samples import by_layer, different, written

from fc2conv_cli import Settings
from fc2conv_cli import verify as compared
from fc2conv_cli.reports.cases import cases
from fc2conv_cli.reports.comparison_text import _output_row, steps, verify
from fc2conv_cli.verification.feeding import Feeding


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


def elementwise(tmp_path: Path) -> Any:
    """The largest difference, 0.01 of 1000, is fine there; that of 0.001 of 0.01 is not."""
    node = onnx.helper.make_node("Mul", ["x", "c"], ["y"])
    ours, theirs = (np.array(c, np.float32) for c in ([1000, 0.01], [1000.01, 0.011]))
    paths = [
        save(model([node], [value("x", [2])], [value("y", [2])], {"c": c}), tmp_path / f"{name}.onnx")
        for name, c in (("a", ours), ("b", theirs))
    ]
    feeding = Feeding(distribution="ones")
    return compared(*paths, settings=Settings(elementwise=True, atol=1e-5, rtol=1e-3, feeding=feeding))


def test_a_row_is_about_one_element(tmp_path: Path) -> None:
    report = elementwise(tmp_path)
    (output,) = report.outputs
    assert output.worst.max_abs == pytest.approx(0.01, rel=0.1)
    assert output.worst.index == (1,)
    assert output.delta == pytest.approx(0.001, rel=0.01)
    row = next(line for line in str(report).splitlines() if line.startswith("y "))
    assert row.split()[2:4] == ["0.001", "2e-05"]
    (case,) = cases(report)
    assert "|delta| 0.001, allowed 2e-05" in case.message


def test_noise_that_excuses_nothing_is_a_dash_with_its_meaning(tmp_path: Path) -> None:
    report = different(tmp_path)
    for excess, cell in ((math.inf, "-"), (0.0, ""), (2.5, "2.5"), (None, "")):
        shown = replace(report, outputs=(replace(report.outputs[0], excess=excess),))
        assert _output_row(shown.outputs[0])[5] == cell
        assert ("x noise -: " in str(shown)) == (cell == "-")
