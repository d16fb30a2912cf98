"""The records as text, for people."""

from __future__ import annotations

import io

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fc2conv_cli.pipeline import ConversionReport, InspectionReport
from fc2conv_cli.records import Plan, PlannedLayer, Skip
from fc2conv_cli.sizes import format_shape
from fc2conv_cli.verification.report import OutputReport, VerifyReport

_PLAIN_WIDTH = 150
"""Width when the text does not go to a terminal."""
_LISTED_ROWS = 40
"""Rows before a table is cut; ``-v`` and JSON have them all."""


def render(
    report: ConversionReport | InspectionReport | VerifyReport,
    *,
    width: int | None,
    color: bool,
    verbose: bool,
) -> str:
    """A report as text.

    Args:
        report: Any of the three reports.
        width: Columns of the terminal; None when it goes elsewhere.
        color: Whether to use ANSI colours.
        verbose: Whether to list every layer and what stands around it.
    """
    buffer = io.StringIO()
    console = Console(
        file=buffer,
        width=width or _PLAIN_WIDTH,
        force_terminal=color,
        no_color=not color,
        highlight=False,
        emoji=False,
    )
    if isinstance(report, ConversionReport):
        _conversion(console, report, verbose)
    elif isinstance(report, InspectionReport):
        _headline(console, str(report.model), report.plan)
        _plan(console, report.plan, verbose)
        _notes(console, report.notes)
    else:
        _verification(console, report)
    return "\n".join(line.rstrip() for line in buffer.getvalue().split("\n"))


def _conversion(console: Console, report: ConversionReport, verbose: bool) -> None:
    _headline(console, str(report.model), report.plan)
    _plan(console, report.plan, verbose)
    if report.verification is not None and report.plan.layers:
        _verification(console, report.verification)
    _notes(console, report.notes)
    if (before := report.layout_before) is not None and (after := report.layout_after) is not None:
        console.print(
            f"layout nodes: {before.transposes} Transpose and {before.reshapes} Reshape before, "
            f"{after.transposes} and {after.reshapes} after"
        )
    console.print(_closing(report))


def _headline(console: Console, model: str, plan: Plan) -> None:
    found, become = plan.found, len(plan.layers)
    if not found:
        console.print(Text(f"{model}: no fully connected layer"))
        return
    layers = "layer" if found == 1 else "layers"
    verb = "becomes a convolution" if become == 1 else "become convolutions"
    console.print(Text(f"{model}: {found} fully connected {layers}, {become} {verb}"))


def _plan(console: Console, plan: Plan, verbose: bool) -> None:
    if plan.layers:
        extra = ("layout nodes around it",) if verbose else ()
        table = _table("layer", "was", "in", "out", "positions", "params", "MACs", "becomes", "reads", "writes", *extra)
        for planned in plan.layers if verbose else plan.layers[:_LISTED_ROWS]:
            row = (*_layer_row(planned), _around(planned)) if verbose else _layer_row(planned)
            table.add_row(*map(Text, row))
        console.print(table)
        _more(console, len(plan.layers), verbose)
    _skips(console, "stays", [s for s in plan.skips if s.reason.is_layer], verbose)
    _skips(console, "not a fully connected layer", [s for s in plan.skips if not s.reason.is_layer], verbose)


def _layer_row(planned: PlannedLayer) -> tuple[str, ...]:
    layer, form = planned.layer, planned.form
    height, width = form.kernel_shape
    return (
        layer.name,
        layer.spelling,
        str(layer.contraction.in_features),
        str(layer.contraction.out_features),
        format_shape(layer.contraction.position_shape),
        f"{layer.parameters:,}",
        f"{layer.macs.static:,}" if layer.macs.static is not None else str(layer.macs),
        f"Conv {height}x{width}" + (f", {form.group} groups" if form.group > 1 else ""),
        format_shape(form.read.target_shape),
        format_shape(form.write.source_shape),
    )


def _around(planned: PlannedLayer) -> str:
    """The nodes that the layer takes on its own; those of neighbours that cancel are gone in the file."""
    form = planned.form
    return " ".join([*(s.op for s in form.read_steps), "Conv", *(s.op for s in form.write_steps)])


