"""The records as text, for people."""

from __future__ import annotations

import io
import math
import shlex
from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fc2conv_cli.layout.interface import InterfaceChange
from fc2conv_cli.layout.stretches import Stretch
from fc2conv_cli.pipeline import ConversionReport, InspectionReport
from fc2conv_cli.reports import layers
from fc2conv_cli.reports.cases import counted
from fc2conv_cli.sizes import Size, format_shape
from fc2conv_cli.summary import LayerSummary, PlanSummary, SkipSummary, summarise
from fc2conv_cli.verification.report import OutputReport, VerifyReport

_PLAIN_WIDTH = 150
"""Width when the text does not go to a terminal."""
_SENSIBLE_RTOL = 1.0
"""A tolerance above this is no advice: it would let anything pass."""
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
        plan = summarise(report.plan)
        _headline(console, str(report.model), plan)
        _plan(console, plan, verbose)
        _stretches(console, report.stretches, verbose)
        _notes(console, report.notes)
        _layout_count(console, report)
    else:
        _line(console, Text(f"{report.converted} against {report.original}"))
        _verification(console, report, verbose)
        if report.per_layer is not None:
            layers.show(console, report.per_layer, verbose=verbose)
            if remark := layers.beside_outputs(report.per_layer, agrees=report.agrees):
                _line(console, remark)
        verdict = _verdict(report)
        if report.agrees and not report.holds:
            verdict += Text(": it is the export that does not agree with PyTorch, not the rewrite")
        _line(console, Text("verdict: ") + verdict)
    return "\n".join(line.rstrip() for line in buffer.getvalue().split("\n"))


def _verdict(report: VerifyReport) -> Text:
    waived = [output for output in report.outputs if output.verdict == "ill-conditioned"]
    if report.passed:
        return Text("the same" + (", ILL-CONDITIONED as accepted" if waived else ""), "bold green")
    if report.holds:
        return Text("NOTHING COMPARED: no output had a finite value", "bold red")
    if waived and all(output.passed for output in report.outputs if output not in waived) and not report.failures:
        return Text("ILL-CONDITIONED", "bold red")
    return Text("DIFFERENT", "bold red")


def _line(console: Console, text: Text | str) -> None:
    """A line that the terminal may wrap but we do not, so that it can be searched for."""
    console.print(text, soft_wrap=True)


def _conversion(console: Console, report: ConversionReport, verbose: bool) -> None:
    plan = summarise(report.plan)
    _headline(console, str(report.model), plan)
    _plan(console, plan, verbose)
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


def _headline(console: Console, model: str, plan: PlanSummary) -> None:
    found, become = plan.found, len(plan.layers)
    if not found:
        _line(console, Text(f"{model}: no fully connected layer"))
        return
    layers = "layer" if found == 1 else "layers"
    verb = "becomes a convolution" if become == 1 else "become convolutions"
    _line(console, Text(f"{model}: {found} fully connected {layers}, {become} {verb}"))


def _plan(console: Console, plan: PlanSummary, verbose: bool) -> None:
    if plan.layers:
        table = _table("layer", "was", "in", "out", "positions", "params", "MACs", "becomes", "reads", "writes")
        for layer in plan.layers if verbose else plan.layers[:_LISTED_ROWS]:
            table.add_row(*map(Text, _layer_row(layer)))
        console.print(table)
        if not verbose and len(plan.layers) > _LISTED_ROWS:
            _line(console, f"  ... and {len(plan.layers) - _LISTED_ROWS} more (-v lists all)")
    for layer in plan.layers:
        if layer.folded:
            what = ", ".join(f"{op_type} {name}" for op_type, name in layer.folded)
            _line(console, Text(f"folded into {layer.name}: {what}"))
    if plan.layers:
        _line(console, _layout_line(plan))
    _skips(console, "stays", plan.staying)
    others = [s for s in plan.skips if not s.is_layer]
    if verbose:
        _skips(console, "not a fully connected layer", others)
    else:
        _count_others(console, others)


def _layout_line(plan: PlanSummary) -> str:
    """How good the choice of layouts is known to be."""
    gap = plan.gap
    proof = "the cheapest" if gap == 0 else f"at most {gap:.1%} above the cheapest"
    ways = f"{plan.options:,} considered ways in which {plan.units:,} nodes can work"
    return f"layouts: {proof} of all combinations of {ways}"


def _layer_row(layer: LayerSummary) -> tuple[str, ...]:
    return (
        layer.name,
        layer.spelling,
        str(layer.in_features),
        str(layer.out_features),
        format_shape(layer.positions),
        f"{layer.parameters:,}",
        f"{layer.macs.static:,}" if layer.macs.static is not None else str(layer.macs),
        layer.convolution,
        format_shape(layer.input_shape),
        format_shape(layer.output_shape),
    )


def _skips(console: Console, title: str, skips: Sequence[SkipSummary]) -> None:
    if not skips:
        return
    table = _table(title, "op", "why", "code")
    for skip in skips:
        table.add_row(*map(Text, (skip.name, skip.op_type, skip.sentence, skip.code)))
    console.print(table)
    for code, advice in dict.fromkeys((skip.code, skip.advice) for skip in skips):
        _line(console, Text(f"  {code}: {advice}"))


def _count_others(console: Console, skips: Sequence[SkipSummary]) -> None:
    """One line for each reason why nodes only look like layers; a transformer has many of them."""
    for (rule, op_type), count in Counter((s.rule, s.op_type) for s in skips).items():
        _line(console, Text(f"not a layer: {count} {op_type}: {rule} (-v lists them)"))


