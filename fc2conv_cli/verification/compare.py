"""Compares a converted model with its original, both in onnxruntime; and an exported one with PyTorch before that."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fc2conv_cli.errors import UnrunnableModelError, UsageError
from fc2conv_cli.verification.adapted import adapted
from fc2conv_cli.verification.changes import Changes
from fc2conv_cli.verification.extremes import kept, least_rtol, worst_of
from fc2conv_cli.verification.facts import Facts, facts_of
from fc2conv_cli.verification.inputs import (
    Array,
    Sizes,
    dynamic_dims,
    integer_limits,
    larger_cases,
    replacements,
    sample,
    spread_out,
    usual_cases,
)
from fc2conv_cli.verification.interface import compare_inputs, compare_outputs
from fc2conv_cli.verification.metrics import Deviation, Tolerance, compare, tolerance_for
from fc2conv_cli.verification.report import OutputReport, VerifyReport
from fc2conv_cli.verification.runner import Model, Port, RunError, Runner

_UNVERIFIED = (
    "Nothing can be verified. --allow-unverifiable asks ONNX's reference evaluator instead; "
    "`fc2conv convert --no-verify` writes a result unverified."
)

_FEW_VALUES = 2
"""An integer output that takes no more is saturated, or nearly: it hides what happens before."""


@dataclass(frozen=True)
class Settings:
    """How to compare.

    Attributes:
        samples: Number of input sets for each choice of sizes; at least 1.
        seed: Seed of the inputs.
        atol: Absolute tolerance for floats; None for the default of each dtype.
        rtol: Relative tolerance for floats; None for the default of each dtype.
        reference: Run models that onnxruntime has no kernel for in ONNX's reference evaluator.
    """

    samples: int = 4
    seed: int = 0
    atol: float | None = None
    rtol: float | None = None
    reference: bool = False

    def __post_init__(self) -> None:
        """Refuse what would make a comparison meaningless.

        Raises:
            UsageError: A tolerance is negative or not finite, samples is below 1, or seed is negative.
        """
        for name, tolerance in (("atol", self.atol), ("rtol", self.rtol)):
            if tolerance is not None and not (tolerance >= 0 and math.isfinite(tolerance)):
                raise UsageError(f"{name} is {tolerance}", hint="A tolerance is a number from 0 up.")
        if self.samples < 1:
            raise UsageError(f"samples is {self.samples}", hint="At least 1 is needed to compare anything.")
        if self.seed < 0:
            raise UsageError(f"seed is {self.seed}", hint="A seed is a number from 0 up.")


def compare_models(
    original: Path,
    converted: Path,
    settings: Settings,
    frozen: Collection[str] = (),
    *,
    eager: Model | None = None,
    name: Path | None = None,
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

    Raises:
        UnrunnableModelError: The original cannot be loaded, or run on any inputs.
    """
    facts, name = facts_of(original), name or original
    rewrite = _compare_files(_Pair(name, converted, original, facts, frozen), settings)
    if eager is None:
        return rewrite
    return replace(rewrite, export=_compare_files(_Pair(name, original, eager, facts, names=_EXPORT), settings))


class _Names(NamedTuple):
    """What the two models of a comparison are called."""

    reference: str
    candidate: str


_REWRITE = _Names("the original", "the converted model")
_EXPORT = _Names("the PyTorch model", "the exported model")


