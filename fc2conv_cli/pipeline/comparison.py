"""Comparing a converted model with its original."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fc2conv_cli import graphs
from fc2conv_cli.errors import UnrunnableModelError
from fc2conv_cli.frontends.exported import hint_for
from fc2conv_cli.frontends.loading import Loading
from fc2conv_cli.frontends.onnx_file import load
from fc2conv_cli.frontends.pytorch.concerns import unsettled
from fc2conv_cli.frontends.source import Source, open_source
from fc2conv_cli.memory import needing_memory
from fc2conv_cli.pipeline.opening import with_inputs, with_shapes
from fc2conv_cli.timing import Stopwatch
from fc2conv_cli.verification.compare import compare_models
from fc2conv_cli.verification.per_layer import compare_layers
from fc2conv_cli.verification.report import VerifyReport
from fc2conv_cli.verification.settings import Settings

if TYPE_CHECKING:
    from fc2conv_cli.pipeline.opening import AnyModel


def verify(
    original: AnyModel,
    converted: str | PathLike[str],
    *,
    example_inputs: Any = None,
    freeze_inputs: bool = False,
    per_layer: bool = False,
    settings: Settings | None = None,
    loading: Loading | None = None,
    watch: Stopwatch | None = None,
) -> VerifyReport:
    """Compare a converted model with its original.

    Args:
        original: The model to compare with, as in `convert`.
        converted: The ONNX file to judge.
        example_inputs: As in `convert`.
        freeze_inputs: Whether it may lack initializers that a caller of the original may override.
        per_layer: Compare every converted layer's output too, and name the first layer that diverges.
        settings: How to compare.
        loading: How to load a PyTorch model.
        watch: As in `convert`.

    Returns:
        The report; `passed` says whether they agree.

    Raises:
        FC2ConvError: A file cannot be used, or onnxruntime cannot run the original.
    """
    watch, loading = watch or Stopwatch(), with_inputs(loading, example_inputs)
    with watch("load"):
        listed = {value.name for value in load(Path(converted)).graph.inputs}
    with open_source(original, loading, watch) as source:
        settings = with_shapes(settings, source, loading)
        with watch("load"):
            model = load(source.onnx)
        frozen = [name for name in graphs.freeze_inputs(model) if name not in listed] if freeze_inputs else []
        report = compared(source, Path(converted), settings, frozen)
        report = replace(report, notes=(*report.notes, *unsettled_notes(source.notes, report)))
        if per_layer:
            with watch("layers"), needing_memory("compare layer by layer", "Leave out --per-layer."):
                layers = compare_layers(source.onnx, Path(converted), settings, report.cases, report.farthest)
            report = replace(report, per_layer=layers)
    report = replace(report, seconds=dict(watch.seconds))
    if not any(node.op_type == "If" for graph in graphs.all_graphs(model) for node in graph):
        return report
    return replace(report, notes=(*report.notes, "the model has branches (If): what no input reached was not compared"))


def compared(source: Source, converted: Path, settings: Settings, frozen: Collection[str]) -> VerifyReport:
    """Compare a file with what the user named, and with PyTorch where that is where it comes from.

    Args:
        source: What the user named.
        converted: The file to judge.
        settings: How to compare.
        frozen: Initializers of the original that the file may lack.

    Raises:
        UnrunnableModelError: No engine runs the original.
    """
    watch = source.watch
    try:
        with watch("verify"):
            return compare_models(
                source.onnx, converted, settings, frozen, eager=source.eager, name=source.path, watch=watch
            )
    except UnrunnableModelError as error:
        if source.exported:
            error.hint = hint_for(source.onnx) or error.hint
        raise


def unsettled_notes(notes: tuple[str, ...], report: VerifyReport) -> tuple[str, ...]:
    """The notes, without those that the comparison with PyTorch has answered."""
    return unsettled(notes, report.export.cases) if report.export is not None and report.export.passed else notes
