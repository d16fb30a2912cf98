"""Gives the caller what the network inside works on (``--io-layout nchw``).

    before      x (N, S, C) ──Transpose──Unsqueeze── Conv ── ... ── Conv ──Squeeze──Transpose── y (N, S, C)
    after       x (N, C, 1, S) ── Conv ── ... ── Conv ── y (N, C, 1, S)

Names and types stay. What was taken off is noted in the model, so that a comparison can put it back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import onnx_ir as ir

from fc2conv_cli import io_layout
from fc2conv_cli.graphs import is_overridable
from fc2conv_cli.layout.builder import Builder
from fc2conv_cli.layout.nodes import view_of
from fc2conv_cli.layout.steps import Step, is_exposable, steps
from fc2conv_cli.shapes import Shapes
from fc2conv_cli.sizes import Shape
from fc2conv_cli.views import View

_RANK = 4


@dataclass(frozen=True)
class InterfaceChange:
    """An input or output that is now stored in 4-D.

    Attributes:
        kind: Which of both.
        name: Its name.
        before: Its shape in the original.
        after: Its shape now.
        steps: The layout nodes that were taken off: from `before` to `after` for an input, back for an output.
    """

    kind: Literal["input", "output"]
    name: str
    before: Shape
    after: Shape
    steps: tuple[Step, ...]


def expose(model: ir.Model, build: Builder) -> tuple[InterfaceChange, ...]:
    """Take the layout nodes off the inputs and outputs of a model, in place, where 4-D values stand behind them."""
    changes = [
        *(change for value in list(model.graph.inputs) for change in _input(model, value, build)),
        *(change for value in list(model.graph.outputs) for change in _output(value, build)),
    ]
    if changes:
        _note(model, changes)
    return tuple(changes)


def _input(model: ir.Model, value: ir.Value, build: Builder) -> Iterator[InterfaceChange]:
    if is_overridable(model, value) or value.is_graph_output():
        return
    chain: list[ir.Node] = []
    inner, best = value, 0
    while (node := _only_reader(inner)) is not None and view_of(node, build.shapes) is not None:
        if node.outputs[0].is_graph_output():
            break
        chain.append(node)
        inner = node.outputs[0]
        best = len(chain) if len(build.shapes.shape(inner) or ()) == _RANK else best
    found = _view(chain[:best], build.shapes)
    if found is None:
        return
    view, removed = found
    inner = chain[best - 1].outputs[0]
    yield InterfaceChange("input", value.name or "", view.source_shape, view.target_shape, removed)
    declared = value.type
    build.describe(value, view.target_shape, value.dtype or build.shapes.dtype(value))
    value.type = declared or value.type  # what it is called in the file
    inner.replace_all_uses_with(value)
    _remove(chain[:best], build)


def _output(value: ir.Value, build: Builder) -> Iterator[InterfaceChange]:
    chain: list[ir.Node] = []
    inner, best = value, 0
    while (node := inner.producer()) is not None and view_of(node, build.shapes) is not None:
        assert node.inputs[0] is not None
        chain.insert(0, node)
        inner = node.inputs[0]
        own = inner.producer() is not None and not inner.is_graph_output()
        best = len(chain) if own and len(build.shapes.shape(inner) or ()) == _RANK else best
    chain = chain[len(chain) - best :]
    found = _view(chain, build.shapes)
    if found is None:
        return
    view, removed = found
    inner = chain[0].inputs[0]  # type: ignore[assignment]  # it was the value above
    yield InterfaceChange("output", value.name or "", view.target_shape, view.source_shape, removed)
    name, dtype = value.name or "", value.dtype or build.shapes.dtype(value)
    value.name = build.fresh(f"{name}_logical")
    inner.name = name
    build.describe(inner, view.source_shape, dtype)
    inner.type, inner.doc_string = value.type or inner.type, value.doc_string
    inner.metadata_props.update(value.metadata_props)
    graph = value.graph
    assert graph is not None
    for i, output in enumerate(graph.outputs):
        if output is value:
            graph.outputs[i] = inner
    _remove(chain, build)


def _only_reader(value: ir.Value) -> ir.Node | None:
    """The one node of the same graph that reads a value and nothing else does."""
    uses = list(value.uses())
    if len(uses) != 1 or uses[0].idx != 0 or value.is_graph_output():
        return None
    return uses[0].node if uses[0].node.graph is value.graph else None


def _view(chain: Sequence[ir.Node], shapes: Shapes) -> tuple[View, tuple[Step, ...]] | None:
    """What a chain of layout nodes does, if it is more than naming axes of a value that has four already."""
    whole: View | None = None
    for node in chain:
        view = view_of(node, shapes)
        whole = view if whole is None or view is None else whole.then(view)
        if whole is None:
            return None
    if whole is None:
        return None
    return (whole, tuple(steps(whole))) if is_exposable(whole) and is_exposable(whole.inverse()) else None


def _remove(chain: Sequence[ir.Node], build: Builder) -> None:
    """Take out the nodes that nobody reads any more."""
    for node in reversed(chain):
        if not node.outputs[0].uses() and not node.outputs[0].is_graph_output() and node.graph is not None:
            build.released.extend(v for v in node.inputs[1:] if v is not None)
            node.graph.remove(node, safe=True)


def _note(model: ir.Model, changes: Sequence[InterfaceChange]) -> None:
    noted = io_layout.recorded(model.metadata_props)
    for change in changes:
        ports = noted.inputs if change.kind == "input" else noted.outputs
        done, before = tuple((s.op, s.argument) for s in change.steps), ports.get(change.name, ())
        ports[change.name] = (*before, *done) if change.kind == "input" else (*done, *before)
    model.metadata_props[io_layout.KEY] = noted.to_json()
