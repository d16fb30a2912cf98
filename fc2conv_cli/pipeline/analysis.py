"""Finding the layers of a model, and planning what becomes of them."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import onnx_ir as ir

from fc2conv_cli import checker, graphs
from fc2conv_cli.constants import Constants
from fc2conv_cli.errors import InvalidModelError, UsageError
from fc2conv_cli.frontends.exported import advised
from fc2conv_cli.frontends.source import Source
from fc2conv_cli.layers import find
from fc2conv_cli.layers.context import Context
from fc2conv_cli.layout.nodes import LayoutCount, count_layout_nodes
from fc2conv_cli.layout.solve import Wishes, solve
from fc2conv_cli.records import Plan, Skip
from fc2conv_cli.shapes import Shapes, infer
from fc2conv_cli.verification.runner import RunError, Runner


@dataclass(frozen=True)
class Wanted:
    """Which layers the user wants, and how.

    Attributes:
        only: Patterns of node names (as in a shell); a layer must match one of them, if there are any.
        skip: Patterns of node names; a layer must match none of them.
        unverifiable: Whether to take layers that onnxruntime cannot run.
        fuse: Whether to fold what stands behind a layer into it.
        wishes: What is wanted of the layout.
    """

    only: str | Sequence[str] = ()
    skip: str | Sequence[str] = ()
    unverifiable: bool = False
    fuse: bool = False
    wishes: Wishes = field(default_factory=Wishes)

    def refuse_idle(self, names: Sequence[str]) -> None:
        """Refuse a pattern that matches no layer.

        Raises:
            UsageError: There is one.
        """
        for option, patterns in (("--only", _listed(self.only)), ("--skip", _listed(self.skip))):
            for pattern in patterns:
                if not any(_matches(name, [pattern]) for name in names):
                    listed = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
                    hint = f"The layers are: {listed}" if names else "The model has no fully connected layer."
                    raise UsageError(f"{option} {pattern!r} matches no layer", hint=hint)

    def __call__(self, name: str) -> bool:
        """Whether the layer of that name is to be converted."""
        only, skip = _listed(self.only), _listed(self.skip)
        return (not only or _matches(name, only)) and not _matches(name, skip)


@dataclass(frozen=True)
class Analysis:
    """What is known of a model before it is changed.

    Attributes:
        plan: What is to become of its layers.
        shapes: Shapes of all values.
        constants: Its constants.
        notes: What is to be said of it.
        io_changes: Whether its inputs and outputs may become 4-D.
        invalid: Whether it does not pass onnx.checker, so that the result need not either.
    """

    plan: Plan
    shapes: Shapes
    constants: Constants
    notes: tuple[str, ...]
    io_changes: bool
    invalid: bool

    def count(self, model: ir.Model) -> LayoutCount:
        """Layout nodes of the model as it is now."""
        return count_layout_nodes(model, self.constants.is_constant, self.shapes)


def analyse(source: Source, model: ir.Model, wanted: Wanted) -> Analysis:
    """Find the layers of a model and choose what becomes of them.

    Raises:
        InvalidModelError: Neither onnx.checker nor onnxruntime accepts the file.
        UsageError: A pattern matches no layer.
    """
    watch = source.watch
    with watch("check"):
        complaints = _check(source)
    with watch("infer"):
        shapes = infer(model, source.onnx)
    with watch("plan"):
        constants = Constants(model, shapes)
        bodies = frozenset(function.graph for function in model.functions.values())
        opset = model.graph.opset_imports.get("", 1)
        foreign = graphs.foreign(model, opset)
        context = Context(shapes, constants, opset, wanted.unverifiable, wanted.fuse, bodies, foreign)
        found = list(find(model, context))
        wanted.refuse_idle([item.name for item in found if not isinstance(item, Skip) or item.reason.is_layer])
        plan = solve(found, shapes, constants, opset, wanted, wanted.wishes, model.graph, watch)
    if source.exported:
        plan = replace(plan, skips=advised(plan.skips))
    notes = (*source.notes, *complaints)
    return Analysis(plan, shapes, constants, notes, wanted.wishes.io == "nchw", bool(complaints))


def _check(source: Source) -> tuple[str, ...]:
    """Refuse a file that neither onnx.checker nor onnxruntime accepts; note one that only onnxruntime does."""
    complaint = checker.complaint(source.onnx)
    if complaint is None:
        return ()
    try:
        Runner(source.onnx)
    except RunError:
        hint = "Export the model again; onnxruntime does not load it either."
        raise InvalidModelError(source.path, f"the graph is not valid: {complaint}", hint=hint) from None
    return (f"the original does not pass onnx.checker, but onnxruntime loads it: {complaint}",)


def _listed(patterns: str | Sequence[str]) -> Sequence[str]:
    return (patterns,) if isinstance(patterns, str) else patterns


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
