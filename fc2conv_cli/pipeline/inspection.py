"""Looking at a model without changing it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fc2conv_cli import graphs
from fc2conv_cli.errors import UsageError
from fc2conv_cli.frontends.loading import Loading
from fc2conv_cli.frontends.onnx_file import load
from fc2conv_cli.frontends.source import open_source
from fc2conv_cli.layout.solve import Wishes
from fc2conv_cli.layout.stretches import stretches
from fc2conv_cli.pipeline.analysis import Wanted, analyse
from fc2conv_cli.pipeline.opening import with_inputs
from fc2conv_cli.pipeline.records import InspectionReport
from fc2conv_cli.pipeline.rewriting import notes_before, preview
from fc2conv_cli.timing import Stopwatch

if TYPE_CHECKING:
    from fc2conv_cli.pipeline.opening import AnyModel


def inspect(
    model: AnyModel,
    *,
    example_inputs: Any = None,
    only: str | Sequence[str] = (),
    skip: str | Sequence[str] = (),
    freeze_inputs: bool = False,
    allow_unverifiable: bool = False,
    fuse: bool = False,
    wishes: Wishes | None = None,
    loading: Loading | None = None,
    watch: Stopwatch | None = None,
) -> InspectionReport:
    """List the fully connected layers of a model: what each would become, or why it would stay.

    Args:
        model: As in `convert`.
        example_inputs: As in `convert`.
        only: As in `convert`.
        skip: As in `convert`.
        freeze_inputs: As in `convert`.
        allow_unverifiable: As in `convert`.
        fuse: As in `convert`.
        wishes: As in `convert`.
        loading: As in `convert`.
        watch: As in `convert`.

    Returns:
        The same plan that `convert` carries out.

    Raises:
        FC2ConvError: The input cannot be used.
    """
    loading = with_inputs(loading, example_inputs)
    with open_source(model, loading, watch or Stopwatch()) as source:
        if loading.inputs and not source.exported:
            raise UsageError("--input: an ONNX model says itself what it takes", hint="Leave it out.")
        with source.watch("load"):
            ir_model = load(source.onnx)
        frozen = graphs.freeze_inputs(ir_model) if freeze_inputs else []
        analysis = analyse(source, ir_model, Wanted(only, skip, allow_unverifiable, fuse, wishes or Wishes()))
        plan = analysis.plan
        with source.watch("report"):
            before, notes = analysis.count(ir_model), notes_before(ir_model, analysis, frozen)
            report = InspectionReport(source.path, plan, notes, before, stretches=stretches(plan))
        with source.watch("emit"):
            report = replace(report, **preview(ir_model, analysis))
    return replace(report, seconds=dict(source.watch.seconds))
