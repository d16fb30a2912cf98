"""The stretches of a graph that stay in 4-D: what reports say of a plan."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import onnx_ir as ir

from fc2conv_cli.layout.layouts import is_logical
from fc2conv_cli.layout.region import Choice
from fc2conv_cli.records import Plan, node_label


@dataclass(frozen=True)
class Stretch:
    """Layers and nodes from one to the next of which nothing is converted.

    Attributes:
        layers: Names of the layers.
        nodes: Names of the other nodes that work in another layout than the file gives them.
    """

    layers: tuple[str, ...]
    nodes: tuple[str, ...]


def stretches(plan: Plan) -> tuple[Stretch, ...]:
    """The stretches of a plan, in graph order of their first members."""
    return tuple(stretch for choices in plan.choices.values() for stretch in _of_graph(choices))


def _of_graph(choices: Sequence[Choice]) -> Iterator[Stretch]:
    working = [choice for choice in choices if choice.option.form is not None or choice.option.change is not None]
    order = {choice.unit.anchor: i for i, choice in enumerate(_sorted(working))}
    groups = _Groups(len(order))
    kept: dict[tuple[ir.Value, object], int] = {}
    for choice in working:
        own = order[choice.unit.anchor]
        for value, layout in (*choice.option.writes, *choice.option.reads):
            if not is_logical(layout):
                groups.join(own, kept.setdefault((value, layout.movement), own))
    members: dict[int, list[Choice]] = {}
    for choice in _sorted(working):
        members.setdefault(groups.of(order[choice.unit.anchor]), []).append(choice)
    for group in members.values():
        layers = tuple(c.unit.layer.name for c in group if c.unit.layer is not None)
        if layers:
            yield Stretch(layers, tuple(node_label(c.unit.anchor) for c in group if _stays(c)))


def _stays(choice: Choice) -> bool:
    """Whether a node is still there, and is no layer."""
    change = choice.option.change
    return change is not None and not change.vanishes and change.dims is None


def _sorted(choices: Iterable[Choice]) -> list[Choice]:
    graph = next((c.unit.anchor.graph for c in choices), None)
    place = {} if graph is None else {node: i for i, node in enumerate(graph)}
    return sorted(choices, key=lambda c: place.get(c.unit.anchor, 0))


class _Groups:
    """Sets that are joined step by step."""

    def __init__(self, count: int) -> None:
        self._parents = list(range(count))

    def of(self, item: int) -> int:
        while self._parents[item] != item:
            self._parents[item] = item = self._parents[self._parents[item]]
        return item

    def join(self, one: int, other: int) -> None:
        self._parents[self.of(max(one, other))] = self.of(min(one, other))
