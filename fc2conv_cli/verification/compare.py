"""Compares a converted model with its original, both in onnxruntime; and an exported one with PyTorch before that."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from fc2conv_cli.errors import UnrunnableModelError, UsageError
from fc2conv_cli.frontends.onnx_file import load
from fc2conv_cli.memory import needing_memory
from fc2conv_cli.timing import Stopwatch
from fc2conv_cli.verification.adapted import adapted
from fc2conv_cli.verification.choices import Choices
from fc2conv_cli.verification.cost import Cost
from fc2conv_cli.verification.declared import contradicted, declared_outputs
from fc2conv_cli.verification.facts import Facts, facts_of
from fc2conv_cli.verification.gathered import Gathered
from fc2conv_cli.verification.held import Held, memory_hint
from fc2conv_cli.verification.inputs import dims_of, dynamic_dims
from fc2conv_cli.verification.instrument import Instrumented, in_onnxruntime, in_reference
from fc2conv_cli.verification.interface import compare_inputs, compare_outputs, shape_text
from fc2conv_cli.verification.outcome import Outcome, sizes_text
from fc2conv_cli.verification.report import OutputReport, VerifyReport
from fc2conv_cli.verification.runner import Model, RunError, Runner, warm_up
from fc2conv_cli.verification.runs import Comparison, Names, Run, Runs
from fc2conv_cli.verification.settings import Settings
from fc2conv_cli.verification.turns import Room, room_for

__all__ = ["Settings", "compare_models"]

_FEED = (
    "If it needs other inputs than random ones: --range NAME:LO..HI says which values an input takes, --dim NAME=SIZE "
    "how large a dim is, and --inputs FILE.npz gives the inputs themselves."
)
_UNVERIFIED = (
    "Nothing can be verified. --allow-unverifiable asks ONNX's reference evaluator instead; "
    "`fc2conv convert --no-verify` writes a result unverified."
)


def compare_models(
    original: Path,
    converted: Path,
    settings: Settings,
    frozen: Collection[str] = (),
    *,
    eager: Model | None = None,
    name: Path | None = None,
    watch: Stopwatch | None = None,
) -> VerifyReport:
    """Run both models on the same inputs and compare every output.

    Quantised models that differ in onnxruntime are compared once more with sums in double precision: there a float
    sum in another order flips no rounding, and integers do not saturate.

    Args:
        original: The file to compare with.
        converted: The file to judge.
        settings: How to compare.
        frozen: Names of overridable initializers that the converted model is meant to lack.
        eager: The PyTorch model that the original was exported from: the two are compared as well, on the same inputs.
        name: What the user calls the original; its own path if not given.
        watch: Told how far it is.

    Raises:
        UnrunnableModelError: The original cannot be loaded, or run on any inputs.
        NotEnoughMemoryError: One of the models does not fit into memory.
    """
    with needing_memory("compare the two models", memory_hint(low_memory=settings.low_memory)):
        facts, name, watch = facts_of(original), name or original, watch or Stopwatch()
        rewrite = _compare_files(_Pair(name, converted, original, facts, watch, frozen), settings)
        if eager is None:
            return rewrite
        export = _compare_files(_Pair(name, original, eager, facts, watch, names=_EXPORT), settings)
        return replace(rewrite, export=export)


_REWRITE = Names("the original", "the converted model")
_ENGINES = Names("the original in onnxruntime", "the original in the reference evaluator")
_EXPORT = Names("the PyTorch model", "the exported model")


@dataclass(frozen=True)
class _Pair:
    """Two models to compare.

    Attributes:
        original: What the user calls the reference.
        converted: The file to judge.
        source: The reference: its file, or a model that is loaded already.
        facts: What bears on the comparison.
        watch: Told how far it is.
        frozen: Overridable initializers that the file to judge may lack.
        names: What the two are called.
        doubtful: The runs that differed in the engine that was asked first; filled while it compares.
    """

    original: Path
    converted: Path
    source: Path | Model
    facts: Facts
    watch: Stopwatch
    frozen: Collection[str] = ()
    names: Names = _REWRITE
    doubtful: set[Run] = field(default_factory=set)

    def load(self, engine: _Engine, hint: str) -> Model:
        """The reference, ready to run, and what to do where it does not fit into memory."""
        source = self.source
        return Held(lambda: engine.load(source) if isinstance(source, Path) else source, self.names.reference, hint)

    def load_candidate(self, engine: _Engine, hint: str) -> Model:
        """The model to judge, likewise."""
        return Held(lambda: engine.load(self.converted), self.names.candidate, hint)

    def engine_name(self, engine: _Engine) -> str:
        """What runs the two."""
        return engine.name if isinstance(self.source, Path) else f"PyTorch and {engine.name}"


def _compare_files(pair: _Pair, settings: Settings) -> VerifyReport:
    """In onnxruntime, and where that gives no verdict in the reference evaluator."""
    try:
        report = _compare(_ONNXRUNTIME, pair, settings)
    except UnrunnableModelError:
        if not settings.reference:
            raise
        return _compare(_reference(), pair, settings)
    if report.agrees or not _may_be_overruled(report, pair.facts, settings):
        return report
    try:
        precise = _compare(_reference(), pair, settings)
    except UnrunnableModelError:
        if not report.runs:
            raise
        return report
    if precise.agrees and (doubt := _doubt(pair, settings)):
        return replace(report, notes=(*report.notes, doubt)) if report.runs else report
    if precise.agrees:
        return replace(precise, notes=(*precise.notes, *_verdict_of_onnxruntime(report)))
    again = f"with sums in double precision, in {precise.engine}, they differ too: {_apart(precise)}"
    return replace(report, notes=(*report.notes, again)) if report.runs else precise


def _may_be_overruled(report: VerifyReport, facts: Facts, settings: Settings) -> bool:
    """Whether the reference evaluator may have another verdict than onnxruntime, which found a difference.

    It may on numbers, and where onnxruntime has no kernel. A model that onnxruntime runs at some sizes only, or that
    gives another shape there, does so on whatever ships it too.
    """
    if report.failures or any(o.failures for o in report.outputs):
        return settings.reference and not report.runs
    return settings.reference or bool(facts.quantized and report.runs)


_FLIPPED = 0.05
"""Roundings that flip change a quantised model by less than this share of its outputs' power, as a root mean square."""