def _verification(console: Console, report: VerifyReport, verbose: bool) -> None:
    if report.export is not None:
        _export(console, report.export, verbose)
        _line(console, "rewrite deviation, exported ONNX to converted ONNX:")
    _comparison(console, report, verbose)


def _export(console: Console, report: VerifyReport, verbose: bool) -> None:
    """The export step: one line if all is well, and everything if not."""
    title = "export deviation, PyTorch to exported ONNX:"
    compared = [output.worst.max_relative for output in report.outputs if output.worst is not None]
    if report.passed and not verbose and compared:
        runs = counted(report.runs, "run")
        _line(console, f"{title} {_number(max(compared))} of max |ref|, same in {runs} ({report.engine})")
        _notes(console, report.notes)
        return
    _line(console, title)
    _comparison(console, report, verbose)


def _comparison(console: Console, report: VerifyReport, verbose: bool) -> None:
    sizes = "; ".join(", ".join(f"{name}={size}" for name, size in case.items()) for case in report.cases if case)
    at = f" at {sizes}" if sizes else ""
    inputs = f"seed {report.seed}{at}" if report.data is None else f"inputs from {report.data}"
    _line(console, Text(f"compared in {report.engine}: {counted(report.runs, 'run')}, {inputs}"))
    table = _table(
        *("output", "type", "max |delta|", "allowed", "/ max |ref|", "x noise"),
        *("at", "original", "converted", "verdict"),
    )
    for output in report.outputs:
        style = "green" if output.passed else "bold yellow" if report.lets_pass(output) else "bold red"
        *cells, verdict = _output_row(output)
        table.add_row(*map(Text, cells), Text(verdict, style=style))
    console.print(table)
    if verbose:
        _figures(console, report)
    for output in report.outputs:
        for failure in output.failures:
            _line(console, Text(f"output {output.name!r} {failure}", style="bold red"))
        for note in output.notes:
            _line(console, Text(f"output {output.name!r}: {note}"))
    _ill_conditioned(console, report)
    for failure in report.failures:
        _line(console, Text(failure, style="bold red"))
    if (rtol := report.rtol_to_pass) is not None and rtol <= _SENSIBLE_RTOL:
        _line(console, Text(f"all outputs would pass with --rtol {_rounded_up(rtol)}"))
    _notes(console, report.notes)


def _output_row(output: OutputReport) -> tuple[str, ...]:
    verdict = "same" if output.passed else output.verdict.upper()
    worst = output.worst
    if worst is None:
        return (output.name, output.dtype, *[""] * 7, verdict if output.failures else "not compared")
    times = output.excess
    return (
        output.name,
        output.dtype,
        _number(worst.max_abs),
        _number(output.allowed),
        _number(worst.max_relative),
        "" if times is None else f"{times:.2g}",
        "" if worst.index is None else str(list(worst.index)),
        _value(worst.reference),
        _value(worst.converted),
        verdict,
    )


def _figures(console: Console, report: VerifyReport) -> None:
    """Further figures of each output, and what the models cost."""
    table = _table("output", "mean |delta|", "RMSE", "cosine", "SQNR dB", "ULP", "top-1", "noise")
    for output in report.outputs:
        if (m := output.measures) is not None:
            cells = (_number(m.mean_abs), _number(m.rmse), f"{m.cosine:.9g}", f"{m.sqnr_db:.1f}")
            ulp, top = "" if m.max_ulp is None else str(m.max_ulp), "" if m.top1 is None else f"{m.top1:.2%}"
            noise = "" if output.noise is None else _number(output.noise)
            table.add_row(*map(Text, (output.name, *cells, ulp, top, noise)))
    if table.row_count:
        console.print(table)
    for name, cost in (("original", report.original_cost), ("converted", report.converted_cost)):
        if cost is not None and cost.runs:
            memory = "" if cost.memory_bytes is None else f", {cost.memory_bytes / 2**20:.1f} MB of memory"
            each = f"{cost.seconds_per_run * 1e3:.3g} ms a run over {cost.runs}"
            _line(console, f"{name}: loaded in {cost.load_seconds * 1e3:.3g} ms, {each}{memory}")


def _ill_conditioned(console: Console, report: VerifyReport) -> None:
    for output in report.outputs:
        if output.verdict == "ill-conditioned":
            _line(
                console,
                Text(
                    f"output {output.name!r}: outside tolerance, but by no more than {output.excess:.2g} times what "
                    "the original itself moves when each input moves by one unit in the last place: the model is "
                    "ill-conditioned there. Give inputs like those in use (--inputs), a tolerance (--atol, --rtol), or "
                    "--accept-ill-conditioned"
                ),
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
    if report.status == "would be written":
        return Text("the converted model agrees by these tolerances: convert again with them to have it written")
    if report.status == "different" and report.output is not None:
        return Text(f"the converted model does not agree by these tolerances; {report.output} was written", "bold red")
    if report.status == "different":
        kept = _kept(report)
        if report.verification is not None and report.verification.agrees:
            text = "the exported ONNX does not agree with PyTorch; that is the export, not the rewrite: nothing written"
            return Text(text, style="bold red")
        return Text(f"the converted model does not agree with the original: nothing written{kept}", style="bold red")
    copied = f"; wrote an unchanged copy, {report.output}" if report.output else ""
    return Text(f"nothing to convert{copied}")


def _kept(report: ConversionReport) -> str:
    """Where a result that failed is, and how to find the layer that is wrong."""
    if report.failed is None:
        return " (--keep-failed keeps it; `fc2conv verify --per-layer` then says which layer diverges first)"
    command = shlex.join(["fc2conv", "verify", str(report.model), str(report.failed), "--per-layer"])
    return f"; kept as {report.failed}\nwhich layer diverges first: {command}"


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
