"""A comparison of two models as text, for people."""

from __future__ import annotations

import math

from rich.console import Console

from fc2conv_cli.reports import layers, words
from fc2conv_cli.reports.lines import line, notes, plain, seconds, table
from fc2conv_cli.reports.printable import printable
from fc2conv_cli.verification.report import OutputReport, VerifyReport


def verify(console: Console, report: VerifyReport, *, verbose: bool) -> None:
    """The whole report of ``fc2conv verify``, the verdict last."""
    line(console, f"{report.converted} against {report.original}")
    steps(console, report, verbose=verbose)
    if report.per_layer is not None:
        layers.show(console, report.per_layer, verbose=verbose)
        line(console, words.layers_beside_outputs(report))
    if verbose:
        seconds(console, report.seconds)
    line(console, words.which_layer(report))
    style = "bold green" if report.passed else "bold red"
    verdict = plain("verdict: ") + plain(words.verdict(report), style)
    if report.agrees and not report.passed and report.export is not None and not report.export.holds:
        verdict += plain(": it is the export that does not agree with PyTorch, not the rewrite")
    line(console, verdict)


def steps(console: Console, report: VerifyReport, *, verbose: bool) -> None:
    """The comparison, and for a PyTorch model that of its export before."""
    if report.export is not None:
        _export(console, report.export, verbose)
        line(console, "rewrite deviation, exported ONNX to converted ONNX:")
    _comparison(console, report, verbose)


def _export(console: Console, report: VerifyReport, verbose: bool) -> None:
    """The export step: one line if all is well, and everything if not."""
    title = "export deviation, PyTorch to exported ONNX:"
    compared = [output.worst.max_relative for output in report.outputs if output.worst is not None]
    if report.passed and not verbose and compared:
        worst = words.number(max(compared))
        line(console, f"{title} {worst} of max |ref|, same in {words.counted(report.runs, 'run')} ({report.engine})")
        notes(console, report.notes)
        return
    line(console, title)
    _comparison(console, report, verbose)


def _comparison(console: Console, report: VerifyReport, verbose: bool) -> None:
    line(console, words.ran(report))
    outputs = table(
        *("output", "type", "max |delta|", "allowed", "/ max |ref|", "x noise"),
        *("at", "original", "converted", "verdict"),
    )
    for output in report.outputs:
        verdict = words.output_verdict(output)
        style = "green" if verdict == "same" else "bold yellow" if report.lets_pass(output) else "bold red"
        outputs.add_row(*map(printable, _output_row(output)), plain(verdict, style=style))
    console.print(outputs)
    if any(output.worst is not None and output.excess == math.inf for output in report.outputs):
        line(console, "x noise -: the original does not move there, or by so much that noise excuses nothing")
    if verbose:
        _figures(console, report)
    for output in report.outputs:
        for failure in output.failures:
            line(console, f"output {output.name!r} {failure}", style="bold red")
        for note in output.notes:
            line(console, f"output {output.name!r}: {note}")
        if said := words.ill_conditioned(output, accepted=report.accepts_ill_conditioned):
            line(console, f"output {output.name!r}: {said}")
    for failure in report.failures:
        line(console, failure, style="bold red")
    line(console, words.what_would_pass(report))
    notes(console, report.notes)


def _output_row(output: OutputReport) -> tuple[str, ...]:
    worst = output.worst
    if worst is None or words.output_verdict(output) == "not compared":
        return (output.name, output.dtype, *[""] * 7)
    return (
        output.name,
        output.dtype,
        words.number(output.delta),
        words.number(output.allowed),
        words.number(output.relative),
        _times(output.excess),
        "" if worst.index is None else str(list(worst.index)),
        words.element(worst.reference),
        words.element(worst.converted),
    )


def _times(noise: float | None) -> str:
    """A multiple of the noise; blank where nothing deviates or it is not known, a dash where it excuses nothing."""
    return "" if not noise else f"{noise:.2g}" if math.isfinite(noise) else "-"


def _figures(console: Console, report: VerifyReport) -> None:
    """Further figures of each output, and what the models cost."""
    rows = {output.name: found for output in report.outputs if (found := words.figures(output))}
    if rows:
        figures = table("output", *next(iter(rows.values())))
        for name, found in rows.items():
            figures.add_row(*map(printable, (name, *found.values())))
        console.print(figures)
    for cost in words.costs(report):
        line(console, cost)