def _doubt(pair: _Pair, settings: Settings) -> str | None:
    """Why the reference evaluator may not overrule onnxruntime: it has the original do something else.

    Only flipped roundings may set the two engines apart on the original; a kernel that sums integers may also saturate.
    """
    if not isinstance(pair.source, Path) or pair.facts.sums_integers:
        return None
    try:
        same = replace(pair, converted=pair.source, source=Runner(pair.source), names=_ENGINES)
        between = _compare(_reference(), same, settings)
    except (RunError, UnrunnableModelError):
        return None  # onnxruntime does not run it: there is nothing to agree with
    if not between.failures and all(map(_only_flips, between.outputs)):
        return None
    return (
        f"{_reference().name} finds no difference, but does not count: the original itself gives something else there "
        f"than in onnxruntime, {_apart(between)}"
    )


def _only_flips(output: OutputReport) -> bool:
    """Whether what sets two engines apart in an output may be flipped roundings."""
    if output.verdict != "different":
        return True
    if output.failures or output.worst is None or output.measures is None or not math.isfinite(output.worst.max_abs):
        return False
    steps = "float" not in output.dtype and output.worst.max_abs <= _STEPS
    return steps or output.measures.sqnr_db >= -20 * math.log10(_FLIPPED)


_STEPS = 2
"""So far may integers be apart when a rounding before them flips."""


def _apart(report: VerifyReport) -> str:
    """By how much the outputs that differ do."""
    if report.failures:
        return report.failures[0]
    return ", ".join(
        f"{o.name!r} by up to {o.worst.max_abs:.3g} ({o.worst.max_relative:.2g} of the largest value)"
        for o in report.outputs
        if not o.passed and o.worst is not None
    )


class _Engine(NamedTuple):
    """What runs the models."""

    name: str
    load: Callable[[Path], Model]


_ONNXRUNTIME = _Engine("onnxruntime", Runner)


