"""A saved JSON report as the record that it was made from, to be written again or judged again."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast, get_args

from fc2conv_cli.errors import ReportFileError
from fc2conv_cli.layout.interface import InterfaceChange
from fc2conv_cli.layout.nodes import LayoutCount
from fc2conv_cli.layout.stretches import Stretch
from fc2conv_cli.pipeline.records import ConversionReport, InspectionReport, Status, WeightBytes
from fc2conv_cli.reports.error_report import ErrorReport, SavedError
from fc2conv_cli.reports.fields import Fields
from fc2conv_cli.reports.json import VERSION
from fc2conv_cli.reports.layers_from_json import deviation, layers
from fc2conv_cli.sizes import Size, shape_of
from fc2conv_cli.summary import LayerSummary, PlanSummary, SkipSummary
from fc2conv_cli.verification.cost import Cost
from fc2conv_cli.verification.extremes import least_rtol, worst_of
from fc2conv_cli.verification.measures import Measures
from fc2conv_cli.verification.metrics import Tolerance
from fc2conv_cli.verification.report import OutputReport, VerifyReport

_KINDS = ("convert", "verify", "inspect")


@dataclass(frozen=True)
class SavedConversion(ConversionReport):
    """A conversion as its report tells it: the model is closed, so its plan is a summary."""

    plan: PlanSummary  # type: ignore[assignment]  # whoever has one of these came here, and not from convert()


@dataclass(frozen=True)
class SavedInspection(InspectionReport):
    """An inspection as its report tells it."""

    plan: PlanSummary  # type: ignore[assignment]


def read(path: Path) -> ConversionReport | InspectionReport | VerifyReport:
    """Read a report that ``--output-format json`` wrote.

    Raises:
        ReportFileError: There is no such file, it is no JSON, no report of fc2conv, or of a later version.
        SavedError: It tells of an error.
    """
    fields = Fields(path, _parsed(path))
    kind = _kind(path, fields)
    if fields.has("error"):
        raise SavedError(_error(fields.object("error"), kind))
    return _record(fields, kind)


def _parsed(path: Path) -> Any:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ReportFileError(path, f"cannot be read ({error.strerror})", hint="Name a JSON report.") from error
    except (ValueError, RecursionError) as error:
        where = f": {error}" if isinstance(error, json.JSONDecodeError) else ""
        raise ReportFileError(path, f"is not JSON{where}") from error
    if not isinstance(content, dict) or not {"version", "command"} <= content.keys():
        raise ReportFileError(path, "is JSON, but no report of fc2conv")
    return content


def _kind(path: Path, fields: Fields) -> str:
    version = fields.whole("version")
    if version > VERSION:
        hint = "Read it with the fc2conv that wrote it, or a later one."
        raise ReportFileError(path, f"is a report of version {version}; this fc2conv reads {VERSION}", hint=hint)
    if version < 1:
        raise ReportFileError(path, f"version is {version}, and there is no such version")
    return fields.choice("command", (*_KINDS, "report") if fields.has("error") else _KINDS)


def _error(fields: Fields, command: str) -> ErrorReport:
    kind, message, hint = (fields.text(name) for name in ("kind", "message", "hint"))
    return ErrorReport(command, kind, message, hint, fields.whole("exit_code"))


def _record(fields: Fields, kind: str) -> ConversionReport | InspectionReport | VerifyReport:
    if kind == "verify":
        seconds = fields.object("seconds").numbers() if fields.has("seconds") else {}
        return replace(_verification(fields), seconds=seconds)
    model, plan, notes = fields.path("model"), _plan(fields), fields.texts("notes")
    counts = fields.object("layout_nodes")
    before, after = _count(counts.object_or_none("before")), _count(counts.object_or_none("after"))
    stretches = tuple(Stretch(s.texts("layers"), s.texts("nodes")) for s in fields.objects("stretches"))
    interface = tuple(map(_change, fields.objects("interface")))
    seconds = fields.object("seconds").numbers()
    if kind == "inspect":
        return SavedInspection(model, plan, notes, before, after, stretches, interface, seconds)
    compared = fields.object_or_none("verification")
    return SavedConversion(
        model,
        cast("Status", fields.choice("status", get_args(Status))),
        plan,
        fields.path_or_none("output"),
        fields.path_or_none("data"),
        fields.path_or_none("failed"),
        None if compared is None else _verification(compared),
        before,
        after,
        stretches,
        interface,
        notes,
        fields.path_or_none("export"),
        seconds,
        _weight_bytes(fields.object_or_none("weight_bytes")),
    )


def _weight_bytes(fields: Fields | None) -> WeightBytes | None:
    return None if fields is None else WeightBytes(*(fields.whole(name) for name in WeightBytes._fields))


def _plan(fields: Fields) -> PlanSummary:
    layout = fields.object("layout")
    return PlanSummary(
        tuple(map(_layer, fields.objects("layers"))),
        tuple(map(_skip, fields.objects("skips"))),
        layout.number("cost"),
        layout.number("bound"),
        layout.number("gap"),
        layout.whole("nodes"),
        layout.whole("options"),
    )


def _layer(fields: Fields) -> LayerSummary:
    conv = fields.object("conv")
    kernel = conv.wholes("kernel_shape")
    return LayerSummary(
        fields.text("name"),
        fields.text("spelling"),
        fields.whole("in_features"),
        fields.whole("out_features"),
        fields.whole("groups"),
        shape_of(fields.sizes("positions")),
        fields.whole("parameters"),
        Size.of(fields.size("macs")),
        tuple(zip(fields.texts("folded_op_types"), fields.texts("folded"), strict=False)),
        conv.text("op_type"),
        conv.text_or_none("reads"),
        (kernel[0] if kernel else 1, kernel[-1] if kernel else 1),
        shape_of(conv.sizes("input_shape")),
        shape_of(conv.sizes("output_shape")),
    )


def _skip(fields: Fields) -> SkipSummary:
    return SkipSummary(
        fields.text("name"),
        fields.text("op_type"),
        fields.text("code"),
        fields.text("rule"),
        fields.text("reason"),
        fields.text("advice"),
        fields.flag("fully_connected"),
        fields.flag("wished"),
    )


def _change(fields: Fields) -> InterfaceChange:
    kind, name = fields.choice("kind", ("input", "output")), fields.text("name")
    before, after = shape_of(fields.sizes("before")), shape_of(fields.sizes("after"))
    return InterfaceChange("input" if kind == "input" else "output", name, before, after, ())


def _count(fields: Fields | None) -> LayoutCount | None:
    if fields is None:
        return None
    moved = fields.size("bytes_moved")
    terms = [str(moved)] if moved else []
    if isinstance(moved, str):
        terms = moved.split(" + ")
    return LayoutCount(fields.whole("transposes"), fields.whole("reshapes"), tuple(map(_term, terms)))


def _term(text: str) -> Size:
    """A size as text: ``4096``, ``N`` or ``4096*N``; whatever else stands behind the number is one symbol."""
    found = re.fullmatch(r"(\d{1,300})(?:\*(.+))?", text)
    if found is None:
        return Size.of(text)
    number, symbols = found.groups()
    return Size(int(number), (symbols,) if symbols else ())


def _verification(fields: Fields) -> VerifyReport:
    export = fields.object_or_none("export")
    return VerifyReport(
        fields.path("original"),
        fields.path("converted"),
        fields.whole("seed"),
        fields.whole("samples"),
        tuple(_sizes(fields)),
        fields.whole("runs"),
        tuple(map(_output, fields.objects("outputs"))),
        fields.texts("failures"),
        fields.texts("notes"),
        fields.text("engine"),
        None if export is None else _verification(export),
        data=fields.path_or_none("inputs"),
        accepts_ill_conditioned=fields.flag("accepts_ill_conditioned"),
        original_cost=_cost(fields.object_or_none("original_cost")),
        converted_cost=_cost(fields.object_or_none("converted_cost")),
        per_layer=layers(fields),
        quantized=fields.has("quantized") and fields.flag("quantized"),
    )


def _cost(fields: Fields | None) -> Cost | None:
    if fields is None:
        return None
    seconds = fields.measure("load_seconds"), fields.measure("run_seconds")
    return Cost(*seconds, fields.whole("runs"), fields.whole_or_none("memory_bytes"))


def _sizes(fields: Fields) -> list[dict[str, int]]:
    return [case.all_wholes() for case in fields.objects("cases")]


def _output(fields: Fields) -> OutputReport:
    """An output; its verdict is worked out again from what was measured, as the verdict of a run is."""
    tolerance = Tolerance(fields.measure("atol"), fields.measure("rtol"), fields.flag("elementwise"))
    extremes = tuple(map(deviation, fields.objects("extremes")))
    return OutputReport(
        fields.text("name"),
        fields.text("dtype"),
        fields.shape_or_none("shape"),
        tolerance,
        worst_of(extremes, tolerance),
        least_rtol(extremes, tolerance.atol),
        fields.texts("failures"),
        fields.texts("notes"),
        extremes,
        _measures(fields.object_or_none("measures")),
        fields.measure_or_none("noise"),
        fields.measure_or_none("excess"),
        fields.flag("compared"),
        fields.measure_or_none("largest") if fields.has("largest") else None,
    )


def _measures(fields: Fields | None) -> Measures | None:
    if fields is None:
        return None
    return Measures(
        fields.measure("mean_abs"),
        fields.measure("rmse"),
        fields.number("cosine"),
        fields.number("sqnr_db"),
        fields.whole_or_none("max_ulp"),
        fields.measure_or_none("top1"),
    )
