"""Carrying out a plan, and what is to be said of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import onnx_ir as ir

from fc2conv_cli.cleanup import remove_unused
from fc2conv_cli.layout.builder import Builder
from fc2conv_cli.layout.emit import emit
from fc2conv_cli.layout.interface import InterfaceChange, expose
from fc2conv_cli.layout.reuse import reuse
from fc2conv_cli.layout.simplify import simplify
from fc2conv_cli.pipeline.analysis import Analysis
from fc2conv_cli.records import Plan


def rewrite(model: ir.Model, analysis: Analysis) -> tuple[tuple[str, ...], tuple[InterfaceChange, ...]]:
    """Carry out the plan, in place; what is to be said of it, and what it does to the interface."""
    build = Builder(model, analysis.shapes)
    stored = emit(analysis.plan, build, analysis.constants)
    simplify(model, build)
    interface = expose(model, build) if analysis.io_changes else ()
    remove_unused(model, build.released)
    duplicates = list(reuse(model, build, stored))
    remove_unused(model, build.released)
    notes = tuple(
        f"weight {d.name!r} is stored more than once, since its readers need it in another order, times another factor "
        f"or in another body: {d.extra_bytes:,} bytes more"
        for d in duplicates
    )
    if analysis.io_changes and not interface:
        notes = (*notes, _NO_INTERFACE)
    return notes, interface


_NO_INTERFACE = (
    "--io-layout nchw changes nothing: no input is turned into 4-D right where it comes in, and no output out of 4-D "
    "right where it goes out"
)


def notes_before(model: ir.Model, analysis: Analysis, frozen: Sequence[str]) -> tuple[str, ...]:
    """What is to be said of a plan, whether or not it is carried out.

    Args:
        model: The model, unchanged.
        analysis: The plan.
        frozen: Initializers that a caller can no longer override.
    """
    plan = analysis.plan
    return (*analysis.notes, *_frozen_note(frozen), *_bodies_note(model, plan), *_decomposed_note(plan))


def _frozen_note(frozen: Sequence[str]) -> tuple[str, ...]:
    if not frozen:
        return ()
    return (f"the interface changes: {', '.join(map(repr, frozen))} can no longer be overridden (--freeze-inputs)",)


def _bodies_note(model: ir.Model, plan: Plan) -> tuple[str, ...]:
    bodies = set(model.graph.subgraphs()) | {g for f in model.functions.values() for g in f.subgraphs()}
    inside = [planned.layer.name for planned in plan.layers if planned.layer.node.graph in bodies]
    if not inside:
        return ()
    return (
        f"in the body of an If, Loop or Scan, and compared only as far as the inputs reach it: {', '.join(inside)}",
    )


def _decomposed_note(plan: Plan) -> tuple[str, ...]:
    changes = [c.option.change for choices in plan.choices.values() for c in choices]
    count = sum(change is not None and change.normalizes is not None for change in changes)
    return (f"written as simpler nodes (--decompose-layernorm): {count} LayerNormalization",) if count else ()


def preview(model: ir.Model, analysis: Analysis) -> dict[str, Any]:
    """Carry out a plan in memory, to see what it would come to; weights are not touched."""
    interface: tuple[InterfaceChange, ...] = ()
    if analysis.plan.layers:
        _, interface = rewrite(model, analysis)
    return {"layout_after": analysis.count(model), "interface": interface}
