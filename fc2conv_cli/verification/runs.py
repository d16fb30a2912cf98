"""Runs two models on the same inputs, and gathers what they give."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fc2conv_cli.errors import InvalidInputsError
from fc2conv_cli.timing import Stopwatch
from fc2conv_cli.verification.asked_for import refuse_ranges, refuse_sizes
from fc2conv_cli.verification.changes import digest
from fc2conv_cli.verification.choices import Choices
from fc2conv_cli.verification.facts import Facts
from fc2conv_cli.verification.feeding import Feeding, Range
from fc2conv_cli.verification.gathered import Compared, Gathered
from fc2conv_cli.verification.given import given_samples, refuse_folded
from fc2conv_cli.verification.inputs import (
    Array,
    Place,
    Recipe,
    Sizes,
    apart_cases,
    dynamic_dims,
    guesses,
    integer_limits,
    larger_cases,
    odd_cases,
    refuse_too_large,
    sample,
    usual_cases,
)
from fc2conv_cli.verification.noise import movements
from fc2conv_cli.verification.outcome import Outcome, sizes_text
from fc2conv_cli.verification.overrides import overridden, overrides, unvaried
from fc2conv_cli.verification.rows import unread
from fc2conv_cli.verification.runner import Model, Port, RunError
from fc2conv_cli.verification.saturation import SMALLER
from fc2conv_cli.verification.scaling import scaled, spread_out
from fc2conv_cli.verification.settings import Settings
from fc2conv_cli.verification.ties import Tie, steps_that_explain

_MORE_IF_QUANTIZED = 4
"""Times as many samples for a quantised model: it rounds most of what a wrong weight does away, in most runs."""

Values = Mapping[str, Any]
Run = tuple[str, int]
"""A run by its sizes, in words, and the number of its sample."""


class Names(NamedTuple):
    """What the two models of a comparison are called."""

    reference: str
    candidate: str


@dataclass(frozen=True)
class Runs:
    """Which runs a comparison takes.

    Attributes:
        samples: What the user asked for.
        quantized: Whether the models round to integers: onnxruntime then takes more.
        slow: Whether the engine is; it is asked what the user asked for, and what differed in onnxruntime.
        doubtful: What differed there.
    """

    samples: int
    quantized: bool
    slow: bool
    doubtful: set[Run]

    @property
    def settled(self) -> bool:
        """Whether one difference is enough: it confirms those that were seen before."""
        return self.slow and bool(self.doubtful)

    @property
    def most(self) -> int:
        """The samples for each choice of sizes in an engine that is not slow."""
        return self.samples * (_MORE_IF_QUANTIZED if self.quantized else 1)

    def at(self, sizes: Sizes) -> list[int]:
        """The samples for these sizes."""
        where = sizes_text(sizes)
        return [k for k in range(self.most) if k < self.samples or not self.slow or (where, k) in self.doubtful]

    def differs(self, sizes: Sizes, k: int) -> None:
        """Note a run that differs."""
        if not self.slow:
            self.doubtful.add((sizes_text(sizes), k))


@dataclass(frozen=True)
class Comparison:
    """Two models that have been loaded, and how to compare them.

    Attributes:
        reference: What to compare with.
        candidate: What to judge.
        settings: How.
        facts: What the file of the reference says.
        gathered: Where the outputs go, by name.
        names: What the two are called.
        dims: The sizes that the user wants a dim to take.
        runs: Which samples.
        watch: Told how far it is.
        choices: What the reference chooses indices from, if its file tells.
    """

    reference: Model
    candidate: Model
    settings: Settings
    facts: Facts
    gathered: Mapping[str, Gathered]
    names: Names
    dims: Mapping[str, Sequence[int]]
    runs: Runs
    watch: Stopwatch = field(default_factory=Stopwatch)
    choices: Choices | None = None

    def run_all(self) -> Outcome:
        """Run everything; what numpy would warn of on stderr (overflows, NaN) is measured, and stands in the report."""
        with np.errstate(all="ignore"):
            outcome = self._run_all()
        names, drawn = self.facts.table_names, self.settings.feeding.data is None
        advice = "; a larger --samples reads more" if drawn else ""
        theirs = {port.name for port in self.candidate.overridable}
        fixed = unvaried(self.reference.overridable, theirs, outcome.varied)
        told = overridden(outcome.overridden, outcome.runs)
        outcome.said = (*outcome.said, *told, *fixed, *unread(outcome.read, self.facts.tables, names, advice))
        return outcome

    def _run_all(self) -> Outcome:
        """Run the inputs that are given, or else the usual sizes; where the original refuses some, also larger ones."""
        feeding, ports = self.settings.feeding, self.reference.inputs
        if feeding.data is not None:
            return self._run_given(feeding.data)
        cases = usual_cases(ports, self.dims)
        refuse_too_large(ports, cases)
        outcome, limit = self._first_that_runs([cases])
        if limit is not None and not outcome.refusals:
            for number, sizes in enumerate(odd := odd_cases(ports, self.dims), len(cases)):
                more = self._run_odd(sizes, cases, number, limit)
                outcome.add(more)
                if more.ran:
                    break
            apart = apart_cases(ports, self.dims)
            self._run_apart(outcome, apart, cases, len(cases) + len(odd), limit)
        if outcome.refusals and dynamic_dims(ports):
            larger, limit = self._first_that_runs(larger_cases(ports, self.dims), limit)
            outcome.add(larger)
            if limit is not None and larger.cases:
                apart = apart_cases(ports, self.dims, larger.cases)
                self._run_apart(outcome, apart, cases, len(cases), limit)
        if outcome.ran:
            free = [name for name in dynamic_dims(ports) if name not in self.dims]
            refuse_sizes(feeding, self.dims, free, outcome.cases, outcome.refusals)
        return outcome

    def _run_apart(
        self, outcome: Outcome, apart: Sequence[Sizes], cases: Sequence[Sizes], number: int, limit: int
    ) -> None:
        for i, sizes in enumerate(apart, number):
            outcome.add(self._run_odd(sizes, cases, i, limit))

    def _run_given(self, path: Path) -> Outcome:
        """Each sample once, none may be refused. Noise is measured at the first of each shape."""
        outcome, seen = Outcome(), set()
        theirs = {port.name for port in self.candidate.overridable}
        for given in given_samples(path, known_ranks(self.reference.inputs, self.facts), self.reference.overridable):
            given_defaults = given.feeds.keys() - {port.name for port in self.reference.inputs}
            refuse_folded(path, given_defaults - theirs, self.names.candidate)
            shapes = tuple(array.shape for array in given.feeds.values())
            where, first = f" on {given.label}", shapes not in seen
            seen.add(shapes)
            ran = self._run_once(given.feeds, {}, outcome, where=where, noise=first)
            if not ran and outcome.refusals:
                problem = f"{self.names.reference} does not run on {given.label}: {outcome.refusals[0][1]}"
                raise InvalidInputsError(path, problem, hint="Give inputs that it takes.")
            outcome.varied.update(given_defaults if ran else ())
            if ran and first:
                self._run_overridden(given.feeds, {}, outcome, where)
        return outcome

    def _run_odd(self, sizes: Sizes, cases: Sequence[Sizes], number: int, limit: int) -> Outcome:
        """One sample; no matter if the original refuses it."""
        outcome = Outcome()
        feeds = self._drawn(sizes, self._recipe(limit), cases, number, 0)
        if self._run_once(feeds, sizes, outcome, noise=True, optional=True):
            outcome.cases.append(sizes)
            if outcome.differs:
                self.runs.differs(sizes, 0)
        return outcome

    def _drawn(self, sizes: Sizes, recipe: Recipe, cases: Sequence[Sizes], number: int, k: int) -> dict[str, Array]:
        place = Place(cases, number, k, self.runs.most)
        return sample(self.reference.inputs, sizes, recipe, (self.settings.seed, number, k), place)

    def _recipe(self, limit: int) -> Recipe:
        return recipe_for(self.facts, self.settings.feeding, limit)

    def _first_that_runs(
        self, choices: Iterable[Sequence[Sizes]], limit: int | None = None
    ) -> tuple[Outcome, int | None]:
        """The outcome of the first choice that the original takes, with the limit of integers; else of the last."""
        limits = integer_limits(self.reference.inputs) if limit is None else (limit,)
        outcome = Outcome()
        for cases in choices:
            for limit in limits:
                outcome = self._run(cases, limit)
                if outcome.ran:
                    return outcome, limit
        return outcome, None

    def _run(self, cases: Sequence[Sizes], limit: int) -> Outcome:
        outcome, feeding, facts = Outcome(), self.settings.feeding, self.facts
        recipe = self._recipe(limit)
        outcome.said = guesses(self.reference.inputs, recipe)
        total, ran = sum(len(self.runs.at(sizes)) for sizes in cases), 0
        for number, sizes in enumerate(cases):
            for k in self.runs.at(sizes):
                outcome.differs = False
                self.watch.done(ran / total)
                ran += 1
                feeds = self._drawn(sizes, recipe, cases, number, k)
                if facts.quantized and feeding.distribution == "normal":
                    feeds = spread_out(feeds, k, besides=feeding.ranges)
                if not self._run_once(feeds, sizes, outcome, noise=k == 0):
                    if outcome.refusals and outcome.refusals[-1][0] is sizes:
                        draw = partial(self._drawn, sizes, cases=cases, number=number, k=k)
                        self._refuse_ranges(recipe, draw, outcome.refusals[-1][1])
                    break
                if k == 0:
                    outcome.cases.append(sizes)
                    self._run_overridden(feeds, sizes, outcome)
                if outcome.differs:
                    self.runs.differs(sizes, k)
                    if self.runs.settled:
                        return outcome
            if outcome.cases and outcome.cases[-1] is sizes:
                self._run_smaller(feeds, sizes, outcome)
        return outcome

    def _run_smaller(self, feeds: Mapping[str, Array], sizes: Sizes, outcome: Outcome) -> None:
        """Once more with smaller floats, as long as outputs sit on their bounds; no matter if the original refuses."""
        feeding = self.settings.feeding
        if self.facts.quantized or feeding.distribution != "normal":  # the one has been spread out, the other is asked
            return
        if not any("float" in array.dtype.name for name, array in feeds.items() if name not in feeding.ranges):
            return
        for factor in () if outcome.stuck else SMALLER:
            if not any(one.saturation.hides for one in self.gathered.values()):
                return
            self._run_once(scaled(feeds, factor, feeding.ranges), sizes, outcome, optional=True)
        outcome.stuck = True

    def _refuse_ranges(self, recipe: Recipe, draw: Callable[[Recipe], Mapping[str, Array]], why: str) -> None:
        def runs_with(ranges: Mapping[str, Range]) -> bool:
            try:
                self.reference.run(draw(replace(recipe, ranges=ranges)))
            except RunError:
                return False
            return True

        refuse_ranges(recipe.ranges, runs_with, why)

    def _run_overridden(self, feeds: Mapping[str, Array], sizes: Sizes, outcome: Outcome, where: str = "") -> None:
        """Once more with other values for the floats that a caller may override; no matter if the original refuses."""
        theirs = {port.name for port in self.candidate.overridable}
        ports = [port for port in self.reference.overridable if port.name in theirs]
        tried = overrides(ports, self.facts.default_ranges, (self.settings.seed,))
        for values in tried:
            if self._run_once({**feeds, **values}, sizes, outcome, where=where, optional=True):
                outcome.varied.update(values)
                outcome.overridden.update(list(values))
            if outcome.failures or outcome.varied.issuperset(tried[0]):
                return

    def _run_once(
        self,
        feeds: Mapping[str, Array],
        sizes: Sizes,
        outcome: Outcome,
        *,
        where: str = "",
        optional: bool = False,
        noise: bool = False,
    ) -> bool:
        """Run both; `noise` asks how much the original moves by itself, which is asked anyway where they differ."""
        where = where or (f" at {sizes_text(sizes)}" if sizes else "")
        try:
            expected = self.reference.run(feeds)
        except RunError as error:
            if not optional:
                outcome.refusals.append((sizes, str(error)))
            if self.facts.seeded:
                self._keep_in_step(feeds)
            return False
        try:
            actual = self.candidate.run(feeds)
        except RunError as error:
            outcome.failures.append(f"{self.names.candidate} does not run{where}, {self.names.reference} does: {error}")
            return False
        for name in self.facts.tables:
            outcome.read.setdefault(name, set()).update(np.unique(feeds[name]).tolist())
        key = digest({port.name: feeds[port.name] for port in self.reference.inputs})  # overriding is no other input
        found = {name: self.gathered[name].add(value, actual[name], where, key) for name, value in expected.items()}
        if feeds.keys() <= {port.name for port in self.reference.inputs}:  # a layer alone knows no other weights
            for name, one in found.items():
                self.gathered[name].keep(feeds, one)
        outcome.differs = outcome.differs or not all(one.agrees for one in found.values())
        outcome.runs += 1
        if noise or any(one.outside for one in found.values()):
            self._add_noise(feeds, expected, actual, found)
        return True

    def _keep_in_step(self, feeds: Mapping[str, Array]) -> None:
        """Have the candidate draw the random numbers that the reference drew before it refused the inputs."""
        with suppress(RunError):
            self.candidate.run(feeds)

    def _add_noise(
        self, feeds: Mapping[str, Array], expected: Values, actual: Values, found: Mapping[str, Compared]
    ) -> None:
        """How much the original moves by itself there, and whether that explains what jumped."""
        # A run more of the original alone would have it draw other random numbers from then on.
        moves = None if self.facts.seeded else movements(self.reference, feeds, expected)
        outside = [name for name, one in found.items() if one.outside and not self.facts.seeded]
        ties = {name: self.gathered[name].tie(expected[name], actual[name]) for name in outside}
        asked = {name: self._settled(tie, name, feeds) for name, tie in ties.items() if tie is not None}
        steps = steps_that_explain(self.reference, feeds, asked)
        for name, one in found.items():
            self.gathered[name].add_noise(moves, one, (expected[name], actual[name]), steps.get(name))

    def _settled(self, tie: Tie, name: str, feeds: Mapping[str, Array]) -> Tie:
        """Without the places where what was chosen is as good."""
        if self.choices is None or tie.slack is not None:
            return tie
        settled = tie.settled(self.choices.times_noise(feeds, name, (tie.reference, tie.converted)))
        self.gathered[name].chosen_as_well += settled.chosen_as_well
        return settled


def known_ranks(ports: Sequence[Port], facts: Facts) -> list[Port]:
    """The inputs, without the rank of 0 that onnxruntime makes up for those that have none in the file."""
    return [replace(port, shape=None) if port.name in facts.unranked else port for port in ports]


def recipe_for(facts: Facts, feeding: Feeding, limit: int) -> Recipe:
    """How the inputs of a model are drawn, integers below a limit where nothing else is known of them."""
    masks = facts.masks, facts.called_masks
    return Recipe(limit, facts.tables, *masks, facts.lengths, feeding.distribution, feeding.ranges)
