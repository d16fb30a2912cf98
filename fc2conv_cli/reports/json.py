"""The records as JSON, for machines. Numbers that JSON cannot hold (infinities, NaN) are strings."""

from __future__ import annotations

import json
import math
from typing import Any

from fc2conv_cli.layout.nodes import LayoutCount
from fc2conv_cli.pipeline import ConversionReport, InspectionReport
from fc2conv_cli.records import Plan
from fc2conv_cli.sizes import Shape
from fc2conv_cli.summary import LayerSummary, PlanSummary, SkipSummary, summarise
from fc2conv_cli.verification.metrics import Deviation
from fc2conv_cli.verification.report import OutputReport, VerifyReport

VERSION = 1
"""Raised when a field changes its meaning or goes; new fields do not raise it."""


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
        }
    else:
        content = {"command": "verify", **verification(report)}
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
        "seconds": {stage: round(spent, 3) for stage, spent in report.seconds.items()},
    }


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
        "seed": report.seed,
        "samples": report.samples,
        "runs": report.runs,
        "cases": list(report.cases),
        "outputs": [_output(o) for o in report.outputs],
        "failures": list(report.failures),
        "notes": list(report.notes),
        "export": None if report.export is None else verification(report.export),
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
        **_deviation(output.worst),
        "rtol_to_pass": output.rtol_to_pass,
        "extremes": [_deviation(deviation) for deviation in output.extremes],
        "failures": list(output.failures),
        "notes": list(output.notes),
    }


def _deviation(worst: Deviation | None) -> dict[str, Any]:
    if worst is None:
        return dict.fromkeys(
            ("max_abs", "max_reference", "max_relative", "index", "reference", "converted", "nans", "infinities")
        )
    return {
        "max_abs": worst.max_abs,
        "max_reference": worst.max_reference,
        "max_relative": worst.max_relative,
        "index": None if worst.index is None else list(worst.index),
        "reference": worst.reference,
        "converted": worst.converted,
        "nans": worst.nans,
        "infinities": worst.infinities,
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
