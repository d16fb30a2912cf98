"""What every format says of a comparison in the same words, as plain text."""

from __future__ import annotations

import math
from collections.abc import Iterator

from fc2conv_cli.verification.layer_report import LayersReport
from fc2conv_cli.verification.metrics import MORE_THAN_ROUNDING
from fc2conv_cli.verification.report import OutputReport, VerifyReport

_SENSIBLE_RTOL = 1.0
"""A tolerance above this is no advice: it would let anything pass."""


_SENSIBLE_FACTOR = 100
"""Nor is one so many times what is in force: a model that is so far off is another one."""


def counted(count: int, thing: str) -> str:
    """``1 run``, ``2 runs``."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def number(value: float) -> str:
    """Three digits."""
    return "0" if value == 0 else f"{value:.3g}"


def element(value: float | str | None) -> str:
    """An element of a tensor."""
    return "" if value is None else value if isinstance(value, str) else f"{value:.7g}"


def verdict(report: VerifyReport) -> str:
    """What came of a comparison."""
    waived = [output for output in report.outputs if output.verdict == "ill-conditioned"]
    if report.passed:
        return "the same" + (", ILL-CONDITIONED as accepted" if waived else "")
    if report.holds:
        if not any(output.compared for output in report.outputs):
            return "NOTHING COMPARED: no output had a finite value"
        return f"NOT COMPARED: {', '.join(repr(o.name) for o in report.outputs if o.hidden)} had no finite value"
    others = [output for output in report.outputs if output not in waived]
    if waived and all(output.passed for output in others) and not report.failures:
        return "ILL-CONDITIONED"
    return "DIFFERENT"


def output_verdict(output: OutputReport) -> str:
    """What came of an output; one of which nothing finite was compared is not called the same."""
    if not output.passed:
        return output.verdict.upper()
    return "same" if output.worst is not None and output.compared else "not compared"


def ran(report: VerifyReport) -> str:
    """In what, how often, and on which inputs the models ran."""
    if not report.runs:
        return f"no run was compared ({report.engine})"
    sizes = "; ".join(", ".join(f"{name}={size}" for name, size in case.items()) for case in report.cases if case)
    at = f" at {sizes}" if sizes else ""
    inputs = f"seed {report.seed}{at}" if report.data is None else f"inputs from {report.data}"
    return f"compared in {report.engine}: {counted(report.runs, 'run')}, {inputs}"


def figures(output: OutputReport) -> dict[str, str]:
    """Further figures of an output, by the name of each; they judge nothing."""
    found: dict[str, str] = {}
    if (m := output.measures) is not None:
        found = {
            "mean |delta|": number(m.mean_abs),
            "RMSE": number(m.rmse),
            "cosine": f"{m.cosine:.9g}",
            "SQNR dB": f"{m.sqnr_db:.1f}",
            "ULP": "" if m.max_ulp is None else str(m.max_ulp),
            "top-1": "" if m.top1 is None else f"{m.top1:.2%}",
            "noise": "" if output.noise is None else number(output.noise),
        }
    return found


def costs(report: VerifyReport) -> Iterator[str]:
    """What each of the two models cost to run."""
    for name, cost in (("original", report.original_cost), ("converted", report.converted_cost)):
        if cost is not None:
            memory = "" if cost.memory_bytes is None else f", {cost.memory_bytes / 2**20:.1f} MB of memory"
            each = f", {_time(cost.seconds_per_run)} a run over {cost.runs} after the first" if cost.runs else ""
            yield f"{name}: loaded in {_time(cost.load_seconds)}{each}{memory}"


def _time(seconds: float) -> str:
    """Three digits, as seconds or as milliseconds, and never an exponent."""
    value, unit = (seconds, "s") if seconds >= 0.9995 else (1e3 * seconds, "ms")
    whole = len(str(int(value)))
    return f"{value:.{max(0, 3 - whole)}f} {unit}"


def ill_conditioned(output: OutputReport, *, accepted: bool) -> str:
    """What an ill-conditioned output means, and what to do unless it was done; nothing for any other output."""
    if output.verdict != "ill-conditioned":
        return ""
    found = (
        f"outside tolerance, but by no more than {output.excess:.2g} times what the original itself moves when each "
        "input moves by one unit in the last place: the model is ill-conditioned there"
    )
    if accepted:
        return f"{found}; accepted (--accept-ill-conditioned)"
    return (
        f"{found}. Give inputs like those in use (--inputs), a tolerance (--atol, --rtol), or --accept-ill-conditioned"
    )


def _in_force(output: OutputReport) -> float:
    """What is allowed of the largest reference value, atol included."""
    largest = 0.0 if output.worst is None else output.worst.max_reference
    return output.tolerance.rtol + (output.tolerance.atol / largest if largest else 0.0)


def what_would_pass(report: VerifyReport) -> str:
    """The tolerance that would let all outputs pass; nothing if they do, or if none that makes sense would."""
    rtol = report.rtol_to_pass
    if rtol is None or rtol > _SENSIBLE_RTOL:
        return ""
    failing = [output for output in report.outputs if not output.passed]
    if any(output.rtol_to_pass > _SENSIBLE_FACTOR * _in_force(output) or is_no_rounding(output) for output in failing):
        return ""
    used = {output.tolerance.rtol for output in failing}
    now = f"; now it is {number(used.pop())}" if len(used) == 1 else ""
    return f"all outputs would pass with --rtol {rounded_up(rtol)}{now}"


def is_no_rounding(output: OutputReport) -> bool:
    """Whether an output is so many times its noise away that a tolerance that lets it pass would hide a fault."""
    return output.excess is not None and output.excess > MORE_THAN_ROUNDING


def is_of_little_worth(note: str) -> bool:
    """Whether a note on an output, in a saved report too, says that its comparison shows nothing or little."""
    return "shows nothing" in note or "shows little" in note


def rounded_up(value: float) -> str:
    """Two digits, never below the value itself: what is suggested must be enough."""
    if not value:
        return "0"
    digits = 10.0 ** (math.floor(math.log10(value)) - 1)
    return f"{math.ceil(value / digits * 1.001) * digits:.2g}"


def which_layer(report: VerifyReport) -> str:
    """How to find the layer where outputs begin to differ; nothing if it was looked for, or is of no use."""
    numbers = any(output.verdict == "different" and not output.failures for output in report.outputs)
    if report.agrees or report.failures or report.per_layer is not None or not numbers:
        return ""
    return "fc2conv verify --per-layer tells which layer diverges first"


def first_layer(report: LayersReport) -> str:
    """The first layer that diverges, with its shapes, spelling and deviation; or that none does."""
    if not report.layers or not report.runs:
        return ""
    first, what = report.first, "value" if report.basis == "names" else "layer"
    if first is None:
        left, rounding = sum(not row.measured for row in report.layers), sum(row.is_rounding for row in report.layers)
        missing = f" ({left} not measured)" if left else ""
        grown = f"; {rounding} outside of tolerance by rounding that grows in the original too" if rounding else ""
        return f"no {what} diverges{missing}{grown}"
    change = first.spelling if first.spelling == first.becomes else f"{first.spelling} -> {first.becomes}"
    reads = "" if first.reads is None else f"{list(first.reads)} -> "
    writes = "" if first.writes is None else str(list(first.writes))
    by = ", ".join(
        f"{kind} {number(d.max_abs)} ({number(d.max_relative)} of max |ref|)"
        for kind, d in (("single", first.single), ("entire", first.entire))
        if d is not None
    )
    text = f"first {what} that diverges: {first.name}: {change}, {reads}{writes}, {by}"
    if first.diverges:
        return text
    return f"{text}; each layer agrees on the original's own input, so the fault is in what stands before this one"


def layers_beside_outputs(report: VerifyReport) -> str:
    """What is to be said where layers and outputs do not tell the same; they decide nothing, the outputs do."""
    layers = report.per_layer
    if layers is None or not layers.layers or not layers.runs or report.agrees == layers.agrees:
        return ""
    if report.agrees:
        return "the outputs agree all the same: on these inputs what diverges is lost before it reaches one"
    if layers.tells_all:
        return "the outputs differ all the same: the fault is behind the last layer, or beside all of them"
    other = "--seed draws others" if report.data is None else "--samples takes more of them"
    return f"the outputs differ all the same: inputs that show it are not among those compared layer by layer ({other})"


def by_layer(report: VerifyReport) -> tuple[str, ...]:
    """What a comparison layer by layer comes to; nothing if there was none."""
    if report.per_layer is None:
        return ()
    said = (first_layer(report.per_layer), layers_beside_outputs(report))
    return tuple(line for line in said if line)
