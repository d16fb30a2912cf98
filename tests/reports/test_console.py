from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
from helpers import SAMPLES, matmul, model, random, save, value
from onnx import helper

from fc2conv_cli import convert, inspect, verify
from fc2conv_cli.reports.console import render
from fc2conv_cli.reports.json import render as render_json


def text(report: object, verbose: bool = False, width: int | None = None) -> str:
    return render(report, width=width, color=False, verbose=verbose)  # type: ignore[arg-type]


def test_one_table_says_what_became_of_each_layer(tmp_path: Path) -> None:
    shown = text(convert(SAMPLES / "digits_cnn.onnx", tmp_path / "out.onnx"))
    for words in ("2 fully connected layers, 2 become convolutions", "node_linear_1", "Conv 4x4", "same", "wrote"):
        assert words in shown
    assert "\x1b" not in shown


def test_a_terminal_gets_colours_and_its_width(tmp_path: Path) -> None:
    report = convert(SAMPLES / "digits_cnn.onnx", tmp_path / "out.onnx")
    shown = render(report, width=100, color=True, verbose=False)
    assert "\x1b[" in shown


def test_long_tables_are_cut_unless_verbose(tmp_path: Path) -> None:
    names = [f"v{i}" for i in range(60)]
    nodes = [
        helper.make_node("MatMul", [a, "w"], [b], name=f"layer{i}")
        for i, (a, b) in enumerate(zip(["x", *names], [*names, "y"], strict=True))
    ]
    proto = model(nodes, [value("x", ["N", 2])], [value("y", ["N", 2])], {"w": random((2, 2))})
    report = inspect(save(proto, tmp_path / "m.onnx"))
    assert "... and 21 more (-v lists all)" in text(report)
    assert "layer59" not in text(report)
    assert "layer60" in text(report, verbose=True)


def test_of_a_long_stretch_the_first_nodes_are_named(tmp_path: Path) -> None:
    def shown(relus: int) -> str:
        names = [*(f"v{i}" for i in range(relus)), "y"]
        nodes = [helper.make_node("MatMul", ["x", "w"], ["v0"], name="layer")]
        nodes += [helper.make_node("Relu", [a], [b], name=f"[{b}]") for a, b in itertools.pairwise(names)]
        proto = model(nodes, [value("x", [3, 2])], [value("y", [3, 2])], {"w": random((2, 2))})
        report = inspect(save(proto, tmp_path / "m.onnx"))
        lines = text(report, verbose=True).splitlines()
        at = lines.index(f"stays 4-D: layer layer and {relus} other nodes")
        assert json.loads(render_json(report))["stretches"][0]["nodes"] == [f"[{name}]" for name in names[1:]]
        return lines[at + 1]

    assert shown(20) == f"  {', '.join(f'[v{i}]' for i in range(1, 20))}, [y]"
    assert shown(23) == f"  {', '.join(f'[v{i}]' for i in range(1, 21))} ... and 3 more (JSON has all)"


def test_reasons_come_with_advice(tmp_path: Path) -> None:
    proto = matmul(["N", 4], random((4, 3)))
    proto.graph.input.append(value("w", [4, 3]))
    report = inspect(save(proto, tmp_path / "m.onnx"))
    assert "FC2C-OVERRIDABLE-WEIGHT" in text(report)
    assert "Give --freeze-inputs" in text(report)


def test_what_is_no_layer_is_counted_and_listed_when_verbose() -> None:
    report = inspect(SAMPLES / "transformer_encoder.onnx")
    assert "not a layer: 4 MatMul: both operands are computed at run time" in text(report)
    assert "node_MatMul_76" not in text(report)
    assert "node_MatMul_76" in text(report, verbose=True)


def test_a_report_prints_as_its_text(tmp_path: Path) -> None:
    report = convert(SAMPLES / "mlp.onnx", tmp_path / "out.onnx")
    assert str(report) == text(report)
    assert str(inspect(SAMPLES / "mlp.onnx")).startswith(str(SAMPLES / "mlp.onnx"))


@pytest.mark.parametrize("wrong", [False, True])
def test_a_verdict_for_each_output(tmp_path: Path, wrong: bool) -> None:
    ours = save(matmul(["N", 4], random((4, 3))), tmp_path / "a.onnx")
    theirs = save(matmul(["N", 4], random((4, 3)) * (1.0005 if wrong else 1)), tmp_path / "b.onnx")
    shown = text(verify(ours, theirs))
    assert ("DIFFERENT" in shown) == wrong
    assert "would pass with --rtol" not in shown
