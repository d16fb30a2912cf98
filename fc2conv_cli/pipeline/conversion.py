"""Converting a model: plan, rewrite, check, verify, and write if all is well."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx_ir as ir

from fc2conv_cli import checker, graphs
from fc2conv_cli.errors import UsageError
from fc2conv_cli.frontends.loading import Loading
from fc2conv_cli.frontends.onnx_file import load
from fc2conv_cli.frontends.source import Source, open_source
from fc2conv_cli.layout.solve import Wishes
from fc2conv_cli.layout.stretches import stretches
from fc2conv_cli.pipeline.analysis import Analysis, Wanted, analyse
from fc2conv_cli.pipeline.opening import with_inputs, with_shapes
from fc2conv_cli.pipeline.places import check_places, keep_export, keep_failed, target_of
from fc2conv_cli.pipeline.records import ConversionReport, WeightBytes
from fc2conv_cli.pipeline.rewriting import notes_before, preview, rewrite
from fc2conv_cli.save import Draft, check_target, draft, has_data_files, source_files
from fc2conv_cli.sharing import check_sharing, sharing_notes
from fc2conv_cli.timing import Stopwatch
from fc2conv_cli.verification.settings import Settings

if TYPE_CHECKING:
    from fc2conv_cli.pipeline.opening import AnyModel


def convert(
    model: AnyModel,
    output: str | PathLike[str] | None = None,
    *,
    example_inputs: Any = None,
    force: bool = False,
    dry_run: bool = False,
    only: str | Sequence[str] = (),
    skip: str | Sequence[str] = (),
    strict: bool = False,
    verify: bool = True,
    keep_failed: bool = False,
    freeze_inputs: bool = False,
    allow_unverifiable: bool = False,
    fuse: bool = False,
    share_weights: bool = False,
    wishes: Wishes | None = None,
    settings: Settings | None = None,
    loading: Loading | None = None,
    watch: Stopwatch | None = None,
) -> ConversionReport:
    """Replace the fully connected layers of a model by convolutions, verify the result and write it.

    Args:
        model: An ONNX file, a PyTorch file of any kind, or a live `torch.nn.Module`. It is not changed.
        output: Where to write; ``<stem>.conv.onnx`` beside the model if not given. A live module needs it.
        example_inputs: What a live module is called with: a tuple of tensors, or a dict of named ones.
        force: Overwrite the output.
        dry_run: Plan only.
        only: Convert only the layers whose node name matches one of these patterns (as in a shell).
        skip: Leave the layers whose node name matches one of these patterns.
        strict: Write nothing if a layer has to be left (one that `only` or `skip` leaves does not count).
        verify: Compare the result with the original, and write it only if they agree. A PyTorch model is also compared
            with its plain export.
        keep_failed: Keep a result that failed, as ``<stem>.failed.onnx`` beside the output.
        freeze_inputs: Turn initializers that a caller may override into constants. This changes the interface.
        allow_unverifiable: Convert what the ONNX standard allows though onnxruntime has no kernel for it (float64,
            bfloat16, integer types), and compare in ONNX's reference evaluator where onnxruntime cannot.
        fuse: Fold BatchNormalization, Mul, Div, Add and Sub behind a layer into it, where they are constant along
            positions. This changes rounding.
        share_weights: Let the result read weights from the data files of the original, where their bytes are the same.
        wishes: What is wanted of the layout.
        settings: How to compare.
        loading: How to load a PyTorch model.
        watch: Told of every stage as it begins.

    Returns:
        The report; `passed` says whether all is well.

    Raises:
        FC2ConvError: The input cannot be used, or the output cannot be written.
    """
    settings = settings or Settings()
    settings = replace(settings, reference=settings.reference or allow_unverifiable)
    loading = with_inputs(loading, example_inputs)
    if loading.keep_export and dry_run:
        raise UsageError("--keep-export: a dry run writes nothing", hint="Leave one of the two out.")
    wanted = Wanted(only, skip, allow_unverifiable, fuse, wishes or Wishes())
    check_places(model, output, force=force, dry_run=dry_run, keep_export=loading.keep_export)
    with open_source(model, loading, watch or Stopwatch()) as source:
        target = target_of(source.path, output, is_file=source.is_file, dry_run=dry_run)
        with source.watch("load"):
            ir_model = load(source.onnx)
        with source.watch("check"):
            in_use = source_files(ir_model)
            if output is not None:
                check_target(target, [source.path, *in_use], force=force)
            if share_weights:
                check_sharing(ir_model, source.path, target, exported=source.exported)
        frozen = graphs.freeze_inputs(ir_model) if freeze_inputs else []
        analysis = analyse(source, ir_model, wanted)
        settings = with_shapes(settings, source, loading)
        conversion = _Conversion(source, target, ir_model, in_use, analysis, frozen, share_weights)
        report = conversion.settled(strict=strict, dry_run=dry_run, idle=output is None)
        if report is None:
            with source.watch("check"):
                check_target(target, [source.path, *in_use], force=force)
            report = conversion.write(settings if verify else None, keeps_failed=keep_failed, force=force)
        if loading.keep_export and report.status != "layers left":
            report = replace(report, export=keep_export(source, target))
    return replace(report, seconds=dict(source.watch.seconds))


@dataclass(frozen=True)
class _Conversion:
    """A conversion that has been planned, and where it is to go."""

    source: Source
    target: Path
    model: ir.Model
    in_use: Sequence[Path]  # the files that its weights are read from
    analysis: Analysis
    frozen: Sequence[str]
    share: bool

    @property
    def report(self) -> ConversionReport:
        """What is known before anything is changed."""
        plan, path = self.analysis.plan, self.source.path
        with self.source.watch("report"):
            before, parts = self.analysis.count(self.model), stretches(plan)
            notes = notes_before(self.model, self.analysis, self.frozen)
        return ConversionReport(path, "planned", plan, layout_before=before, stretches=parts, notes=notes)

    def settled(self, *, strict: bool, dry_run: bool, idle: bool) -> ConversionReport | None:
        """The report, if nothing is to be written: refused, a dry run, or nothing to convert and no output named."""
        plan, target = self.analysis.plan, self.target
        if strict and plan.left:
            return replace(self.report, status="layers left")
        if dry_run:
            return replace(self.report, **preview(self.model, self.analysis))
        if not plan.layers and idle:
            stale = (f"{target} is there from before; it does not come from this run",) if target.exists() else ()
            report = self.report
            return replace(report, status="nothing to convert", notes=(*report.notes, *stale))
        return None

    def write(self, settings: Settings | None, *, keeps_failed: bool, force: bool) -> ConversionReport:
        """Carry out the plan, verify the result if there are settings for that, and write it if all is well."""
        source, target, plan, report = self.source, self.target, self.analysis.plan, self.report
        with source.watch("check"):
            in_use, external = self.in_use, has_data_files(self.model)
        if plan.layers:
            with source.watch("emit"):
                more, interface = rewrite(self.model, self.analysis)
            report = replace(report, notes=(*report.notes, *more), interface=interface)
        unchanged = None if plan.layers or self.frozen or set(in_use) - {source.onnx} else source.onnx
        with source.watch("report"):
            report = replace(report, layout_after=self.analysis.count(self.model))
            if self.share:
                report = replace(report, notes=(*report.notes, *sharing_notes(self.model)))
        with self._draft(unchanged, external=external) as written:
            with source.watch("check"):
                _assert_valid(written, skip=self.analysis.invalid)
            if settings is not None:
                from fc2conv_cli.pipeline.comparison import compared, unsettled_notes  # with all that verifies

                found = compared(source, written.path, settings, self.frozen)
                notes = unsettled_notes(report.notes, found)
                report = replace(report, verification=replace(found, converted=target), notes=notes)
                if not found.holds:
                    report = replace(report, status="different")
                    return self._kept(report, written) if keeps_failed and not found.agrees else report
            stale = written.publish(target, in_use, force=force)
            kept = (
                f"{file} is not read by {target.name} any more; remove it if nothing else reads it" for file in stale
            )
            report = replace(report, written=WeightBytes(*written.traffic.counts), notes=(*report.notes, *kept))
            data = None if written.data is None else target.parent / written.data.name
        return replace(report, status="written" if plan.layers else "nothing to convert", output=target, data=data)

    def _kept(self, report: ConversionReport, written: Draft) -> ConversionReport:
        failed = keep_failed(written, self.target)
        data = None if written.data is None else failed.parent / written.data.name
        return replace(report, failed=failed, data=data)

    def _draft(self, unchanged: Path | None, *, external: bool) -> AbstractContextManager[Draft]:
        watch = self.source.watch
        return draft(self.model, self.target, external=external, unchanged=unchanged, share=self.share, watch=watch)


def _assert_valid(written: Draft, *, skip: bool) -> None:
    if not skip and (complaint := checker.complaint(written.path)) is not None:
        raise AssertionError(f"fc2conv wrote a model that onnx.checker refuses: {complaint}")