def _reference() -> _Engine:
    from fc2conv_cli.verification.reference import ReferenceRunner  # rarely needed, and slow to import

    return _Engine("ONNX's reference evaluator", ReferenceRunner)


def _verdict_of_onnxruntime(report: VerifyReport) -> tuple[str, ...]:
    """What kept onnxruntime from seeing that the models agree."""
    if report.failures:
        return report.failures
    return (
        f"in onnxruntime they differ in {_apart(report)}: there float sums in another order flip the rounding of a "
        "quantised value, or sums of integers saturate; with sums in double precision, as above, neither happens",
    )


def _compare(engine: _Engine, pair: _Pair, settings: Settings) -> VerifyReport:
    with room_for(one=settings.low_memory) as room:
        return _compare_in(room, engine, pair, settings)


def _compare_in(room: Room, engine: _Engine, pair: _Pair, settings: Settings) -> VerifyReport:
    facts, hint = pair.facts, memory_hint(low_memory=settings.low_memory)
    if engine is _ONNXRUNTIME:
        warm_up()
    try:
        original = room.load(lambda: pair.load(engine, hint))
    except RunError as error:
        problem = f"{engine.name} cannot load it: {error}"
        raise UnrunnableModelError(pair.original, problem, hint=_UNVERIFIED) from error
    reference = room.recorded(original)
    runs = Runs(settings.samples, facts.quantized, engine is not _ONNXRUNTIME, pair.doubtful)
    _check_comparable(pair.original, reference, facts, settings)
    _check_tolerances(settings, reference)
    _check_names(settings, reference)
    dims = {**settings.feeding.dims, **dims_of(settings.feeding.specs, reference.inputs)}
    gathered = _nothing_gathered(reference, facts, settings)
    if settings.low_memory:
        nothing = _nothing_gathered(reference, facts, settings)
        Comparison(reference, reference, settings, facts, nothing, pair.names, dims, runs, pair.watch).run_all()
    try:
        measured = room.load(lambda: pair.load_candidate(engine, hint))
    except RunError as error:
        advice = "" if settings.reference else " (--allow-unverifiable asks ONNX's reference evaluator)"
        outcome = Outcome(failures=[f"{engine.name} cannot load {pair.names.candidate}: {error}{advice}"])
        return _report(engine, pair, settings, outcome, gathered)
    candidate, noted = adapted(measured, reference)
    ours, theirs = ((*runner.inputs, *runner.overridable) for runner in (reference, candidate))
    kept, defaults = [p for p in ours if p.name not in pair.frozen], {p.name for p in reference.overridable}
    outcome = Outcome(said=noted, failures=compare_inputs(kept, theirs, defaults))
    each, whole = compare_outputs(reference.outputs, candidate.outputs)
    outcome.failures.extend(whole)
    for name, failures in each.items():
        gathered[name].failures.extend(failures)
    if not outcome.failures and not any(each.values()):
        outcome = Comparison(
            *(reference, candidate, settings, facts, gathered, pair.names, dims, runs, pair.watch),
            _choices(room, engine, pair.source),
        ).run_all()
        outcome = replace(outcome, said=noted if pair.names is _EXPORT else (*noted, *outcome.said))
        if candidate is measured and isinstance(pair.source, Path):
            _check_declared(pair, gathered)
            _note_indices_alone(pair.facts, gathered)
        if not outcome.ran:
            sizes, why = outcome.refusals[0]
            problem = f"{pair.engine_name(engine)} cannot run it{f' at {sizes_text(sizes)}' if dims else ''}: {why}"
            raise UnrunnableModelError(pair.original, problem, hint=f"{_FEED} {_UNVERIFIED}")
    return _report(engine, pair, settings, outcome, gathered, (original.cost, measured.cost))


def _choices(room: Room, engine: _Engine, source: Path | Model) -> Choices | None:
    """What the original chooses from, of its file: loaded only where it matters."""
    if not isinstance(source, Path):
        return None
    make = in_onnxruntime if engine is _ONNXRUNTIME else in_reference
    return Choices(lambda: Instrumented(source), lambda model, names: room.load(lambda: model.tapped(make, names)))


