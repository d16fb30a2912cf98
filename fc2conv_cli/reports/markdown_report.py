"""The records as Markdown, for summaries of jobs and comments on pull requests."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from fc2conv_cli.pipeline import ConversionReport
from fc2conv_cli.reports.cases import Report, counted, element, headline, number, passed
from fc2conv_cli.sizes import format_shape
from fc2conv_cli.summary import LayerSummary, PlanSummary, SkipSummary, summarise
from fc2conv_cli.verification.report import OutputReport, VerifyReport

_LISTED_ROWS = 200
"""Rows before a table is cut: GitHub takes no summary of more than a megabyte. JSON has them all."""
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#|~!&$@])")


def render(report: Report) -> str:
    """A report as Markdown, ending in a newline."""
    mark = "✅" if passed(report) else "❌"
    blocks = [f"### {mark} {_escaped(headline(report))}"]
    if isinstance(report, VerifyReport):
        blocks += _verification(report)
    else:
        blocks += _plan(summarise(report.plan))
        if isinstance(report, ConversionReport):
            blocks += _outcome(report)
        blocks += _notes(report.notes)
    return "\n\n".join(blocks) + "\n"


def _outcome(report: ConversionReport) -> Iterator[str]:
    if report.verification is not None:
        yield from _verification(report.verification)
    if report.output is not None:
        unverified = "" if report.verification is not None else ", **unverified**"
        yield f"Written: {_escaped(str(report.output))}{unverified}"


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


def _verification(report: VerifyReport) -> Iterator[str]:
    if report.export is not None:
        yield "**PyTorch against its plain export**"
        yield from _comparison(report.export)
        yield "**The export against the converted model**"
    yield from _comparison(report)


def _comparison(report: VerifyReport) -> Iterator[str]:
    columns = ("output", "type", "max abs delta", "allowed", "of max abs ref", "at", "original", "converted", "verdict")
    if report.outputs:
        yield _table(columns, map(_output, report.outputs))
    failures = [f"output {o.name!r} {failure}" for o in report.outputs for failure in o.failures]
    yield from _list(f"**{_escaped(failure)}**" for failure in (*failures, *report.failures))
    notes = [f"output {o.name!r}: {note}" for o in report.outputs for note in o.notes]
    sizes = "; ".join(", ".join(f"{name}={size}" for name, size in case.items()) for case in report.cases if case)
    at = f" at {sizes}" if sizes else ""
    yield _escaped(f"Compared in {report.engine}: {counted(report.runs, 'run')}, seed {report.seed}{at}.")
    yield from _notes((*notes, *report.notes))


def _output(output: OutputReport) -> Sequence[str]:
    worst = output.worst
    verdict = output.verdict.upper() if not output.passed else "same" if worst is not None else "not compared"
    if worst is None:
        return (output.name, output.dtype, *[""] * 6, verdict)
    return (
        output.name,
        output.dtype,
        number(worst.max_abs),
        number(output.tolerance.atol + output.tolerance.rtol * worst.max_reference),
        number(worst.max_relative),
        "" if worst.index is None else str(list(worst.index)),
        element(worst.reference),
        element(worst.converted),
        verdict,
    )


def _notes(notes: Iterable[str]) -> Iterator[str]:
    yield from _list(map(_escaped, notes))


def _list(items: Iterable[str]) -> Iterator[str]:
    if text := "\n".join(f"- {item}" for item in items):
        yield text


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    every = list(rows)
    lines = [columns, ["---"] * len(columns), *([_escaped(cell) for cell in row] for row in every[:_LISTED_ROWS])]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    cut = len(every) - _LISTED_ROWS
    return table if cut <= 0 else f"{table}\n\n... and {cut} more; the JSON report has them all."


def _escaped(text: str) -> str:
    """Names come from files: none is markup, a mention of somebody, or the end of a row."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))
