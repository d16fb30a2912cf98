"""The records as text, for people."""

from __future__ import annotations

import io
import shlex
from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from fc2conv_cli.layout.interface import InterfaceChange
from fc2conv_cli.layout.stretches import Stretch
from fc2conv_cli.pipeline.records import ConversionReport, InspectionReport
from fc2conv_cli.reports import comparison_text
from fc2conv_cli.reports.lines import line, lines, notes, plain, seconds, table
from fc2conv_cli.reports.printable import printable
from fc2conv_cli.sizes import Size, format_shape
from fc2conv_cli.summary import LayerSummary, PlanSummary, SkipSummary, summarise
from fc2conv_cli.verification.report import VerifyReport

_PLAIN_WIDTH = 150
"""Width when the text does not go to a terminal."""
_LISTED_STRETCHES = 8
"""Lines before the list of stretches is cut."""
_LISTED_NODES = 20
"""Other nodes of a stretch that are named."""
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
        notes(console, report.notes)
        _layout_count(console, report)
        _seconds(console, report, verbose)
    else:
        comparison_text.verify(console, report, verbose=verbose)
    return "\n".join(row.rstrip() for row in buffer.getvalue().split("\n"))


def _conversion(console: Console, report: ConversionReport, verbose: bool) -> None:
    plan = summarise(report.plan)
    _headline(console, str(report.model), plan)
    _plan(console, plan, verbose)
    if verbose or report.status == "planned":
        _stretches(console, report.stretches, verbose)
    if report.verification is not None and report.plan.layers:
        comparison_text.steps(console, report.verification, verbose=verbose)
    notes(console, report.notes)
    _layout_count(console, report)
    _seconds(console, report, verbose)
    if report.export is not None:
        line(console, f"kept the export, {report.export}")
    line(console, _closing(report))


def _seconds(console: Console, report: ConversionReport | InspectionReport, verbose: bool) -> None:
    if verbose:
        seconds(console, report.seconds)
    if verbose and isinstance(report, ConversionReport) and report.written is not None:
        copied, rearranged, made = report.written
        line(console, f"bytes of weights: {copied:,} copied as they are, {rearranged:,} rearranged, {made:,} computed")


def _layout_count(console: Console, report: ConversionReport | InspectionReport) -> None:
    if (before := report.layout_before) is None or (after := report.layout_after) is None or not report.plan.layers:
        return
    line(
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
    said = []
    for stretch in shown if verbose else shown[:_LISTED_STRETCHES]:
        first, last = stretch.layers[0], stretch.layers[-1]
        which = f"layer {first}" if first == last else f"{len(stretch.layers)} layers, {first} to {last},"
        more = "node" if len(stretch.nodes) == 1 else "nodes"
        said.append(f"stays 4-D: {which} and {len(stretch.nodes)} other {more}")
        if verbose and stretch.nodes:
            said.append(f"  {_first(stretch.nodes)}")
    lines(console, said)
    if not verbose and len(shown) > _LISTED_STRETCHES:
        line(console, f"  ... and {len(shown) - _LISTED_STRETCHES} more stretches (-v lists all)")


def _first(nodes: Sequence[str]) -> str:
    """Names of nodes, as many as one reads on a line."""
    more = len(nodes) - _LISTED_NODES
    return ", ".join(nodes[:_LISTED_NODES]) + (f" ... and {more} more (JSON has all)" if more > 0 else "")


def _interface(console: Console, changes: Sequence[InterfaceChange]) -> None:
    for change in changes:
        shapes = f"{format_shape(change.before)}, is now {format_shape(change.after)}"
        line(console, f"the interface changes (--io-layout nchw): {change.kind} {change.name!r} was {shapes}")


def _headline(console: Console, model: str, plan: PlanSummary) -> None:
    found, become = plan.found, len(plan.layers)
    if not found:
        line(console, f"{model}: no fully connected layer")
        return
    layers = "layer" if found == 1 else "layers"
    verb = "becomes a convolution" if become == 1 else "become convolutions"
    line(console, f"{model}: {found} fully connected {layers}, {become} {verb}")


def _plan(console: Console, plan: PlanSummary, verbose: bool) -> None:
    if plan.layers:
        rows = table("layer", "was", "in", "out", "positions", "params", "MACs", "becomes", "reads", "writes")
        for layer in plan.layers if verbose else plan.layers[:_LISTED_ROWS]:
            rows.add_row(*map(printable, _layer_row(layer)))
        console.print(rows)
        if not verbose and len(plan.layers) > _LISTED_ROWS:
            line(console, f"  ... and {len(plan.layers) - _LISTED_ROWS} more (-v lists all)")
    folded = ((layer.name, ", ".join(f"{op_type} {name}" for op_type, name in layer.folded)) for layer in plan.layers)
    lines(console, (f"folded into {name}: {what}" for name, what in folded if what))
    if plan.layers:
        line(console, _layoutline(plan))
    _skips(console, "stays", plan.staying)
    others = [s for s in plan.skips if not s.is_layer]
    if verbose:
        _skips(console, "not a fully connected layer", others)
    else:
        _count_others(console, others)


def _layoutline(plan: PlanSummary) -> str:
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
    rows = table(title, "op", "why", "code")
    for skip in skips:
        rows.add_row(*map(printable, (skip.name, skip.op_type, skip.sentence, skip.code)))
    console.print(rows)
    for code, advice in dict.fromkeys((skip.code, skip.advice) for skip in skips):
        line(console, f"  {code}: {advice}")


def _count_others(console: Console, skips: Sequence[SkipSummary]) -> None:
    """One line for each reason why nodes only look like layers; a transformer has many of them."""
    for (rule, op_type), count in Counter((s.rule, s.op_type) for s in skips).items():
        line(console, f"not a layer: {count} {op_type}: {rule} (-v lists them)")


def _closing(report: ConversionReport) -> Text:
    if report.status == "written":
        checked = "" if report.verification else ", UNVERIFIED (--no-verify)"
        data = "" if report.data is None else f" with its weights in {report.data}"
        return plain(
            f"wrote {report.output}{data}{checked}", style="bold green" if report.verification else "bold yellow"
        )
    if report.status == "planned":
        return plain("dry run: nothing written")
    if report.status == "layers left":
        return plain("--strict: a fully connected layer would be left; nothing written", style="bold red")
    if report.status == "would be written":
        return plain("the converted model agrees by these tolerances: convert again with them to have it written")
    if report.status == "different" and report.output is not None:
        return plain(f"the converted model does not agree by these tolerances; {report.output} was written", "bold red")
    if report.status == "different":
        if report.verification is not None and report.verification.agrees:
            text = "the exported ONNX does not agree with PyTorch; that is the export, not the rewrite: nothing written"
            return plain(text, style="bold red")
        return Text("\n").join(plain(part, style="bold red") for part in _kept(report))
    copied = f"; wrote an unchanged copy, {report.output}" if report.output else ""
    return plain(f"nothing to convert{copied}")


def _kept(report: ConversionReport) -> tuple[str, ...]:
    """That nothing was written, where a result that failed is, and on a line of its own how to find the wrong layer."""
    different = "the converted model does not agree with the original: nothing written"
    if report.failed is None:
        return (
            f"{different} (--keep-failed keeps it; `fc2conv verify --per-layer` then says which layer diverges first)",
        )
    command = shlex.join(["fc2conv", "verify", str(report.model), str(report.failed), "--per-layer"])
    data = "" if report.data is None else f" with its weights in {report.data}"
    return f"{different}; kept as {report.failed}{data}", f"which layer diverges first: {command}"