@dataclass(frozen=True)
class _Pair:
    """Two models to compare.

    Attributes:
        original: What the user calls the reference.
        converted: The file to judge.
        source: The reference: its file, or a model that is loaded already.
        facts: What bears on the comparison.
        frozen: Overridable initializers that the file to judge may lack.
        names: What the two are called.
    """

    original: Path
    converted: Path
    source: Path | Model
    facts: Facts
    frozen: Collection[str] = ()
    names: _Names = _REWRITE

    def load(self, engine: _Engine) -> Model:
        """The reference, ready to run."""
        return engine.load(self.source) if isinstance(self.source, Path) else self.source

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
    if report.agrees or not (settings.reference or (pair.facts.quantized and report.runs)):
        return report
    try:
        precise = _compare(_reference(), pair, settings)
    except UnrunnableModelError:
        if not report.runs:
            raise
        return report
    if precise.agrees:
        return replace(precise, notes=(*precise.notes, *_verdict_of_onnxruntime(report)))
    again = f"with sums in double precision, in {precise.engine}, they differ too: {_apart(precise)}"
    return replace(report, notes=(*report.notes, again)) if report.runs else precise


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
    facts = pair.facts
    try:
        reference = pair.load(engine)
    except RunError as error:
        problem = f"{engine.name} cannot load it: {error}"
        raise UnrunnableModelError(pair.original, problem, hint=_UNVERIFIED) from error
    _check_comparable(pair.original, reference, facts)
    gathered = {
        port.name: _Gathered(port, settings, facts.coarsest_floats.get(port.name, "float64"))
        for port in reference.outputs
    }
    try:
        candidate = engine.load(pair.converted)
    except RunError as error:
        advice = "" if settings.reference else " (--allow-unverifiable asks ONNX's reference evaluator)"
        outcome = _Outcome(failures=[f"{engine.name} cannot load {pair.names.candidate}: {error}{advice}"])
        return _report(engine, pair, settings, outcome, gathered)
    candidate, noted = adapted(candidate, reference)
    ours, theirs = ((*runner.inputs, *runner.overridable) for runner in (reference, candidate))
    outcome = _Outcome(
        said=noted, failures=compare_inputs([port for port in ours if port.name not in pair.frozen], theirs)
    )
    each, whole = compare_outputs(reference.outputs, candidate.outputs)
    outcome.failures.extend(whole)
    for name, failures in each.items():
        gathered[name].failures.extend(failures)
    if not outcome.failures and not any(each.values()):
        outcome = _Comparison(reference, candidate, settings, facts, gathered, pair.names).run_all()
        outcome = replace(outcome, said=noted)
        if not outcome.ran:
            problem = f"{pair.engine_name(engine)} cannot run it: {outcome.refusals[0][1]}"
            raise UnrunnableModelError(pair.original, problem, hint=_UNVERIFIED)
    return _report(engine, pair, settings, outcome, gathered)


def _check_comparable(original: Path, reference: Model, facts: Facts) -> None:
    if facts.random is not None:
        problem = f"node {facts.random!r} gives another result in every run"
        raise UnrunnableModelError(original, problem, hint=f"Give it a seed, or export for inference. {_UNVERIFIED}")
    for port in reference.inputs:
        what = "of unknown rank" if port.name in facts.unranked else port.type if port.dtype is None else None
        if what is not None:
            problem = f"input {port.name!r} is {what}: no input can be made for it"
            raise UnrunnableModelError(original, problem, hint=_UNVERIFIED)


