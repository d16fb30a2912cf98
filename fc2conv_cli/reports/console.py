"""The records as text, for people."""

from __future__ import annotations

import io
import math
from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fc2conv_cli.layout.interface import InterfaceChange
from fc2conv_cli.layout.stretches import Stretch
from fc2conv_cli.pipeline import ConversionReport, InspectionReport
from fc2conv_cli.records import Plan, PlannedLayer, Skip, node_label
from fc2conv_cli.sizes import Size, format_shape
from fc2conv_cli.verification.report import OutputReport, VerifyReport

_PLAIN_WIDTH = 150
"""Width when the text does not go to a terminal."""
_LISTED_STRETCHES = 8
"""Lines before the list of stretches is cut."""
_LISTED_ROWS = 40
"""Rows before the table of layers is cut; ``-v`` and JSON have them all."""


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
        _stretches(console, report.stretches, verbose)
        _notes(console, report.notes)
        _layout_count(console, report)
    else:
        _line(console, Text(f"{report.converted} against {report.original}"))
        _verification(console, report, verbose)
        verdict = Text("the same", "bold green") if report.passed else Text("DIFFERENT", "bold red")
        if report.agrees and not report.passed:
            verdict += Text(": it is the export that does not agree with PyTorch, not the rewrite")
        _line(console, Text("verdict: ") + verdict)
    return "\n".join(line.rstrip() for line in buffer.getvalue().split("\n"))


def _line(console: Console, text: Text | str) -> None:
    """A line that the terminal may wrap but we do not, so that it can be searched for."""
    console.print(text, soft_wrap=True)


def _conversion(console: Console, report: ConversionReport, verbose: bool) -> None:
    _headline(console, str(report.model), report.plan)
    _plan(console, report.plan, verbose)
    if verbose or report.status == "planned":
        _stretches(console, report.stretches, verbose)
    if report.verification is not None and report.plan.layers:
        _verification(console, report.verification, verbose)
    _notes(console, report.notes)
    _layout_count(console, report)
    if verbose and report.seconds:
        _line(console, "seconds: " + ", ".join(f"{stage} {spent:.1f}" for stage, spent in report.seconds.items()))
    if report.export is not None:
        _line(console, Text(f"kept the export, {report.export}"))
    _line(console, _closing(report))


def _layout_count(console: Console, report: ConversionReport | InspectionReport) -> None:
    if (before := report.layout_before) is None or (after := report.layout_after) is None or not report.plan.layers:
        return
    _line(
        console,
        f"layout nodes: Transpose {before.transposes} -> {after.transposes}, "
        f"Reshape, Squeeze and the like {before.reshapes} -> {after.reshapes}; "
        f"bytes that Transposes read and write: {_sum(before.bytes_moved)} -> {_sum(after.bytes_moved)}",
    )
    _interface(console, report.interface)


def _sum(terms: Sequence[Size]) -> str:
    return " + ".join("*".join((f"{term.coefficient:,}", *term.symbols)) for term in terms) or "0"


def _stretches(console: Console, stretches: Sequence[Stretch], verbose: bool) -> None:
    """Which layers share a stretch in 4-D; those on their own go without saying unless all is to be said."""
    shown = [s for s in stretches if verbose or len(s.layers) > 1 or s.nodes]
    for stretch in shown if verbose else shown[:_LISTED_STRETCHES]:
        first, last = stretch.layers[0], stretch.layers[-1]
        which = f"layer {first}" if first == last else f"{len(stretch.layers)} layers, {first} to {last},"
        more = "node" if len(stretch.nodes) == 1 else "nodes"
        _line(console, Text(f"stays 4-D: {which} and {len(stretch.nodes)} other {more}"))
        if verbose and stretch.nodes:
            _line(console, Text(f"  {', '.join(stretch.nodes)}"))
    if not verbose and len(shown) > _LISTED_STRETCHES:
        _line(console, f"  ... and {len(shown) - _LISTED_STRETCHES} more stretches (-v lists all)")


def _interface(console: Console, changes: Sequence[InterfaceChange]) -> None:
    for change in changes:
        shapes = f"{format_shape(change.before)}, is now {format_shape(change.after)}"
        _line(console, Text(f"the interface changes (--io-layout nchw): {change.kind} {change.name!r} was {shapes}"))


def _headline(console: Console, model: str, plan: Plan) -> None:
    found, become = plan.found, len(plan.layers)
    if not found:
        _line(console, Text(f"{model}: no fully connected layer"))
        return
    layers = "layer" if found == 1 else "layers"
    verb = "becomes a convolution" if become == 1 else "become convolutions"
    _line(console, Text(f"{model}: {found} fully connected {layers}, {become} {verb}"))


def _plan(console: Console, plan: Plan, verbose: bool) -> None:
    if plan.layers:
        table = _table("layer", "was", "in", "out", "positions", "params", "MACs", "becomes", "reads", "writes")
        for planned in plan.layers if verbose else plan.layers[:_LISTED_ROWS]:
            table.add_row(*map(Text, _layer_row(planned)))
        console.print(table)
        if not verbose and len(plan.layers) > _LISTED_ROWS:
            _line(console, f"  ... and {len(plan.layers) - _LISTED_ROWS} more (-v lists all)")
    for planned in plan.layers:
        if planned.layer.folded:
            what = ", ".join(f"{node.op_type} {node_label(node)}" for node in planned.layer.folded)
            _line(console, Text(f"folded into {planned.layer.name}: {what}"))
    if plan.layers:
        _line(console, _layout_line(plan))
    _skips(console, "stays", [s for s in plan.skips if s.reason.is_layer])
    others = [s for s in plan.skips if not s.reason.is_layer]
    if verbose:
        _skips(console, "not a fully connected layer", others)
    else:
        _count_others(console, others)


