from __future__ import annotations

from pathlib import Path

from fc2conv_cli.reports.fields import Fields
from fc2conv_cli.reports.json import per_layer
from fc2conv_cli.reports.layers_from_json import layers
from fc2conv_cli.verification.layer_report import LayerReport, LayersReport
from fc2conv_cli.verification.metrics import Deviation, Tolerance

GATE = Tolerance(0.0, 1e-5)


def test_whether_a_layer_diverges_is_worked_out_from_its_numbers() -> None:
    off = Deviation(0.1, 1.0, (0, 1), 1.0, 1.1, False)
    near = Deviation(1e-7, 1.0, (0, 0), 1.0, 1.0, True)
    rows = (
        LayerReport("a", "Gemm", "Conv 1x1", (1, 2), (1, 3), "float32", GATE, near, near, ("said",), 1e-8),
        LayerReport("b", "Gemm", "Conv 1x1", None, None, "float32", GATE, off, None),
    )
    report = LayersReport("notes", rows, 3, "an engine", ("note",), tells_all=True)
    data = per_layer(report)
    assert layers(Fields(Path("r.json"), data)) == report
    data["per_layer"][0]["diverges"] = True  # a verdict is not believed
    data["first_to_diverge"] = "a"
    again = layers(Fields(Path("r.json"), data))
    assert again == report
    assert again is not None
    assert again.first == rows[1]


def test_a_report_without_layers_has_none() -> None:
    assert layers(Fields(Path("r.json"), {})) is None
