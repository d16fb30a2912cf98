"""Deviation by layer, for people and for machines."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from layer_models import pair, with_wrong_weight, without_notes
from networks import mlp

from fc2conv_cli import Settings, verify
from fc2conv_cli.reports import console
from fc2conv_cli.reports.json import render as render_json
from fc2conv_cli.reports.words import layers_beside_outputs
from fc2conv_cli.verification.layer_report import LayerReport, LayersReport
from fc2conv_cli.verification.metrics import Deviation, Tolerance
from fc2conv_cli.verification.report import VerifyReport

TOLERANCE = Tolerance(0.0, 1e-5)


def deviation(share: float) -> Deviation:
    return Deviation(share, 1.0, None, None, None, share <= 1e-5)


def row(name: str, entire: float | None, single: float | None, *notes: str) -> LayerReport:
    measured = [None if share is None else deviation(share) for share in (entire, single)]
    return LayerReport(name, "Gemm", "Conv 1x1", (3, 8), (3, 4), "float32", TOLERANCE, *measured, notes)


def text(*rows: LayerReport, verbose: bool = False, color: bool = False, notes: tuple[str, ...] = ()) -> str:
    layers = LayersReport("notes", rows, 2, notes=notes)
    report = VerifyReport(Path("a.onnx"), Path("b.onnx"), 0, 4, (), 2, (), per_layer=layers)
    return console.render(report, width=None, color=color, verbose=verbose)


def test_the_first_that_diverges_alone_is_named_with_shapes_and_spelling() -> None:
    shown = text(row("a", 1e-7, 1e-7), row("b", 0.1, 1e-7), row("c", 0.5, 0.25), row("d", 0.5, 0.5))
    assert (
        "first layer that diverges: c: Gemm -> Conv 1x1, [3, 8] -> [3, 4], "
        "single 0.25 (0.25 of max |ref|), entire 0.5 (0.5 of max |ref|)\n"
    ) in shown
    verdicts = [line.split("  ")[-1].strip() for line in shown.split("\n") if line[:1] in "abcd" and "Gemm" in line][:4]
    assert verdicts == ["same", "inherited", "DIVERGES", "DIVERGES"]


def test_where_each_agrees_alone_the_fault_is_before() -> None:
    shown = text(row("a", 1e-7, 1e-7), row("b", 0.1, 1e-7))
    assert "first layer that diverges: b:" in shown
    assert "the fault is in what stands before this one" in shown


def test_where_all_agree_that_is_said() -> None:
    assert "no layer diverges\n" in text(row("a", 0.0, 0.0), row("b", 1e-7, 1e-8))
    assert "no layer diverges (1 not measured)" in text(row("a", 0.0, 0.0), row("b", None, None, "cannot be run"))
    assert "b: cannot be run" in text(row("b", None, None, "cannot be run"))


@pytest.mark.parametrize(
    ("outputs", "single", "words"),
    [
        (True, 0.5, "the outputs agree all the same"),
        (False, 0.0, "the outputs differ all the same: the fault is behind the last layer"),
        (True, 0.0, None),
        (False, 0.5, None),
    ],
)
def test_where_layers_and_outputs_do_not_tell_the_same(outputs: bool, single: float, words: str | None) -> None:
    layers = LayersReport("notes", (row("a", 0.0, single),), 2, tells_all=True)
    failures = () if outputs else ("output 'y' is missing",)
    report = VerifyReport(Path("a.onnx"), Path("b.onnx"), 0, 4, (), 2, (), failures, per_layer=layers)
    assert report.passed == outputs  # layers do not decide
    shown = console.render(report, width=None, color=False, verbose=False)
    assert ("all the same" in shown) == (words is not None)
    assert words is None or words in shown


@pytest.mark.parametrize(("data", "hint"), [(None, "--seed draws others"), ("in.npz", "--samples takes more of them")])
def test_behind_the_last_layer_is_said_only_if_the_inputs_that_differ_were_compared(
    data: str | None, hint: str
) -> None:
    layers = LayersReport("notes", (row("a", 0.0, 0.0),), 2)
    where = None if data is None else Path(data)
    report = VerifyReport(Path("a"), Path("b"), 0, 4, (), 2, (), ("no 'y'",), data=where, per_layer=layers)
    said = layers_beside_outputs(report)
    assert said.endswith(f"inputs that show it are not among those compared layer by layer ({hint})")
    assert "behind the last layer" not in said


def bars(shown: str) -> list[int]:
    _, _, plot = shown.partition("is what is allowed\n")
    return [
        line.count("#")
        for line in plot.split("\n")
        if line.strip() and not line.startswith(("first", "the ", "verdict"))
    ]


def test_bars_are_as_long_as_the_logarithm_says() -> None:
    lengths = bars(text(row("a", 1e-9, 0.0), row("b", 1e-6, 1e-3), row("c", 1.0, math.inf)))
    assert lengths == [1, 0, 16, 31, 47, 47]  # of 48 columns for nine decades, and the mark of the tolerance takes one


def test_the_scale_widens_for_what_is_off_it() -> None:
    assert "log scale from 1e-12 to 1e+03" in text(row("a", 3e-12, 0.0), row("b", 400.0, 1e-3))


def test_a_terminal_gets_blocks_and_colours() -> None:
    assert "█" in text(row("a", 1e-3, 1e-3), color=True)
    assert "\x1b[31m" in text(row("a", 1e-3, 1e-3), color=True)
    assert "█" not in text(row("a", 1e-3, 1e-3))


def test_numbers_are_whole_on_a_narrow_terminal() -> None:
    layers = LayersReport("notes", (row("a_layer_with_a_rather_long_name", 1.23e-7, 4.56e-7),), 2)
    report = VerifyReport(Path("a.onnx"), Path("b.onnx"), 0, 4, (), 2, (), per_layer=layers)
    shown = console.render(report, width=80, color=False, verbose=False)
    table = shown.partition("deviation / max")[0]
    assert "1.23e-07  4.56e-07  same" in table
    assert "…" not in shown


def test_long_tables_are_cut_but_for_the_one_that_matters() -> None:
    rows = [row(f"layer{i}", 0.5 if i > 55 else 0.0, 0.5 if i == 56 else 0.0) for i in range(60)]
    shown = text(*rows)
    assert "... and 20 more (-v lists all)" in shown
    assert "layer56  Gemm" in shown
    assert "layer50" not in shown
    assert "layer50" in text(*rows, verbose=True)


def test_rounding_that_grows_is_no_divergence() -> None:
    grown = replace(row("b", 1e-4, 1e-7), noise=5e-5)
    assert (grown.is_rounding, grown.differs) == (True, False)
    shown = text(row("a", 1e-7, 1e-7), grown)
    assert "no layer diverges; 1 outside of tolerance by rounding that grows in the original too" in shown
    assert "  rounding\n" in shown
    assert replace(grown, noise=1e-5).differs
    assert replace(row("b", 1e-4, 1e-4), noise=1.0).diverges  # alone there is nothing to grow from


def test_notes_are_printed() -> None:
    assert "note: nothing to compare by layer" in text(notes=("nothing to compare by layer",))


@pytest.mark.parametrize("notes", [True, False])
def test_the_data_in_json(tmp_path: Path, notes: bool) -> None:
    original, right = pair(mlp(3), tmp_path)
    wrong = with_wrong_weight(right, "MatMul2")
    report = verify(original, wrong if notes else without_notes(right), per_layer=True, settings=Settings(samples=1))
    data = json.loads(render_json(report))
    assert data["first_to_diverge"] == ("MatMul2" if notes else None)
    assert data["per_layer_basis"] == ("notes" if notes else "names")
    assert data["per_layer_runs"] == 3
    first = data["per_layer"][0]
    if not notes:
        assert first["single"] is None
        return
    assert (first["name"], first["spelling"], first["becomes"]) == ("Gemm0", "Gemm", "Conv 1x1")
    assert first["input_shape"][1] == first["output_shape"][1] == 16
    assert first["entire"]["passed"]
    assert first["single"]["max_relative"] < 1e-5
    assert [layer["diverges"] for layer in data["per_layer"]] == [False, True, False]
    assert "per_layer" not in json.loads(render_json(verify(original, right)))
