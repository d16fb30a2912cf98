"""Compares a converted model with its original, both in onnxruntime."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fc2conv_cli.errors import UnrunnableModelError, UsageError
from fc2conv_cli.verification.inputs import Array, Attempt, Sizes, attempts, sample, table_lengths
from fc2conv_cli.verification.metrics import Deviation, Tolerance, compare, tolerance_for
from fc2conv_cli.verification.report import OutputReport, VerifyReport
from fc2conv_cli.verification.runner import Port, RunError, Runner

_UNVERIFIED = "Nothing can be verified. `fc2conv convert --no-verify` would write the result unverified."


@dataclass(frozen=True)
class Settings:
    """How to compare.

    Attributes:
        samples: Number of input sets for each choice of sizes; at least 1.
        seed: Seed of the inputs.
        atol: Absolute tolerance for floats; None for the default of each dtype.
        rtol: Relative tolerance for floats; None for the default of each dtype.
    """

    samples: int = 4
    seed: int = 0
    atol: float | None = None
    rtol: float | None = None

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


def compare_models(original: Path, converted: Path, settings: Settings) -> VerifyReport:
    """Run both models on the same inputs and compare every output.

    Raises:
        UnrunnableModelError: Onnxruntime cannot load or run the original on any inputs.
    """
    try:
        reference = Runner(original)
    except RunError as error:
        raise UnrunnableModelError(original, f"onnxruntime cannot load it: {error}", hint=_UNVERIFIED) from error
    _check_inputs_can_be_made(original, reference)
    gathered = {port.name: _Gathered(port) for port in reference.outputs}
    try:
        candidate = Runner(converted)
    except RunError as error:
        failure = f"onnxruntime cannot load the converted model: {error}"
        return _report(original, converted, settings, _Outcome(failures=[failure]), gathered)
    failures = _compare_interfaces(reference, candidate, gathered)
    if failures or any(g.failures for g in gathered.values()):
        return _report(original, converted, settings, _Outcome(failures=failures), gathered)
    outcome = _run_all(original, reference, candidate, settings, gathered)
    return _report(original, converted, settings, outcome, gathered)


def _check_inputs_can_be_made(original: Path, reference: Runner) -> None:
    for port in reference.inputs:
        if port.dtype is None or port.shape is None:
            what = port.type if port.dtype is None else f"{port.type} of unknown rank"
            raise UnrunnableModelError(
                original, f"input {port.name!r} is {what}: no input can be made for it", hint=_UNVERIFIED
            )


@dataclass
class _Gathered:
    """What is known of one output so far."""

    port: Port
    worst: Deviation | None = None
    tolerance: Tolerance | None = None
    dtype: str = ""
    rtol_to_pass: float = 0.0
    failures: list[str] = field(default_factory=list)
    notes: dict[str, None] = field(default_factory=dict)

    def add(self, reference: Any, converted: Any, settings: Settings, where: str) -> None:
        for ours, theirs in _tensors(reference, converted):
            if ours.dtype != theirs.dtype:
                self._fail(f"is {theirs.dtype}, was {ours.dtype}{where}")
            elif ours.shape != theirs.shape:
                self._fail(f"has shape {list(theirs.shape)}, had {list(ours.shape)}{where}")
            else:
                self._measure(ours, theirs, settings)

    def _measure(self, ours: Array, theirs: Array, settings: Settings) -> None:
        self.dtype = str(ours.dtype)
        self.tolerance = tolerance_for(self.dtype, settings.atol, settings.rtol)
        deviation = compare(ours, theirs, self.tolerance)
        rtol = deviation.rtol_to_pass(self.tolerance.atol)
        if self.worst is None or (rtol, deviation.max_abs) > (self.rtol_to_pass, self.worst.max_abs):
            self.worst = deviation
        self.rtol_to_pass = max(self.rtol_to_pass, rtol)
        self.notes.update(dict.fromkeys(deviation.notes))

    def _fail(self, failure: str) -> None:
        if failure not in self.failures:
            self.failures.append(failure)


def _tensors(reference: Any, converted: Any) -> Iterator[tuple[Array, Array]]:
    """The tensors of an output side by side; sequences and maps are taken apart as far as they agree."""
    if isinstance(reference, list) and isinstance(converted, list) and len(reference) == len(converted):
        for ours, theirs in zip(reference, converted, strict=True):
            yield from _tensors(ours, theirs)
    elif isinstance(reference, dict) and isinstance(converted, dict) and reference.keys() == converted.keys():
        for key, ours in reference.items():
            yield from _tensors(ours, converted[key])
    else:
        yield np.asarray(reference), np.asarray(converted)


def _compare_interfaces(reference: Runner, candidate: Runner, gathered: Mapping[str, _Gathered]) -> list[str]:
    failures = _compare_ports("input", reference.inputs, candidate.inputs)
    theirs = {port.name: port for port in candidate.outputs}
    for name, entry in gathered.items():
        if name not in theirs:
            entry.failures.append("is missing from the converted model")
        else:
            entry.failures.extend(_differences(entry.port, theirs[name]))
    extra = [name for name in theirs if name not in gathered]
    failures.extend(f"output {name!r} is not in the original" for name in extra)
    if not extra and list(theirs) != list(gathered) and len(theirs) == len(gathered):
        failures.append(f"the outputs are in another order: {list(theirs)}, were {list(gathered)}")
    return failures


def _compare_ports(kind: str, ours: tuple[Port, ...], theirs: tuple[Port, ...]) -> list[str]:
    known = {port.name: port for port in theirs}
    failures = [f"{kind} {p.name!r} is missing from the converted model" for p in ours if p.name not in known]
    names = {port.name for port in ours}
    failures.extend(f"{kind} {p.name!r} is not in the original" for p in theirs if p.name not in names)
    for port in ours:
        if port.name in known:
            failures.extend(f"{kind} {port.name!r} {what}" for what in _differences(port, known[port.name]))
    if not failures and [p.name for p in ours] != [p.name for p in theirs]:
        failures.append(f"the {kind}s are in another order: {[p.name for p in theirs]}, were {[p.name for p in ours]}")
    return failures


def _differences(ours: Port, theirs: Port) -> list[str]:
    found = []
    if ours.type != theirs.type:
        found.append(f"is {theirs.type}, was {ours.type}")
    if ours.shape is not None and theirs.shape is not None and not _shapes_agree(ours.shape, theirs.shape):
        found.append(f"has shape {_shape_text(theirs)}, had {_shape_text(ours)}")
    return found


def _shapes_agree(ours: Sequence[int | str | None], theirs: Sequence[int | str | None]) -> bool:
    """Whether no static dim contradicts another; one that only one side knows shows in the runs."""
    pairs = zip(ours, theirs, strict=False)
    return len(ours) == len(theirs) and all(a == b for a, b in pairs if isinstance(a, int) and isinstance(b, int))


def _shape_text(port: Port) -> str:
    return "?" if port.shape is None else "[" + ", ".join("?" if d is None else str(d) for d in port.shape) + "]"


@dataclass
class _Outcome:
    """What the runs as a whole came to."""

    cases: list[Sizes] = field(default_factory=list)
    runs: int = 0
    failures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def _run_all(
    original: Path,
    reference: Runner,
    candidate: Runner,
    settings: Settings,
    gathered: Mapping[str, _Gathered],
) -> _Outcome:
    integers = any(np.dtype(port.dtype).kind in "iu" for port in reference.inputs)
    tables = table_lengths(original) if integers else {}
    first_refusal: str | None = None
    for attempt in attempts(reference.inputs):
        outcome = _run_attempt(reference, candidate, attempt, tables, settings, gathered)
        if outcome.runs or outcome.failures:
            return outcome
        first_refusal = first_refusal or outcome.notes[0]
    raise UnrunnableModelError(original, f"onnxruntime cannot run it: {first_refusal}", hint=_UNVERIFIED)


def _run_attempt(
    reference: Runner,
    candidate: Runner,
    attempt: Attempt,
    tables: Mapping[str, int],
    settings: Settings,
    gathered: Mapping[str, _Gathered],
) -> _Outcome:
    outcome = _Outcome()
    for number, sizes in enumerate(attempt.cases):
        where = _sizes_text(sizes)
        for k in range(settings.samples):
            feeds = sample(reference.inputs, sizes, attempt.limit, tables, (settings.seed, number, k))
            try:
                expected = reference.run(feeds)
            except RunError as error:
                outcome.notes.append(f"the original itself does not run{where}: {error}")
                break
            try:
                actual = candidate.run(feeds)
            except RunError as error:
                outcome.failures.append(f"the converted model does not run{where}, the original does: {error}")
                break
            for name, value in expected.items():
                gathered[name].add(value, actual[name], settings, where)
            outcome.runs += 1
            if k == 0:
                outcome.cases.append(sizes)
    return outcome


def _sizes_text(sizes: Sizes) -> str:
    return " at " + ", ".join(f"{name}={size}" for name, size in sizes.items()) if sizes else ""


def _report(
    original: Path, converted: Path, settings: Settings, outcome: _Outcome, gathered: Mapping[str, _Gathered]
) -> VerifyReport:
    outputs = tuple(
        OutputReport(
            name,
            g.dtype or g.port.dtype or g.port.type,
            _shape_text(g.port),
            g.tolerance or tolerance_for(g.port.dtype or "", settings.atol, settings.rtol),
            g.worst,
            g.rtol_to_pass,
            tuple(g.failures),
            tuple(g.notes),
        )
        for name, g in gathered.items()
    )
    return VerifyReport(
        original,
        converted,
        settings.seed,
        settings.samples,
        tuple(outcome.cases),
        outcome.runs,
        outputs,
        tuple(outcome.failures),
        tuple(outcome.notes),
    )
