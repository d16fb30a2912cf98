"""The records as JSON, for machines. Numbers that JSON cannot hold (infinities, NaN) are strings."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import Any

from fc2conv_cli.layout.nodes import LayoutCount
from fc2conv_cli.pipeline.records import ConversionReport, InspectionReport
from fc2conv_cli.records import Plan
from fc2conv_cli.reports.formats import JSON_VERSION
from fc2conv_cli.sizes import Shape
from fc2conv_cli.summary import LayerSummary, PlanSummary, SkipSummary, summarise
from fc2conv_cli.verification.layer_report import LayerReport, LayersReport
from fc2conv_cli.verification.metrics import Deviation
from fc2conv_cli.verification.report import OutputReport, VerifyReport

VERSION = JSON_VERSION


def render(report: ConversionReport | InspectionReport | VerifyReport) -> str:
    """A report as indented JSON, ending in a newline."""
    if isinstance(report, ConversionReport):
        content = {"command": "convert", **conversion(report)}
    elif isinstance(report, InspectionReport):
        content = {
            "command": "inspect",
            "model": str(report.model),
            **plan(report.plan),
            **_layout_nodes(report),
            "notes": list(report.notes),
            "seconds": _seconds(report),
        }
    else:
        content = {"command": "verify", **verification(report), "seconds": _seconds(report)}
    return json.dumps(_finite({"version": VERSION, **content}), indent=2, allow_nan=False) + "\n"


def conversion(report: ConversionReport) -> dict[str, Any]:
    """A conversion report as plain data."""
    return {
        "model": str(report.model),
        "status": report.status,
        "passed": report.passed,
        "verified": report.verified,
        "output": None if report.output is None else str(report.output),
        "data": None if report.data is None else str(report.data),
        "failed": None if report.failed is None else str(report.failed),
        "export": None if report.export is None else str(report.export),
        **plan(report.plan),
        **_layout_nodes(report),
        "verification": None if report.verification is None else verification(report.verification),
        "notes": list(report.notes),
        "seconds": _seconds(report),
        "weight_bytes": None if report.written is None else report.written._asdict(),
    }


def _seconds(report: ConversionReport | InspectionReport | VerifyReport) -> dict[str, float]:
    return {stage: round(spent, 3) for stage, spent in report.seconds.items()}


def _layout_nodes(report: ConversionReport | InspectionReport) -> dict[str, Any]:
    before, after = report.layout_before, report.layout_after
    return {
        "layout_nodes": {"before": _layout_count(before), "after": _layout_count(after)},
        "stretches": [{"layers": list(s.layers), "nodes": list(s.nodes)} for s in report.stretches],
        "interface": [
            {"kind": c.kind, "name": c.name, "before": _dims(c.before), "after": _dims(c.after)}
            for c in report.interface
        ],
    }


def _layout_count(count: LayoutCount | None) -> dict[str, Any] | None:
    if count is None:
        return None
    static = [size.static for size in count.bytes_moved if size.static is not None]
    whole = sum(static) if len(static) == len(count.bytes_moved) else " + ".join(map(str, count.bytes_moved))
    return {"transposes": count.transposes, "reshapes": count.reshapes, "bytes_moved": whole}


def plan(report: Plan | PlanSummary) -> dict[str, Any]:
    """A plan as plain data."""
    said = summarise(report)
    return {
        "layers": [_layer(layer) for layer in said.layers],
        "skips": [_skip(skip) for skip in said.skips],
        "layout": {
            "cost": said.cost,
            "bound": said.bound,
            "gap": said.gap,
            "nodes": said.units,
            "options": said.options,
        },
    }


def verification(report: VerifyReport) -> dict[str, Any]:
    """A comparison as plain data."""
    return {
        "original": str(report.original),
        "converted": str(report.converted),
        "passed": report.passed,
        "engine": report.engine,
        "quantized": report.quantized,
        "seed": report.seed,
        "inputs": None if report.data is None else str(report.data),
        "accepts_ill_conditioned": report.accepts_ill_conditioned,
        "original_cost": None if report.original_cost is None else asdict(report.original_cost),
        "converted_cost": None if report.converted_cost is None else asdict(report.converted_cost),
        "samples": report.samples,
        "runs": report.runs,
        "cases": list(report.cases),
        "outputs": [_output(o) for o in report.outputs],
        "failures": list(report.failures),
        "notes": list(report.notes),
        "export": None if report.export is None else verification(report.export),
        **per_layer(report.per_layer),
    }


def per_layer(report: LayersReport | None) -> dict[str, Any]:
    """A comparison layer by layer as plain data; nothing if none was asked for."""
    if report is None:
        return {}
    return {
        "per_layer": [_layer_deviation(row) for row in report.layers],
        "per_layer_basis": report.basis,
        "per_layer_engine": report.engine,
        "per_layer_runs": report.runs,
        "per_layer_notes": list(report.notes),
        "per_layer_tells_all": report.tells_all,
        "first_to_diverge": None if report.first is None else report.first.name,
    }


def _layer_deviation(row: LayerReport) -> dict[str, Any]:
    return {
        "name": row.name,
        "spelling": row.spelling,
        "becomes": row.becomes,
        "input_shape": None if row.reads is None else list(row.reads),
        "output_shape": None if row.writes is None else list(row.writes),
        "dtype": row.dtype,
        "diverges": row.diverges,
        "atol": row.tolerance.atol,
        "rtol": row.tolerance.rtol,
        "entire": None if row.entire is None else {"passed": row.entire.passed, **_deviation(row.entire)},
        "single": None if row.single is None else {"passed": row.single.passed, **_deviation(row.single)},
        "noise": row.noise,
        "rounding": row.is_rounding,
        "notes": list(row.notes),
    }


def _layer(layer: LayerSummary) -> dict[str, Any]:
    return {
        "name": layer.name,
        "spelling": layer.spelling,
        "in_features": layer.in_features,
        "out_features": layer.out_features,
        "groups": layer.groups,
        "positions": _dims(layer.positions),
        "parameters": layer.parameters,
        "macs": layer.macs.static if layer.macs.static is not None else str(layer.macs),
        "folded": [name for _, name in layer.folded],
        "folded_op_types": [op_type for op_type, _ in layer.folded],
        "conv": {
            "op_type": layer.becomes,
            "reads": layer.reads,
            "kernel_shape": list(layer.kernel_shape),
            "input_shape": _dims(layer.input_shape),
            "output_shape": _dims(layer.output_shape),
        },
    }


def _skip(skip: SkipSummary) -> dict[str, Any]:
    return {
        "name": skip.name,
        "op_type": skip.op_type,
        "code": skip.code,
        "fully_connected": skip.is_layer,
        "wished": skip.is_wish,
        "rule": skip.rule,
        "reason": skip.sentence,
        "advice": skip.advice,
    }


def _output(output: OutputReport) -> dict[str, Any]:
    return {
        "name": output.name,
        "dtype": output.dtype,
        "shape": None if output.shape is None else list(output.shape),
        "passed": output.passed,
        "atol": output.tolerance.atol,
        "rtol": output.tolerance.rtol,
        "elementwise": output.tolerance.elementwise,
        "verdict": output.verdict,
        **_deviation(output.worst),
        "rtol_to_pass": output.rtol_to_pass,
        "measures": None if output.measures is None else asdict(output.measures),
        "noise": output.noise,
        "excess": output.excess,
        "compared": output.compared,
        "largest": output.largest,
        "extremes": [_deviation(deviation) for deviation in output.extremes],
        "failures": list(output.failures),
        "notes": list(output.notes),
    }


def _deviation(worst: Deviation | None) -> dict[str, Any]:
    if worst is None:
        measured = ("max_abs", "max_reference", "max_relative", "index", "reference", "converted")
        return dict.fromkeys((*measured, "nans", "infinities", "elementwise_rtol"))
    return {
        "max_abs": worst.max_abs,
        "max_reference": worst.max_reference,
        "max_relative": worst.max_relative,
        "index": None if worst.index is None else list(worst.index),
        "reference": worst.reference,
        "converted": worst.converted,
        "nans": worst.nans,
        "infinities": worst.infinities,
        "elementwise_rtol": worst.elementwise_rtol,
    }


def _dims(shape: Shape) -> list[int | str]:
    return [str(size) if size.static is None else size.static for size in shape]


def _finite(data: Any) -> Any:
    if isinstance(data, float) and not math.isfinite(data):
        return str(data)
    if isinstance(data, dict):
        return {key: _finite(value) for key, value in data.items()}
    if isinstance(data, list):
        return [_finite(value) for value in data]
    return data