def _skips(console: Console, title: str, skips: list[Skip], verbose: bool) -> None:
    if not skips:
        return
    table = _table(title, "op", "why", "code")
    for skip in skips if verbose else skips[:_LISTED_ROWS]:
        table.add_row(*map(Text, (skip.name, skip.node.op_type, skip.sentence, skip.reason.code)))
    console.print(table)
    _more(console, len(skips), verbose)
    if verbose:
        for reason in dict.fromkeys(skip.reason for skip in skips):
            console.print(Text(f"  {reason.code}: {reason.advice}"))


def _more(console: Console, rows: int, verbose: bool) -> None:
    if not verbose and rows > _LISTED_ROWS:
        console.print(f"  ... and {rows - _LISTED_ROWS} more (-v lists all)")


def _verification(console: Console, report: VerifyReport) -> None:
    sizes = "; ".join(", ".join(f"{name}={size}" for name, size in case.items()) for case in report.cases if case)
    at = f" at {sizes}" if sizes else ""
    console.print(Text(f"compared in onnxruntime: {report.runs} runs, seed {report.seed}{at}"))
    table = _table("output", "type", "max |delta|", "/ max |ref|", "allowed", "at", "original", "converted", "verdict")
    for output in report.outputs:
        style = "green" if output.passed else "bold red"
        *cells, verdict = _output_row(output)
        table.add_row(*map(Text, cells), Text(verdict, style=style))
    console.print(table)
    for output in report.outputs:
        for failure in output.failures:
            console.print(Text(f"output {output.name!r} {failure}", style="bold red"))
        if not output.passed and not output.failures:
            console.print(Text(f"output {output.name!r} would pass with --rtol {output.rtol_to_pass:.2g}"))
        for note in output.notes:
            console.print(Text(f"output {output.name!r}: {note}"))
    for failure in report.failures:
        console.print(Text(failure, style="bold red"))
    _notes(console, report.notes)


def _output_row(output: OutputReport) -> tuple[str, ...]:
    verdict = "same" if output.passed else "DIFFERENT"
    worst = output.worst
    if worst is None:
        return (
            output.name,
            output.dtype,
            "",
            "",
            "",
            "",
            "",
            "",
            verdict if output.failures else "not compared",
        )
    allowed = output.tolerance.atol + output.tolerance.rtol * worst.max_reference
    return (
        output.name,
        output.dtype,
        _number(worst.max_abs),
        _number(worst.max_relative),
        _number(allowed),
        "" if worst.index is None else str(list(worst.index)),
        _value(worst.reference),
        _value(worst.converted),
        verdict,
    )


def _number(value: float) -> str:
    return "0" if value == 0 else f"{value:.3g}"


def _value(value: float | str | None) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else f"{value:.7g}"


def _notes(console: Console, notes: tuple[str, ...]) -> None:
    for note in notes:
        console.print(Text(f"note: {note}"))


def _closing(report: ConversionReport) -> Text:
    if report.status == "written":
        checked = "" if report.verification else ", UNVERIFIED (--no-verify)"
        return Text(f"wrote {report.output}{checked}", style="bold green" if report.verification else "bold yellow")
    if report.status == "planned":
        return Text("dry run: nothing written")
    if report.status == "layers left":
        return Text("--strict: a fully connected layer would be left; nothing written", style="bold red")
    if report.status == "different":
        kept = f"; kept as {report.failed}" if report.failed else " (--keep-failed keeps it)"
        return Text(f"the converted model does not agree with the original: nothing written{kept}", style="bold red")
    copied = f"; wrote an unchanged copy, {report.output}" if report.output else ""
    return Text(f"nothing to convert{copied}")


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    numbers = {
        "in",
        "out",
        "params",
        "MACs",
        "max |delta|",
        "/ max |ref|",
        "allowed",
        "original",
        "converted",
    }
    for column in columns:
        table.add_column(column, justify="right" if column in numbers else "left", overflow="fold")
    return table