@dataclass
class _Gathered:
    """What is known of one output so far."""

    port: Port
    settings: Settings
    coarsest_float: str
    extremes: tuple[Deviation, ...] = ()
    tolerance: Tolerance | None = None
    dtype: str = ""
    failures: list[str] = field(default_factory=list)
    nans: float = 0.0
    infinities: float = 0.0
    finite: bool = False
    largest: float = 0.0
    integers: set[int] = field(default_factory=set)
    elements: int = 0
    changes: Changes = field(default_factory=Changes)

    @property
    def worst(self) -> Deviation | None:
        return None if self.tolerance is None else worst_of(self.extremes, self.tolerance)

    @property
    def rtol_to_pass(self) -> float:
        return 0.0 if self.tolerance is None else least_rtol(self.extremes, self.tolerance.atol)

    @property
    def notes(self) -> tuple[str, ...]:
        odd = (("NaN", self.nans), ("the same infinity", self.infinities))
        notes = [f"{what} in both models at up to {share:.3g} of the places" for what, share in odd if share]
        if self.worst is not None and not self.finite:
            notes.append("no finite value was compared, so this shows nothing")
        elif self.elements and self.largest == 0:
            notes.append("all values are 0, so this shows nothing")
        elif self.elements > 2 and 0 < len(self.integers) <= _FEW_VALUES:
            listed = " or ".join(map(str, sorted(self.integers)))
            notes.append(f"every value of every run is {listed}, so this shows little")
        elif self.tolerance is not None and 0 < self.largest <= self.tolerance.atol:
            notes.append(
                f"all values are within atol ({self.largest:.3g}), so this shows little: give a smaller --atol"
            )
        elif self.tolerance is not None and (idle := self.changes.note(self.tolerance.atol, self.tolerance.rtol)):
            notes.append(idle)
        return tuple(notes)

    def add(self, reference: Any, converted: Any, where: str) -> None:
        expected, actual = dict(_leaves(reference)), dict(_leaves(converted))
        self.changes.add(expected)
        if expected.keys() != actual.keys():
            self._fail(f"has {len(actual)} elements, was {len(expected)}{where}")
            return
        for place, ours in expected.items():
            theirs = actual[place]
            if ours.dtype != theirs.dtype:
                self._fail(f"is {theirs.dtype}, was {ours.dtype}{where}")
            elif ours.shape != theirs.shape:
                self._fail(f"has shape {list(theirs.shape)}, was {list(ours.shape)}{where}")
            else:
                self._measure(ours, theirs)

    def tolerance_for(self, dtype: str) -> Tolerance:
        return tolerance_for(dtype, self.settings.atol, self.settings.rtol, self.coarsest_float)

    def _measure(self, ours: Array, theirs: Array) -> None:
        self.dtype = str(ours.dtype)
        self.tolerance = self.tolerance_for(self.dtype)
        deviation = compare(ours, theirs, self.tolerance)
        self.extremes = kept(self.extremes, deviation)
        self.finite = self.finite or bool(np.isfinite(ours).any() if "float" in self.dtype else ours.size)
        self.largest = max(self.largest, deviation.max_reference)
        self.elements += ours.size
        if ours.dtype.kind in "iu" and len(self.integers) <= _FEW_VALUES:
            self.integers.update(np.unique(ours).tolist())
        self.nans, self.infinities = max(self.nans, deviation.nans), max(self.infinities, deviation.infinities)

    def _fail(self, failure: str) -> None:
        if failure not in self.failures:
            self.failures.append(failure)


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Array]]:
    """The tensors of an output, each with its place in the sequences and maps around it."""
    if isinstance(value, list):
        for i, item in enumerate(value):
            yield from _leaves(item, f"{path}[{i}]")
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, f"{path}[{key!r}]")
    else:
        yield path, np.asarray(value)


@dataclass
class _Outcome:
    """What the runs as a whole came to."""

    cases: list[Sizes] = field(default_factory=list)
    runs: int = 0
    failures: list[str] = field(default_factory=list)
    refusals: list[tuple[Sizes, str]] = field(default_factory=list)
    said: tuple[str, ...] = ()

    def add(self, other: _Outcome) -> None:
        self.cases.extend(other.cases)
        self.runs += other.runs
        self.failures.extend(other.failures)

    @property
    def ran(self) -> bool:
        return bool(self.runs or self.failures)

    def notes_on(self, reference: str) -> tuple[str, ...]:
        """What was said before, and one note for all sizes that the reference itself refuses."""
        if not self.refusals:
            return self.said
        sizes = "; ".join(_sizes_text(sizes) or "any" for sizes, _ in self.refusals)
        return (*self.said, f"{reference} itself does not run at {sizes}: {self.refusals[0][1]}")


