"""Picks how every unit works: the fewest and cheapest layout nodes in the whole graph.

Each unit is a variable whose values are its options. Where the layout that a value is written in is not the one in
which it is read, it must be converted; several readers share a converted copy. A value with one reader is a table over
writer and reader. One with several is a variable of its own: the set of layouts that exist of it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import onnx_ir as ir

from fc2conv_cli.constants import Constants
from fc2conv_cli.errors import UsageError
from fc2conv_cli.layers import reasons
from fc2conv_cli.layout.costs import Costs
from fc2conv_cli.layout.elimination import Factor, minimise
from fc2conv_cli.layout.facts import Facts
from fc2conv_cli.layout.layouts import Layout, is_logical, logical
from fc2conv_cli.layout.options import Tokens
from fc2conv_cli.layout.region import Choice, Option, Region, Unit
from fc2conv_cli.records import FullyConnected, Plan, PlannedLayer, Skip
from fc2conv_cli.shapes import Shapes
from fc2conv_cli.timing import Stopwatch

_MOST_COPIES = 6
"""Layouts of one value that may be demanded; a set of them is one value of a variable."""


@dataclass(frozen=True)
class Wishes:
    """What the user says about layout.

    Attributes:
        spread: Whether nodes between layers may work in other layouts; if not, each layer is wrapped on its own.
        tokens: Where the tokens of a sequence go.
        decompose_layernorm: Whether LayerNormalization may be written as simpler nodes to work in other layouts.
        io: ``nchw`` if the model's own inputs and outputs are to be 4-D where the network inside is.
    """

    spread: bool = True
    tokens: Tokens = "width"
    decompose_layernorm: bool = False
    io: Literal["keep", "nchw"] = "keep"

    def __post_init__(self) -> None:
        """Refuse what would do nothing.

        Raises:
            UsageError: LayerNormalization is to be decomposed, but no layout may reach it.
        """
        if self.decompose_layernorm and not self.spread:
            problem = "decomposing LayerNormalization does nothing while each layer is isolated"
            raise UsageError(problem, hint="Leave out --decompose-layernorm, or --layout isolated.")


def solve(
    found: Iterable[FullyConnected | Skip],
    shapes: Shapes,
    constants: Constants,
    opset: int,
    wanted: Callable[[str], bool] = lambda name: True,
    wishes: Wishes | None = None,
    main: ir.Graph | None = None,
    watch: Stopwatch | None = None,
) -> Plan:
    """Choose a convolution for each layer, and a layout for every value near one.

    Args:
        found: What `fc2conv_cli.layers.find` yields.
        shapes: Shapes of all values.
        constants: The constants of the model.
        opset: Version of the default operator set.
        wanted: Whether the layer of that name is to be converted.
        wishes: What the user says about layout.
        main: The graph whose inputs and outputs are those of the model.
        watch: Told when the choice begins.
    """
    wishes, watch = wishes or Wishes(), watch or Stopwatch()
    facts = Facts(shapes, constants, opset, wishes.decompose_layernorm)
    layers: list[FullyConnected] = []
    skips: list[Skip] = []
    for item in found:
        if isinstance(item, Skip):
            skips.append(item)
        elif not wanted(item.name):
            skips.append(Skip(item.node, reasons.EXCLUDED))
        else:
            layers.append(item)
    planned: dict[ir.Node, PlannedLayer] = {}
    choices: dict[ir.Graph, Sequence[Choice]] = {}
    cost = bound = 0.0
    by_graph: dict[ir.Graph, list[FullyConnected]] = {}
    for layer in layers:
        assert layer.node.graph is not None
        by_graph.setdefault(layer.node.graph, []).append(layer)
    for graph, here in by_graph.items():
        problem, left = _problem(graph, here, facts, wishes, main)
        skips.extend(left)
        with watch("solve"):
            solution = minimise(problem.sizes, problem.factors)
        if math.isinf(solution.cost):  # it never should: each layer can be written on its own
            skips.extend(Skip(layer.node, reasons.INEXPRESSIBLE_LAYOUT) for layer in here)
            continue
        cost, bound = cost + solution.cost, bound + solution.bound
        choices[graph] = problem.choices(solution.values)
        for choice in choices[graph]:
            if choice.unit.layer is not None and choice.option.form is not None:
                planned[choice.unit.layer.node] = PlannedLayer(choice.unit.layer, choice.option.form)
    return Plan(tuple(planned[x.node] for x in layers if x.node in planned), tuple(skips), choices, cost, bound)


def _problem(
    graph: ir.Graph, layers: Sequence[FullyConnected], facts: Facts, wishes: Wishes, main: ir.Graph | None = None
) -> tuple[_Problem, list[Skip]]:
    """The problem of a graph, without the layers that cannot be written even on their own."""
    left: list[Skip] = []
    tokens: dict[ir.Node, Tokens] = {layer.node: wishes.tokens for layer in layers}
    while True:
        region = Region(graph, layers, facts, tokens, spread=wishes.spread)
        impossible = {
            unit.layer.node: unit.layer
            for unit in region.units
            if unit.layer is not None and not any(_stands_alone(option, region.costs) for option in unit.options)
        }
        if not impossible:
            return _Problem(region, exposes=wishes.io == "nchw" and graph is main), left
        if any(tokens[node] == "batch" for node in impossible):  # it merges dims, which not every Reshape can say
            tokens.update(dict.fromkeys(impossible, "width"))
            continue
        left.extend(Skip(layer.node, *_why_none(layer)) for layer in impossible.values())
        layers = [layer for layer in layers if layer.node not in impossible]


def _stands_alone(option: Option, costs: Costs) -> bool:
    """Whether a layer can work like this whatever is around it."""
    reads = (costs.convert(v, logical(own.source_shape), own) for v, own in option.reads)
    writes = (costs.convert(v, own, logical(own.source_shape)) for v, own in option.writes)
    return math.isfinite(option.cost + sum(reads) + sum(writes))


def _why_none(layer: FullyConnected) -> tuple[reasons.Reason, str]:
    if any(size.static == 0 for size in layer.contraction.position_shape):
        return reasons.EMPTY, ""
    if layer.weight.dequantization is not None:
        return reasons.QUANTIZED_WEIGHT, "its blocks do not stay whole in the weight of a convolution"
    return reasons.INEXPRESSIBLE_LAYOUT, ""


class _Problem:
    """The variables and cost tables of a graph."""

    def __init__(self, region: Region, *, exposes: bool) -> None:
        """Take the choices of a graph; `exposes` if its inputs and outputs may be 4-D at no cost."""
        self._exposes = exposes
        self.sizes: list[int] = []
        self.factors: list[Factor] = []
        self._costs = region.costs
        self._units = region.units
        self._dying = region.dying
        self._variables = {id(unit): i for i, unit in enumerate(self._units)}
        for unit in self._units:
            own = np.array([option.cost for option in unit.options])
            self.factors.append(Factor((len(self.sizes),), own))
            self.sizes.append(len(unit.options))
        readers, writers = self._ends()
        for value in dict.fromkeys((*readers, *writers)):
            if value in region.layouts:
                self._value(value, writers.get(value), readers.get(value, []))

    def choices(self, values: Sequence[int]) -> list[Choice]:
        """The choices that an assignment means."""
        return [Choice(unit, unit.options[values[i]]) for i, unit in enumerate(self._units)]

    def _ends(self) -> tuple[dict[ir.Value, list[Unit]], dict[ir.Value, Unit]]:
        readers: dict[ir.Value, list[Unit]] = {}
        writers: dict[ir.Value, Unit] = {}
        for unit in self._units:
            for value in dict.fromkeys(v for option in unit.options for v, _ in option.reads):
                readers.setdefault(value, []).append(unit)
            for value in dict.fromkeys(v for option in unit.options for v, _ in option.writes):
                writers[value] = unit
        return readers, writers

    def _value(self, value: ir.Value, writer: Unit | None, readers: Sequence[Unit]) -> None:
        """The cost of converting a value."""
        own = logical(self._costs.shape(value))
        written = [own] if writer is None else [option.written.get(value) or own for option in writer.options]
        read = [[option.read.get(value) for option in unit.options] for unit in readers]
        as_it_is = self._is_read_elsewhere(value, readers)
        given = value.is_graph_output()
        if len(readers) == 1 and not as_it_is and not given:
            table = [[0.0 if q is None else self._convert(value, p, q) for q in read[0]] for p in written]
            self._add([writer, readers[0]], table)
        elif not readers:
            cost = self._costs.convert if as_it_is else self._convert
            self._add([writer], [cost(value, p, own) if as_it_is or given else 0.0 for p in written])
        else:
            needed = as_it_is or (given and not self._exposes)
            self._shared(value, writer, written, readers, read, own if needed else None)

    def _shared(
        self,
        value: ir.Value,
        writer: Unit | None,
        written: Sequence[Layout],
        readers: Sequence[Unit],
        read: Sequence[Sequence[Layout | None]],
        needed: Layout | None,
    ) -> None:
        """A variable for the set of layouts that readers find."""
        kinds = {q.movement: q for wants in read for q in wants if q is not None}
        if needed is not None:
            kinds[needed.movement] = needed
        sets = [s for n in range(min(len(kinds), _MOST_COPIES) + 1) for s in itertools.combinations(kinds, n)]
        if needed is not None:
            sets = [s for s in sets if needed.movement in s]
        variable = len(self.sizes)
        self.sizes.append(len(sets))
        made = [[self._made(value, p, [kinds[q] for q in s]) for s in sets] for p in written]
        self._add([writer], made, variable)
        for unit, wants in zip(readers, read, strict=True):
            table = [[0.0 if q is None or q.movement in s else math.inf for s in sets] for q in wants]
            self._add([unit], table, variable)

    def _made(self, value: ir.Value, have: Layout, wanted: Sequence[Layout]) -> float:
        """The cost of a set of layouts that exist of a value, and of the one that the caller is given."""
        if value.is_graph_input() and len(wanted) == 1:
            return self._convert(value, have, wanted[0])
        cost = sum(self._costs.convert(value, have, want) for want in wanted)
        if not value.is_graph_output() or any(is_logical(want) for want in wanted):
            return cost
        return cost + self._convert(value, have, logical(have.source_shape))

    def _convert(self, value: ir.Value, have: Layout, want: Layout) -> float:
        """The cost of a conversion; none where the caller does it, as he can for one layout of an input or output."""
        cost = self._costs.convert(value, have, want)
        end = value.is_graph_input() or (value.is_graph_output() and is_logical(want))
        free = self._exposes and end and math.isfinite(cost) and self._costs.is_exposable(have, want)
        return 0.0 if free else cost

    def _add(self, units: Sequence[Unit | None], table: object, *more: int) -> None:
        """Add a table whose axes are units, or one row where there is none, and further variables."""
        array = np.array(table, np.float64)
        variables: list[int] = []
        for unit in units:
            if unit is None:
                array = array[0]
            else:
                variables.append(self._variables[id(unit)])
        self.factors.append(Factor((*variables, *more), array))

    def _is_read_elsewhere(self, value: ir.Value, readers: Sequence[Unit]) -> bool:
        """Whether anything but the units reads the value: opaque nodes and bodies."""
        nodes = {node for unit in readers for node in (unit.layer.absorbed if unit.layer else (unit.anchor,))}
        others = (use.node for use in value.uses())
        return any(n not in nodes and n not in self._dying for n in others)
