"""What each node of a graph can do, spread out from the layers: the choices that `solve` picks from.

A layer wants its input in one of a few layouts, and writes its output in another. From there layouts spread along
every value that a listed operator can work on, up and down, until an opaque operator, an input or an output of the
graph stops them. Nodes that no layout reaches have no choice, and stay as they are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import onnx_ir as ir

from fc2conv_cli.layout.costs import Costs
from fc2conv_cli.layout.facts import Change, Facts
from fc2conv_cli.layout.layouts import Layout, is_logical, logical
from fc2conv_cli.layout.nodes import is_layout_node, view_of
from fc2conv_cli.layout.options import ConvForm, Tokens, form_for, usual_forms
from fc2conv_cli.layout.rules import RULES, change_from, start_of
from fc2conv_cli.layout.steps import COMPUTED, steps
from fc2conv_cli.records import FullyConnected

MOST_LAYOUTS = 8
"""Layouts of one value that are considered; those that come from near layers come first."""


_MISPLACED = 4
"""What a layer costs that has its tokens on another axis than the one that the user wishes:
less than the Reshapes around one that reads a feature map of width 1, more in all than one Reshape in every block of a
transformer can save. A convention, not a measurement."""


_NOT_4D = 2.0**-16
"""What a node costs that stays as the file has it though it need not: it decides between choices that are alike."""


@dataclass(frozen=True)
class Option:
    """One way for a unit to work.

    Attributes:
        reads: A layout for each input that has one to choose.
        writes: A layout for each output that has one to choose.
        form: The convolution, for a layer.
        change: What becomes of the node, for a node that is no layer; None if it stays as it is.
        cost: Of layout nodes within the unit.
    """

    reads: tuple[tuple[ir.Value, Layout], ...]
    writes: tuple[tuple[ir.Value, Layout], ...]
    form: ConvForm | None = None
    change: Change | None = None
    cost: float = 0.0

    @cached_property
    def read(self) -> dict[ir.Value, Layout]:
        """The layouts of inputs."""
        return dict(reversed(self.reads))

    @cached_property
    def written(self) -> dict[ir.Value, Layout]:
        """The layouts of outputs."""
        return dict(reversed(self.writes))


@dataclass
class Unit:
    """A layer or a node, with the ways in which it can work.

    Attributes:
        anchor: The node at whose place it is written.
        layer: The layer; None for a node.
        options: The ways; for a node the first is to stay as it is.
    """

    anchor: ir.Node
    layer: FullyConnected | None = None
    options: list[Option] = field(default_factory=list)


@dataclass(frozen=True)
class Choice:
    """A unit, and the way that was chosen for it."""

    unit: Unit
    option: Option


class Region:
    """The units of a graph, and the layouts of its values.

    Attributes:
        units: In no particular order; nodes that have no choice are left out.
        costs: What conversions cost.
        layouts: By value: the layouts that it may be stored in, the file's own first.
        dying: DequantizeLinear and layout nodes that only layers read, which repeat them.
    """

    def __init__(
        self,
        graph: ir.Graph,
        layers: Sequence[FullyConnected],
        facts: Facts,
        tokens: Mapping[ir.Node, Tokens],
        *,
        spread: bool,
    ) -> None:
        """Find the choices of a graph.

        Args:
            graph: The graph.
            layers: Its layers that are to be converted.
            facts: The model.
            tokens: Where tokens go, by the node of the layer.
            spread: Whether layouts pass through anything but layout nodes.
        """
        self._graph = graph
        self._facts = facts
        self.costs = Costs(graph, facts.shapes)
        self._spread = spread
        self._tokens = tokens
        self.layouts: dict[ir.Value, dict[object, Layout]] = {}
        self._nodes: dict[ir.Node, Unit] = {}
        self._known: dict[ir.Node, set[object]] = {}
        self._answered: set[tuple[ir.Node, Layout]] = set()
        self.dying = _dying(layers)
        self._absorbed = {node: layer for layer in layers for node in layer.absorbed}
        self._layers = {layer.node: Unit(layer.absorbed[-1], layer) for layer in layers}
        self._readers: dict[ir.Value, list[Unit]] = {}
        for layer in layers:
            self._readers.setdefault(layer.x, []).append(self._layers[layer.node])
        self._queue: deque[tuple[ir.Value, Layout]] = deque()
        for node, unit in self._layers.items():
            self._seed(unit, tokens[node])
        for value, layout in self._ends(layers):
            self._queue.append((value, layout))
        while self._queue:
            self._reach(*self._queue.popleft())

    @property
    def units(self) -> list[Unit]:
        """The layers, and the nodes that have a choice."""
        return [*self._layers.values(), *self._nodes.values()]

    def _seed(self, unit: Unit, tokens: Tokens) -> None:
        assert unit.layer is not None
        for form in usual_forms(unit.layer, tokens):
            self._offer(unit, form)

    def _offer(self, unit: Unit, form: ConvForm, extra: float = 0.0) -> None:
        """Add a convolution to the ways of a layer."""
        layer = unit.layer
        assert layer is not None
        key = (form.read.movement, form.write.movement)
        known = self._known.setdefault(layer.node, set())
        if key in known or _is_empty(layer, form):
            return
        read, write, cost = form.read, form.write, extra
        if writes_logical(layer):
            write = logical(form.write.source_shape)
            cost += self.costs.convert(layer.y, form.write, write)
        if layer.lifted:
            shape = self._facts.shape(layer.x)
            assert shape is not None  # the layer could not have been read
            read = logical(shape)
            cost += self.costs.convert(layer.x, logical(form.read.source_shape), form.read)
        known.add(key)
        self._add(layer.x, read)
        self._add(layer.y, write)
        unit.options.append(Option(((layer.x, read),), ((layer.y, write),), form, cost=cost))

    def _ends(self, layers: Iterable[FullyConnected]) -> Iterable[tuple[ir.Value, Layout]]:
        """The values at which nodes near the layers that change the shape begin and end, as the file stores them."""
        seen: set[ir.Value] = set()
        done: set[ir.Node] = set()
        queue = deque(value for layer in layers for value in (layer.x, layer.y))
        while queue:
            value = queue.popleft()
            if value in seen:
                continue
            seen.add(value)
            for node in self._neighbours(value):
                if node in done:
                    continue
                done.add(node)
                inputs = [v for v in node.inputs if v is not None and not self._facts.constants.is_constant(v)]
                ends = [(v, self._facts.shape(v)) for v in (*inputs[:1], node.outputs[0])]
                shapes = [shape for _, shape in ends if shape is not None]
                if view_of(node, self._facts.shapes) is not None or len({len(shape) for shape in shapes}) > 1:
                    yield from ((v, logical(shape)) for v, shape in ends if shape is not None)
                queue.extend((*inputs, *node.outputs))

    def _neighbours(self, value: ir.Value) -> list[ir.Node]:
        """The nodes around a value that layouts can pass through."""
        producer = value.producer()
        around = [*([] if producer is None else [producer]), *(use.node for use in value.uses())]
        return [n for n in around if self._passes(n)]

    def _passes(self, node: ir.Node) -> bool:
        if (
            node.graph is not self._graph
            or node in self._absorbed
            or node in self.dying
            or (node.domain, node.op_type) not in RULES
        ):
            return False
        if self._facts.constants.is_constant(node.outputs[0]):
            return False
        return self._spread or view_of(node, self._facts.shapes) is not None

    def _add(self, value: ir.Value, layout: Layout) -> bool:
        """Note a layout of a value; whether it may be used."""
        shape = self._facts.shape(value)
        if shape is None:
            return False
        if is_logical(layout):
            return True
        known = self.layouts.setdefault(value, {})
        if not known:
            own = logical(shape)
            known[own.movement] = own
        if layout.movement in known:
            return True
        if len(known) >= MOST_LAYOUTS or not is_expressible(layout):
            return False
        known[layout.movement] = layout
        self._queue.append((value, layout))
        return True

    def _reach(self, value: ir.Value, layout: Layout) -> None:
        """Let the nodes around a value answer to one of its layouts."""
        producer = value.producer()
        if producer is not None and self._passes(producer):
            self._answer(producer, (True, value.index() or 0), layout)
        for unit in self._readers.get(value, []):
            layer = unit.layer
            form = None if layer is None or layer.lifted else form_for(layer, layout)
            if layer is not None and form is not None:
                self._offer(unit, form, _MISPLACED if _is_misplaced(form, self._tokens[layer.node]) else 0.0)
        for use in value.uses():
            if self._passes(use.node):
                self._answer(use.node, (False, use.idx), layout)

    def _answer(self, node: ir.Node, place: tuple[bool, int], layout: Layout) -> None:
        start = start_of(node, place, layout, self._facts)
        if start is None or (node, start) in self._answered:
            return
        self._answered.add((node, start))  # a Concat of many values has the same answer to each of them
        change = change_from(node, start, self._facts)
        if change is None:
            return
        reads = _chosen(node.inputs, change.reads)
        writes = _chosen(node.outputs, change.writes)
        key = tuple(own.movement for _, own in (*reads, *writes))
        known = self._known.setdefault(node, set())
        if key in known:
            return
        allowed = [self._add(v, own) for v, own in (*reads, *writes)]  # all of them, so that others can use them
        if not all(allowed):
            return
        known.add(key)
        if node not in self._nodes:
            self._nodes[node] = Unit(node, options=[self._as_it_is(node)])
        self._nodes[node].options.append(Option(reads, writes, change=change))

    def _as_it_is(self, node: ir.Node) -> Option:
        ways = []
        for values in (node.inputs, node.outputs):
            shapes = [(v, self._facts.shape(v)) for v in values if v is not None]
            ways.append(tuple((v, logical(s)) for v, s in shapes if s is not None))
        view = view_of(node, self._facts.shapes)
        cost = _NOT_4D if view is None else self.costs.of(node.outputs[0], view)
        return Option(ways[0], ways[1], cost=cost)


def _is_empty(layer: FullyConnected, form: ConvForm) -> bool:
    """Whether it has no positions, in a way that no runtime takes: only a batch on its own may be empty."""
    batch, _, *spatial = form.read.target_shape
    merged = len(layer.contraction.positions) > 1
    return any(size.static == 0 for size in spatial) or (merged and batch.static == 0)


def _is_misplaced(form: ConvForm, tokens: Tokens) -> bool:
    """Whether a 1x1 convolution has its tokens on another axis than the wished one."""
    *_, height, width = form.read.target_shape
    wanted, other = (width, height) if tokens == "width" else (height, width)
    if tokens == "batch":
        return form.kernel_shape == (1, 1) and wanted.is_one != other.is_one
    return form.kernel_shape == (1, 1) and wanted.is_one and not other.is_one


def _dying(layers: Iterable[FullyConnected]) -> set[ir.Node]:
    """What stands between a layer and the integers that it now reads, as far as nobody else reads it."""
    between: list[ir.Node] = []
    readers = {layer.node: layer for layer in layers if layer.head}
    for layer in readers.values():
        paths = [path for v in layer.node.inputs if v is not None and (path := _path(v, layer.head[0]))]
        between.extend(node for path in paths for node in path)
    dying: set[ir.Node] = set()
    for node in dict.fromkeys(between):  # those near the layer come first
        output = node.outputs[0]
        if not output.is_graph_output() and all(u.node in dying or u.node in readers for u in output.uses()):
            dying.add(node)
    return dying


def _path(value: ir.Value, head: ir.Node) -> list[ir.Node]:
    """The layout nodes from a value up to a DequantizeLinear, and that itself; empty if they do not lead there."""
    path: list[ir.Node] = []
    node = value.producer()
    while node is not None and node is not head and is_layout_node(node) and node.inputs[0] is not None:
        path.append(node)
        node = node.inputs[0].producer()
    return [*path, head] if node is head else []


def _chosen(values: Sequence[ir.Value | None], layouts: Sequence[Layout | None]) -> tuple[tuple[ir.Value, Layout], ...]:
    return tuple((v, own) for v, own in zip(values, layouts, strict=True) if v is not None and own is not None)


def is_expressible(layout: Layout) -> bool:
    """Whether constants can spell the layout nodes from the file's own layout."""
    return all(step.argument != COMPUTED for step in steps(layout))


def writes_logical(layer: FullyConnected) -> bool:
    """Whether what the layer does behind its convolution is written for the axes that the file gives."""
    rescales = layer.integer is not None and layer.integer.rescale is not None
    return rescales or layer.addend is not None or layer.activation is not None or not layer.folds_alpha