def _layout_line(plan: Plan) -> str:
    """How good the choice of layouts is known to be."""
    gap = plan.gap
    proof = "the cheapest" if gap == 0 else f"at most {gap:.1%} above the cheapest"
    ways = f"{plan.options:,} considered ways in which {plan.units:,} nodes can work"
    return f"layouts: {proof} of all combinations of {ways}"


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
        f"{layer.becomes} {height}x{width}" + (f", {form.group} groups" if form.group > 1 else ""),
        format_shape(form.read.target_shape),
        format_shape(form.write.target_shape),
    )


def _skips(console: Console, title: str, skips: list[Skip]) -> None:
    if not skips:
        return
    table = _table(title, "op", "why", "code")
    for skip in skips:
        table.add_row(*map(Text, (skip.name, skip.node.op_type, skip.sentence, skip.reason.code)))
    console.print(table)
    for reason in dict.fromkeys(skip.reason for skip in skips):
        _line(console, Text(f"  {reason.code}: {reason.advice}"))


def _count_others(console: Console, skips: list[Skip]) -> None:
    """One line for each reason why nodes only look like layers; a transformer has many of them."""
    for (reason, op_type), count in Counter((s.reason, s.node.op_type) for s in skips).items():
        _line(console, Text(f"not a layer: {count} {op_type}: {reason.sentence} (-v lists them)"))


def _verification(console: Console, report: VerifyReport, verbose: bool) -> None:
    if report.export is not None:
        _export(console, report.export, verbose)
        _line(console, "rewrite deviation, exported ONNX to converted ONNX:")
    _comparison(console, report)


def _export(console: Console, report: VerifyReport, verbose: bool) -> None:
    """The export step: one line if all is well, and everything if not."""
    title = "export deviation, PyTorch to exported ONNX:"
    compared = [output.worst.max_relative for output in report.outputs if output.worst is not None]
    if report.passed and not verbose and compared:
        _line(console, f"{title} {_number(max(compared))} of max |ref|, same in {report.runs} runs ({report.engine})")
        _notes(console, report.notes)
        return
    _line(console, title)
    _comparison(console, report)


def _comparison(console: Console, report: VerifyReport) -> None:
    sizes = "; ".join(", ".join(f"{name}={size}" for name, size in case.items()) for case in report.cases if case)
    at = f" at {sizes}" if sizes else ""
    _line(console, Text(f"compared in {report.engine}: {report.runs} runs, seed {report.seed}{at}"))
    table = _table("output", "type", "max |delta|", "allowed", "/ max |ref|", "at", "original", "converted", "verdict")
    for output in report.outputs:
        style = "green" if output.passed else "bold red"
        *cells, verdict = _output_row(output)
        table.add_row(*map(Text, cells), Text(verdict, style=style))
    console.print(table)
    for output in report.outputs:
        for failure in output.failures:
            _line(console, Text(f"output {output.name!r} {failure}", style="bold red"))
        for note in output.notes:
            _line(console, Text(f"output {output.name!r}: {note}"))
    for failure in report.failures:
        _line(console, Text(failure, style="bold red"))
    if (rtol := report.rtol_to_pass) is not None:
        _line(console, Text(f"all outputs would pass with --rtol {_rounded_up(rtol)}"))
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
        _number(allowed),
        _number(worst.max_relative),
        "" if worst.index is None else str(list(worst.index)),
        _value(worst.reference),
        _value(worst.converted),
        verdict,
    )


def _rounded_up(value: float) -> str:
    """Two digits, never below the value itself: what is suggested must be enough."""
    digits = 10.0 ** (math.floor(math.log10(value)) - 1)
    return f"{math.ceil(value / digits * 1.001) * digits:.2g}"


def _number(value: float) -> str:
    return "0" if value == 0 else f"{value:.3g}"


def _value(value: float | str | None) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else f"{value:.7g}"


def _notes(console: Console, notes: tuple[str, ...]) -> None:
    for note in notes:
        _line(console, Text(f"note: {note}"))


def _closing(report: ConversionReport) -> Text:
    if report.status == "written":
        checked = "" if report.verification else ", UNVERIFIED (--no-verify)"
        data = "" if report.data is None else f" with its weights in {report.data}"
        return Text(
            f"wrote {report.output}{data}{checked}", style="bold green" if report.verification else "bold yellow"
        )
    if report.status == "planned":
        return Text("dry run: nothing written")
    if report.status == "layers left":
        return Text("--strict: a fully connected layer would be left; nothing written", style="bold red")
    if report.status == "different":
        kept = f"; kept as {report.failed}" if report.failed else " (--keep-failed keeps it)"
        if report.verification is not None and report.verification.agrees:
            text = "the exported ONNX does not agree with PyTorch; that is the export, not the rewrite: nothing written"
            return Text(text, style="bold red")
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
