"""The records as Markdown, for summaries of jobs and comments on pull requests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from fc2conv_cli.pipeline.records import ConversionReport
from fc2conv_cli.reports.cases import Report, headline, passed
from fc2conv_cli.reports.layers import verdict as layer_verdict
from fc2conv_cli.reports.markdown_text import escaped
from fc2conv_cli.reports.words import (
    by_layer,
    costs,
    element,
    figures,
    ill_conditioned,
    number,
    output_verdict,
    ran,
    what_would_pass,
    which_layer,
)
from fc2conv_cli.sizes import format_shape
from fc2conv_cli.summary import LayerSummary, PlanSummary, SkipSummary, summarise
from fc2conv_cli.verification.layer_report import LayerReport, LayersReport
from fc2conv_cli.verification.report import OutputReport, VerifyReport

_LISTED_ROWS = 200
"""Rows before a table is cut: GitHub takes no summary of more than a megabyte. JSON has them all."""


def render(report: Report, *, verbose: bool = False) -> str:
    """A report as Markdown, ending in a newline.

    Args:
        report: Any of the three reports.
        verbose: Whether to list the layers that agree, too, and say what the models cost to run.
    """
    mark = "✅" if passed(report) else "❌"
    blocks = [f"### {mark} {escaped(headline(report))}"]
    if isinstance(report, VerifyReport):
        blocks += _verification(report, verbose)
        if report.per_layer is not None:
            blocks += _layers(report.per_layer, by_layer(report), verbose)
        blocks += _list(filter(None, [which_layer(report)]))
    else:
        blocks += _plan(summarise(report.plan))
        if isinstance(report, ConversionReport):
            blocks += _outcome(report, verbose)
        blocks += _notes(report.notes)
    return "\n\n".join(blocks) + "\n"


def _outcome(report: ConversionReport, verbose: bool) -> Iterator[str]:
    if report.verification is not None:
        yield from _verification(report.verification, verbose)
    if report.output is not None:
        unverified = "" if report.verification is not None else ", **unverified**"
        yield f"Written: {escaped(str(report.output))}{unverified}"


def _plan(plan: PlanSummary) -> Iterator[str]:
    if plan.layers:
        columns = ("layer", "was", "in", "out", "positions", "MACs", "becomes", "reads", "writes")
        yield _table(columns, map(_layer, plan.layers))
    if plan.staying:
        yield _table(("stays", "op", "code", "why", "what to do"), map(_skip, plan.staying))


def _layer(layer: LayerSummary) -> Sequence[str]:
    shapes = tuple(map(format_shape, (layer.input_shape, layer.output_shape)))
    features = str(layer.in_features), str(layer.out_features)
    positions = format_shape(layer.positions)
    return (layer.name, layer.spelling, *features, positions, str(layer.macs), layer.convolution, *shapes)


def _skip(skip: SkipSummary) -> Sequence[str]:
    return skip.name, skip.op_type, skip.code, skip.sentence, skip.advice


def _verification(report: VerifyReport, verbose: bool) -> Iterator[str]:
    if report.export is not None:
        yield "**PyTorch against its plain export**"
        yield from _comparison(report.export, verbose)
        yield "**The export against the converted model**"
    yield from _comparison(report, verbose)


def _comparison(report: VerifyReport, verbose: bool) -> Iterator[str]:
    columns = ("output", "type", "max abs delta", "allowed", "of max abs ref", "at", "original", "converted", "verdict")
    if report.outputs:
        yield _table(columns, map(_output, report.outputs))
    failures = [f"output {o.name!r} {failure}" for o in report.outputs for failure in o.failures]
    yield from _list(f"**{escaped(failure)}**" for failure in (*failures, *report.failures))
    accepted = report.accepts_ill_conditioned
    advice = [f"output {o.name!r}: {said}" for o in report.outputs if (said := ill_conditioned(o, accepted=accepted))]
    advice += [said for said in (what_would_pass(report),) if said]
    yield from _notes(advice)
    said = ran(report)
    yield escaped(f"{said[0].upper()}{said[1:]}.")
    rows = {output.name: found for output in report.outputs if (found := figures(output))}
    if rows:
        yield _table(("output", *next(iter(rows.values()))), ((name, *found.values()) for name, found in rows.items()))
    notes = [f"output {o.name!r}: {note}" for o in report.outputs for note in o.notes]
    yield from _notes((*(costs(report) if verbose else ()), *notes, *report.notes))


def _layers(report: LayersReport, conclusion: Sequence[str], verbose: bool) -> Iterator[str]:
    """What the layers come to, and those that are outside of tolerance, or all."""
    differing = [row for row in report.layers if row.differs]
    count = f"{len(differing)} of {len(report.layers)} outside of tolerance"
    yield f"**Layer by layer in {escaped(report.engine)}**: {count}"
    yield from _list(f"**{escaped(line)}**" for line in conclusion)
    if shown := report.layers if verbose else differing:
        kinds = "entire (from the model's inputs)", "single (the layer alone)"
        columns = ("layer", "was", "becomes", "reads", "writes", *kinds, "verdict")
        yield _table(columns, map(_layer_deviation, shown))
    yield from _notes((*(f"{row.name}: {note}" for row in report.layers for note in row.notes), *report.notes))


def _layer_deviation(row: LayerReport) -> Sequence[str]:
    shapes = ("" if shape is None else str(list(shape)) for shape in (row.reads, row.writes))
    found = ("" if d is None else f"{number(d.max_relative)} of max |ref|" for d in (row.entire, row.single))
    return row.name, row.spelling, row.becomes, *shapes, *found, layer_verdict(row)


def _output(output: OutputReport) -> Sequence[str]:
    worst = output.worst
    verdict = output_verdict(output)
    if worst is None or verdict == "not compared":
        return (output.name, output.dtype, *[""] * 6, verdict)
    return (
        output.name,
        output.dtype,
        number(output.delta),
        number(output.allowed),
        number(output.relative),
        "" if worst.index is None else str(list(worst.index)),
        element(worst.reference),
        element(worst.converted),
        verdict,
    )


def _notes(notes: Iterable[str]) -> Iterator[str]:
    yield from _list(map(escaped, notes))


def _list(items: Iterable[str]) -> Iterator[str]:
    if text := "\n".join(f"- {item}" for item in items):
        yield text


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    every = list(rows)
    lines = [
        list(map(escaped, columns)),
        ["---"] * len(columns),
        *([escaped(cell) for cell in row] for row in every[:_LISTED_ROWS]),
    ]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    cut = len(every) - _LISTED_ROWS
    return table if cut <= 0 else f"{table}\n\n... and {cut} more; the JSON report has them all."
