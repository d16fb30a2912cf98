"""Every converted layer beside the original's: in the whole model, and alone on the original's own input.

Some layers at a time get to be outputs of a copy of each graph. A tensor is dropped as soon as it has been measured.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fc2conv_cli.io_layout import IoLayout, move, recorded
from fc2conv_cli.layer_notes import LayerNote
from fc2conv_cli.verification.alone import Alone
from fc2conv_cli.verification.changes import digest
from fc2conv_cli.verification.compare import Settings
from fc2conv_cli.verification.correspondence import Correspondence, Tap, correspondence
from fc2conv_cli.verification.facts import Facts, facts_of
from fc2conv_cli.verification.given import given_samples
from fc2conv_cli.verification.inputs import Place, Sizes, dims_of, integer_limits, larger_cases, sample, usual_cases
from fc2conv_cli.verification.instrument import Engine, Instrumented, in_onnxruntime, in_reference
from fc2conv_cli.verification.layer_report import LayerReport, LayersReport, within_noise
from fc2conv_cli.verification.metrics import Deviation, Tolerance, compare, tolerance_for
from fc2conv_cli.verification.noise import movements
from fc2conv_cli.verification.runner import Model, RunError
from fc2conv_cli.verification.runs import known_ranks, recipe_for

Array = npt.NDArray[np.generic]
Feeds = Mapping[str, Array]
Values = Mapping[str, Any]

_AT_A_TIME = 8
"""Layers that are outputs in one run: their tensors are in memory together, about four for each and each run."""
_COARSEST_FIRST = ("bfloat16", "float16", "float32", "float64")


def compare_layers(
    original: Path,
    converted: Path,
    settings: Settings,
    cases: Sequence[Sizes] = (),
    farthest: Sequence[Feeds] = (),
    facts: Facts | None = None,
) -> LayersReport:
    """Run both models on the same inputs, one set for each choice of sizes, and compare layer by layer.

    Quantised models in which a layer differs in onnxruntime are compared once more with sums in double precision, as
    `compare_models` does.

    Args:
        original: The file to compare with; it must run.
        converted: The file to judge.
        settings: How to compare.
        cases: Sizes of dynamic dims that the original runs at; found out if there are none.
        farthest: Inputs on which the outputs are known to differ; they are taken, too.
        facts: What bears on the comparison, if that is known already.
    """
    facts = facts or facts_of(original)
    pair = _Pair(Instrumented(original), Instrumented(converted), settings, facts, tuple(cases), tuple(farthest))
    found = correspondence(pair.original, pair.converted)
    if not found.taps:
        return LayersReport(found.basis, (), notes=found.notes)
    report = pair.measure(found, in_onnxruntime, "onnxruntime")
    if not (settings.reference or facts.quantized) or (report.runs and report.agrees):
        return report
    precise = pair.measure(found, in_reference, "ONNX's reference evaluator")
    if not precise.runs:
        return report
    return replace(precise, notes=(*precise.notes, *_seen_before(report)))


def _seen_before(report: LayersReport) -> tuple[str, ...]:
    """What onnxruntime saw that made the reference evaluator be asked."""
    if (first := report.first) is None:
        return ()
    return (
        f"in onnxruntime {first.name} is the first to differ; there float sums in another order flip the rounding of "
        "quantised values, or sums of integers saturate. These figures are with sums in double precision",
    )


@dataclass(frozen=True)
class _Pair:
    """Two files, and how to compare them."""

    original: Instrumented
    converted: Instrumented
    settings: Settings
    facts: Facts
    cases: tuple[Sizes, ...]
    farthest: tuple[Feeds, ...] = ()

    @property
    def coarsest(self) -> str:
        """The coarsest float type that any output is computed in."""
        found = set(self.facts.coarsest_floats.values())
        return next((name for name in _COARSEST_FIRST if name in found), "float64")

    def measure(self, found: Correspondence, engine: Engine, name: str) -> LayersReport:
        """All taps in one engine."""
        layout = recorded(self.converted.metadata).since(recorded(self.original.metadata))
        try:
            feeds, refused = self._inputs(engine, layout)
        except RunError as error:
            said = f"not compared layer by layer: {name} cannot load a model: {error}"
            return LayersReport(found.basis, (), engine=name, notes=(*found.notes, said))
        gathered = [_Gathered(tap, self.settings, self.coarsest) for tap in found.taps]
        if feeds:
            run = _Run(self.original, self.converted, engine, layout, feeds)
            for i in range(0, len(gathered), _AT_A_TIME):
                with np.errstate(all="ignore"):  # what overflows is measured
                    run.measure(gathered[i : i + _AT_A_TIME])
        rows = (g.report() for g in gathered)
        shown = tuple(row for row in rows if found.basis == "notes" or (row.measured and "float" in row.dtype))
        told = {digest(one) for one in self.farthest} <= {digest(one) for one in feeds} and bool(self.farthest)
        return LayersReport(found.basis, shown, len(feeds), name, (*found.notes, *refused), told)

    def _inputs(self, engine: Engine, layout: IoLayout) -> tuple[list[Feeds], tuple[str, ...]]:
        """Inputs that both models take, and a sentence on those that only the original does."""
        known = [*self._accepted(_as_it_is(self.original, engine)), *self.farthest]
        feeds = list({digest(one): one for one in known}.values())
        candidate = _as_it_is(self.converted, engine)
        taken: list[Feeds] = []
        said: tuple[str, ...] = ()
        for one in feeds:
            try:
                candidate.run(stored(one, layout))
                taken.append(one)
            except RunError as error:
                said = (f"not compared layer by layer where the converted model does not run: {error}",)
        return taken, said

    def _accepted(self, reference: Model) -> list[Feeds]:
        """One set of inputs for each choice of sizes that the original takes; of given ones as many as samples."""
        feeding = self.settings.feeding
        if feeding.data is not None:
            ports = known_ranks(reference.inputs, self.facts)
            samples = given_samples(feeding.data, ports, reference.overridable)[: self.settings.samples]
            # At the defaults of what has one: a layer alone knows no other weights.
            return [{port.name: given.feeds[port.name] for port in ports} for given in samples]
        for cases in self._choices(reference):
            for limit in integer_limits(reference.inputs):
                accepted: list[Feeds] = []
                for number, sizes in enumerate(cases):
                    seed = (self.settings.seed, number, 0)
                    place = Place(cases, number, 0, self.settings.samples)
                    feeds = sample(reference.inputs, sizes, recipe_for(self.facts, feeding, limit), seed, place)
                    if _runs(reference, feeds):
                        accepted.append(feeds)
                if accepted:
                    return accepted
        return []

    def _choices(self, reference: Model) -> Iterator[Sequence[Sizes]]:
        if self.cases:
            yield self.cases
            return
        dims = {**self.settings.feeding.dims, **dims_of(self.settings.feeding.specs, reference.inputs)}
        yield usual_cases(reference.inputs, dims)
        yield from larger_cases(reference.inputs, dims)


def _as_it_is(model: Instrumented, engine: Engine) -> Model:
    return model.tapped(engine, [port.name for port in model.proto.graph.output])


def _runs(model: Model, feeds: Feeds) -> bool:
    try:
        model.run(feeds)
    except RunError:
        return False
    return True


def stored(feeds: Feeds, layout: IoLayout) -> Feeds:
    """Inputs as the converted model takes them; raises RunError if what it notes of them does not fit."""
    try:
        return {name: move(array, layout.inputs.get(name, ())) for name, array in feeds.items()}
    except ValueError as error:
        raise RunError(f"what it notes of its interface does not fit: {error}") from error


@dataclass
class _Gathered:
    """What is known of one layer so far."""

    tap: Tap
    settings: Settings
    coarsest: str
    reads: tuple[int, ...] | None = None
    writes: tuple[int, ...] | None = None
    dtype: str = ""
    tolerance: Tolerance = field(default_factory=lambda: Tolerance(0.0, 0.0))
    entire: Deviation | None = None
    single: Deviation | None = None
    noise: float | None = None
    notes: dict[str, None] = field(default_factory=dict)

    def add(self, reference: Array, entire: Array, single: Array | None, x: Array | None, noise: float | None) -> None:
        """Take in one run."""
        self.dtype = str(reference.dtype)
        self.tolerance = tolerance_for(self.dtype, self.settings.atol, self.settings.rtol, self.coarsest)
        whole, worse = self._deviation(reference, entire), False
        if self.entire is None or self._badness(whole, noise) > self._badness(self.entire, self.noise):
            self.entire, self.noise, worse = whole, noise, True
        if single is not None:
            own = self._deviation(reference, single)
            if self.single is None or self._badness(own, None) > self._badness(self.single, None):
                self.single, worse = own, True
        if worse:
            self.reads, self.writes = None if x is None else x.shape, reference.shape

    def _badness(self, deviation: Deviation, noise: float | None) -> tuple[bool, float, float]:
        """What the worst of all runs is chosen by: more than rounding first."""
        wrong = not deviation.passed and not within_noise(deviation, noise)
        return wrong, deviation.rtol_to_pass(self.tolerance.atol), deviation.max_abs

    def _deviation(self, reference: Array, found: Array) -> Deviation:
        if reference.shape == found.shape and reference.dtype == found.dtype:
            return compare(reference, found, self.tolerance)
        if not self.notes:  # the first run tells enough
            ours, theirs = (f"{a.dtype} {list(a.shape)}" for a in (reference, found))
            self.notes[f"is {theirs}, was {ours}"] = None
        return Deviation(float("inf"), 0.0, None, None, None, False)

    def report(self) -> LayerReport:
        """The record."""
        tap, notes = self.tap, tuple(self.notes)
        figures = (self.dtype, self.tolerance, self.entire, self.single)
        said = (*tap.remarks, *notes)
        return LayerReport(tap.name, tap.spelling, tap.becomes, self.reads, self.writes, *figures, said, self.noise)


@dataclass(frozen=True)
class _Run:
    """Runs of two models in one engine, on the same inputs."""

    original: Instrumented
    converted: Instrumented
    engine: Engine
    layout: IoLayout
    feeds: Sequence[Feeds]

    def measure(self, batch: Sequence[_Gathered]) -> None:
        """Some layers; one by one if a value of them cannot be had."""
        try:
            self._measure(batch)
        except RunError as error:
            if len(batch) == 1:
                batch[0].notes[f"cannot be measured: {error}"] = None
                return
            for one in batch:
                self.measure([one])

    def _measure(self, batch: Sequence[_Gathered]) -> None:
        """One model after the other is loaded, so that the weights of two are never in memory together."""
        original = self._tapped(self.original, {name for g in batch for name in _ours(g.tap)})
        ours = [{**feeds, **original.run(feeds)} for feeds in self.feeds]
        noise = [self._noise(original, feeds, values, batch) for feeds, values in zip(self.feeds, ours, strict=True)]
        del original
        given = [stored(feeds, self.layout) for feeds in self.feeds]
        converted = self._tapped(self.converted, {name for g in batch for name in _theirs(g.tap)})
        theirs = [{**feeds, **converted.run(feeds)} for feeds in given]
        del converted
        for g in batch:
            alone = self._alone(g, ours, theirs)
            for i in range(len(self.feeds)):
                self._add(g, ours[i], theirs[i], None if alone is None else alone[i], noise[i].get(g.tap.ours))

    def _tapped(self, model: Instrumented, names: set[str]) -> Model:
        return model.tapped(self.engine, sorted(name for name in names if name in model.makers))

    def _noise(self, original: Model, feeds: Feeds, values: Values, batch: Sequence[_Gathered]) -> dict[str, float]:
        """By how much values of the original move when its float inputs do by as little as they can."""
        moves = movements(original, feeds, {g.tap.ours: values[g.tap.ours] for g in batch})
        return {name: float(movement.max(initial=0.0)) for name, movement in (moves or {}).items()}

    def _add(self, g: _Gathered, ours: Values, theirs: Values, single: Array | None, noise: float | None) -> None:
        """Take in one run, if what is to be compared are tensors."""
        expected, found, note = ours[g.tap.ours], theirs[g.tap.theirs], g.tap.note
        if not (isinstance(expected, np.ndarray) and isinstance(found, np.ndarray)):
            return
        if note is not None:
            g.add(expected, self._seen(g, found, expected), single, ours.get(note.x), noise)
        elif expected.shape == found.shape and "float" in str(expected.dtype):
            g.add(expected, found, None, None, noise)

    def _alone(self, g: _Gathered, ours: Sequence[Values], theirs: Sequence[Values]) -> list[Array] | None:
        """What the converted layer gives for the original's own inputs, as the original stores it."""
        alone, note = g.tap.alone, g.tap.note
        if alone is None or note is None:
            return None
        try:
            runs = [_fed(alone, note, *values) for values in zip(ours, theirs, strict=True)]
            layer = alone.load(self.converted, self.engine, runs[0])
            found = [layer.run(feeds)[alone.writes] for feeds in runs]
        except (RunError, ValueError) as error:
            g.notes[f"not run alone: {error}"] = None
            return None
        return [self._seen(g, array, values[note.y]) for array, values in zip(found, ours, strict=True)]

    def _seen(self, g: _Gathered, found: Array, expected: Array) -> Array:
        """A value of the converted model as the original stores it; itself if that cannot be, which then differs."""
        assert g.tap.note is not None
        try:
            return g.tap.note.write.apply(found, np.shape(expected))
        except ValueError:
            return found


def _fed(alone: Alone, note: LayerNote, ours: Values, theirs: Values) -> Feeds:
    """What the layer reads, of the original as far as it has it; raises ValueError if that does not fit."""
    x, seen = ours[note.x], theirs[alone.reads]
    if not (isinstance(x, np.ndarray) and isinstance(seen, np.ndarray)):
        raise ValueError(f"{note.x!r} is no tensor")
    feeds = {alone.reads: note.stored_input(x, seen.shape)}
    for name in alone.sides:
        other, own = ours.get(name), theirs[name]
        feeds[name] = other if isinstance(other, np.ndarray) and other.shape == own.shape else own
    return {name: np.ascontiguousarray(array).reshape(array.shape) for name, array in feeds.items()}


def _ours(tap: Tap) -> list[str]:
    """The values of the original that are needed."""
    return [tap.ours, *([] if tap.note is None else [tap.note.x]), *(() if tap.alone is None else tap.alone.sides)]


def _theirs(tap: Tap) -> list[str]:
    """The values of the converted model that are needed."""
    return [tap.theirs, *(() if tap.alone is None else (tap.alone.reads, *tap.alone.sides))]