@dataclass(frozen=True)
class _Comparison:
    """Two models that have been loaded, and how to compare them."""

    reference: Model
    candidate: Model
    settings: Settings
    facts: Facts
    gathered: Mapping[str, _Gathered]
    names: _Names

    def run_all(self) -> _Outcome:
        """Run the usual sizes; where the original refuses some, also the first larger ones that it takes."""
        ports = self.reference.inputs
        outcome, limit = self._first_that_runs([usual_cases(ports)])
        if outcome.refusals and dynamic_dims(ports):
            larger, _ = self._first_that_runs(larger_cases(ports), limit)
            outcome.add(larger)
        return outcome

    def _first_that_runs(
        self, choices: Iterable[Sequence[Sizes]], limit: int | None = None
    ) -> tuple[_Outcome, int | None]:
        """The outcome of the first choice that the original takes, with the limit of integers; else of the last."""
        limits = integer_limits(self.reference.inputs) if limit is None else (limit,)
        outcome = _Outcome()
        for cases in choices:
            for limit in limits:
                outcome = self._run(cases, limit)
                if outcome.ran:
                    return outcome, limit
        return outcome, None

    def _run(self, cases: Sequence[Sizes], limit: int) -> _Outcome:
        outcome = _Outcome()
        for number, sizes in enumerate(cases):
            for k in range(self.settings.samples):
                seed = (self.settings.seed, number, k)
                feeds = sample(self.reference.inputs, sizes, limit, self.facts.table_lengths, seed)
                if self.facts.quantized:
                    feeds = spread_out(feeds, k)
                if not self._run_once(feeds, sizes, outcome):
                    break
                if k == 0:
                    outcome.cases.append(sizes)
                    self._run_overridden(feeds, sizes, outcome)
        return outcome

    def _run_overridden(self, feeds: Mapping[str, Array], sizes: Sizes, outcome: _Outcome) -> None:
        """Once more with other values for the floats that a caller may override; no matter if the original refuses."""
        theirs = {port.name for port in self.candidate.overridable}
        ours = (p for p in self.reference.overridable if p.name in theirs and "float" in (p.dtype or ""))
        ports = [p for p in ours if p.shape is not None and all(isinstance(dim, int) for dim in p.shape)]
        if ports:
            defaults = replacements(ports, sizes, (self.settings.seed,))
            self._run_once({**feeds, **defaults}, sizes, outcome, optional=True)

    def _run_once(self, feeds: Mapping[str, Array], sizes: Sizes, outcome: _Outcome, *, optional: bool = False) -> bool:
        where = f" at {_sizes_text(sizes)}" if sizes else ""
        try:
            expected = self.reference.run(feeds)
        except RunError as error:
            if not optional:
                outcome.refusals.append((sizes, str(error)))
            return False
        try:
            actual = self.candidate.run(feeds)
        except RunError as error:
            outcome.failures.append(f"{self.names.candidate} does not run{where}, {self.names.reference} does: {error}")
            return False
        for name, value in expected.items():
            self.gathered[name].add(value, actual[name], where)
        outcome.runs += 1
        return True


def _sizes_text(sizes: Sizes) -> str:
    return ", ".join(f"{name}={size}" for name, size in sizes.items())


def _report(
    engine: _Engine, pair: _Pair, settings: Settings, outcome: _Outcome, gathered: Mapping[str, _Gathered]
) -> VerifyReport:
    outputs = tuple(
        OutputReport(
            name,
            g.dtype or g.port.dtype or g.port.type,
            g.port.shape,
            g.tolerance or g.tolerance_for(g.port.dtype or ""),
            g.worst,
            g.rtol_to_pass,
            tuple(g.failures),
            g.notes,
            g.extremes,
        )
        for name, g in gathered.items()
    )
    return VerifyReport(
        pair.original,
        pair.converted,
        settings.seed,
        settings.samples,
        tuple(outcome.cases),
        outcome.runs,
        outputs,
        tuple(outcome.failures),
        outcome.notes_on(pair.names.reference),
        pair.engine_name(engine),
    )