def _check_declared(pair: _Pair, gathered: Mapping[str, Gathered]) -> None:
    """A shape that the converted file declares, and that did not come out: what reads the file alone goes by it."""
    theirs = declared_outputs(load(pair.converted))
    for name, shape in pair.facts.declared.items():
        found = gathered[name]
        if shape is not None and theirs.get(name) is None and found.shapes:
            found.said.append(f"the converted model declares no shape, the original {shape_text(shape)}")
        elif (given := contradicted(theirs.get(name), shape, found.shapes)) is not None:
            found.failures.append(f"declares {shape_text(theirs[name] or ())}, gives {shape_text(given)}")


def _note_indices_alone(facts: Facts, gathered: Mapping[str, Gathered]) -> None:
    """Say of indices that they tell little of what they are chosen from, where nothing else comes out."""
    if any("float" in one.dtype for one in gathered.values()):
        return
    for name, one in gathered.items():
        if name in facts.chosen and one.elements:
            one.said.append(
                f"gives indices only, of which {one.elements:,} were compared: a fault that seldom changes what is "
                "chosen may not show; a larger --samples compares more, fc2conv verify --per-layer the layers before"
            )


def _nothing_gathered(reference: Model, facts: Facts, settings: Settings) -> dict[str, Gathered]:
    return {
        port.name: Gathered(
            port,
            settings.tolerances_of(port.name),
            settings.elementwise,
            facts.coarsest_floats.get(port.name, "float64"),
            port.name not in facts.chosen,
        )
        for port in reference.outputs
    }


def _check_names(settings: Settings, reference: Model) -> None:
    """Refuse a name that the user gives and the model does not have: it would silently do nothing."""
    inputs, outputs = [port.name for port in reference.inputs], [port.name for port in reference.outputs]
    dims = dynamic_dims(reference.inputs)
    for option, names, known, what in (
        ("--atol or --rtol", settings.outputs, outputs, "output"),
        ("--range", settings.feeding.ranges, inputs, "input"),
        ("--dim", settings.feeding.dims, dims, "dynamic dim"),
    ):
        if (strange := next((name for name in names if name not in known), None)) is not None:
            listed = ", ".join(known) or "none"
            raise UsageError(f"{option}: the model has no {what} {strange!r}", hint=f"It has: {listed}.")


def _check_tolerances(settings: Settings, reference: Model) -> None:
    """Refuse a tolerance for an output that must be equal."""
    for port in reference.outputs:
        if port.name in settings.outputs and port.dtype is not None and "float" not in port.dtype:
            problem = f"--atol or --rtol: output {port.name!r} is {port.dtype}, which must be equal"
            raise UsageError(problem, hint="Tolerances are for outputs of floats.")


def _check_comparable(original: Path, reference: Model, facts: Facts, settings: Settings) -> None:
    if facts.random is not None:
        problem = f"node {facts.random!r} gives another result in every run"
        raise UnrunnableModelError(original, problem, hint=f"Give it a seed, or export for inference. {_UNVERIFIED}")
    for port in reference.inputs if settings.feeding.data is None else ():
        what = "of unknown rank" if port.name in facts.unranked else port.type if port.dtype is None else None
        if what is not None:
            problem = f"input {port.name!r} is {what}: no input can be made for it"
            raise UnrunnableModelError(original, problem, hint=f"--inputs FILE.npz gives it one. {_UNVERIFIED}")


def _report(
    engine: _Engine,
    pair: _Pair,
    settings: Settings,
    outcome: Outcome,
    gathered: Mapping[str, Gathered],
    costs: tuple[Cost | None, Cost | None] = (None, None),
) -> VerifyReport:
    return VerifyReport(
        pair.original,
        pair.converted,
        settings.seed,
        settings.samples,
        tuple(outcome.cases),
        outcome.runs,
        tuple(g.report for g in gathered.values()),
        tuple(outcome.failures),
        outcome.notes_on(pair.names.reference),
        pair.engine_name(engine),
        data=settings.feeding.data,
        accepts_ill_conditioned=settings.accept_ill_conditioned,
        original_cost=costs[0],
        converted_cost=costs[1],
        quantized=pair.facts.quantized,
        farthest=tuple({id(g.farthest[1]): g.farthest[1] for g in gathered.values() if g.farthest}.values()),
    )
