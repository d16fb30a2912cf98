"""The three things that fc2conv does, as functions that return records and print nothing."""

from __future__ import annotations

import fnmatch
import shutil
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import onnx_ir as ir

from fc2conv_cli import checker, graphs
from fc2conv_cli.cleanup import remove_unused
from fc2conv_cli.constants import Constants
from fc2conv_cli.errors import InvalidModelError, OutputExistsError, OutputFileError, UnrunnableModelError, UsageError
from fc2conv_cli.frontends.exported import advised, hint_for
from fc2conv_cli.frontends.input_specs import parse
from fc2conv_cli.frontends.kinds import Kind, kind_of
from fc2conv_cli.frontends.loading import Loading
from fc2conv_cli.frontends.onnx_file import load
from fc2conv_cli.frontends.pytorch.concerns import unsettled
from fc2conv_cli.frontends.source import Source, export_name, open_source
from fc2conv_cli.layers import find
from fc2conv_cli.layers.context import Context
from fc2conv_cli.layout.builder import Builder
from fc2conv_cli.layout.emit import emit
from fc2conv_cli.layout.interface import InterfaceChange, expose
from fc2conv_cli.layout.nodes import LayoutCount, count_layout_nodes
from fc2conv_cli.layout.reuse import reuse
from fc2conv_cli.layout.simplify import simplify
from fc2conv_cli.layout.solve import Wishes, solve
from fc2conv_cli.layout.stretches import Stretch, stretches
from fc2conv_cli.records import Plan, Skip
from fc2conv_cli.save import Draft, check_target, draft, external_files, follow_link
from fc2conv_cli.shapes import Shapes, infer
from fc2conv_cli.sharing import check_sharing, sharing_notes
from fc2conv_cli.verification.compare import Settings, compare_models
from fc2conv_cli.verification.per_layer import compare_layers
from fc2conv_cli.verification.report import VerifyReport
from fc2conv_cli.verification.runner import RunError, Runner

if TYPE_CHECKING:
    from torch.export import ExportedProgram
    from torch.nn import Module

    AnyModel = str | PathLike[str] | Module | ExportedProgram

Status = Literal["written", "planned", "nothing to convert", "layers left", "different", "would be written"]


@dataclass(frozen=True)
class ConversionReport:
    """What a conversion did.

    Attributes:
        model: The file that was read.
        status: ``written``; ``planned`` (a dry run); ``nothing to convert``; ``layers left`` (refused by strict);
            ``different`` (the result failed verification); ``would be written`` (it failed, but agrees by the
            tolerances that its report was judged with later).
        plan: What was converted, and what was left and why.
        output: The file that was written, or None.
        data: The file beside it that its weights are in, or None.
        failed: The file that failed verification, if it was kept.
        verification: The comparison with the original; None if there was none.
        layout_before: Layout nodes of the original.
        layout_after: Layout nodes of the result; None if none was made.
        stretches: The parts of the graph that stay in 4-D.
        interface: The inputs and outputs that are now 4-D, because that was wished.
        notes: What else is to be said.
        export: The plain ONNX export of a PyTorch model, if it was kept.
        seconds: How long each stage took; the first ones are there for PyTorch models only.
    """

    model: Path
    status: Status
    plan: Plan
    output: Path | None = None
    data: Path | None = None
    failed: Path | None = None
    verification: VerifyReport | None = None
    layout_before: LayoutCount | None = None
    layout_after: LayoutCount | None = None
    stretches: tuple[Stretch, ...] = ()
    interface: tuple[InterfaceChange, ...] = ()
    notes: tuple[str, ...] = field(default=())
    export: Path | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether nothing went against the user's wishes; it says nothing about a comparison that was not made."""
        return self.status not in ("layers left", "different")

    @property
    def verified(self) -> bool:
        """Whether a file was written that was compared with the original and agrees."""
        return self.output is not None and self.verification is not None and self.verification.passed

    def __str__(self) -> str:
        """The report as the command line prints it."""
        return _text(self)


@dataclass(frozen=True)
class InspectionReport:
    """The fully connected layers of a model.

    Attributes:
        model: The file that was read.
        plan: What a conversion would do.
        notes: What else is to be said.
        layout_before: Layout nodes of the model.
        layout_after: Layout nodes that it would have.
        stretches: The parts of the graph that would stay in 4-D.
        interface: The inputs and outputs that would be 4-D, because that was wished.
    """

    model: Path
    plan: Plan
    notes: tuple[str, ...] = ()
    layout_before: LayoutCount | None = None
    layout_after: LayoutCount | None = None
    stretches: tuple[Stretch, ...] = ()
    interface: tuple[InterfaceChange, ...] = ()

    def __str__(self) -> str:
        """The report as the command line prints it."""
        return _text(self)


def _text(report: ConversionReport | InspectionReport | VerifyReport) -> str:
    from fc2conv_cli.reports.console import render  # it imports this module

    return render(report, width=None, color=False, verbose=False)


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

    Returns:
        The report; `passed` says whether all is well.

    Raises:
        FC2ConvError: The input cannot be used, or the output cannot be written.
    """
    settings = settings or Settings()
    settings = replace(settings, reference=settings.reference or allow_unverifiable)
    loading = _with_inputs(loading, example_inputs)
    if loading.keep_export and dry_run:
        raise UsageError("--keep-export: a dry run writes nothing", hint="Leave one of the two out.")
    _check_places(model, output, force=force, dry_run=dry_run, keep_export=loading.keep_export)
    with open_source(model, loading) as source:
        target = _target(source.path, output, is_file=source.is_file, dry_run=dry_run)
        with source.watch("convert"):
            ir_model = load(source.onnx)
            if output is not None:
                check_target(target, source.path, ir_model, force=force)
            if share_weights:
                check_sharing(ir_model, source.path, target, exported=source.exported)
            frozen = graphs.freeze_inputs(ir_model) if freeze_inputs else []
            analysis = _analyse(source, ir_model, only, skip, unverifiable=allow_unverifiable, fuse=fuse, wishes=wishes)
        settings = _with_shapes(settings, source, loading)
        writing = _Writing(
            source, target, ir_model, analysis, frozen, force, verify, keep_failed, settings, share_weights
        )
        report = _planned(writing, strict=strict, dry_run=dry_run, idle=output is None)
        if report is None:
            report = writing.write()
        if loading.keep_export and report.status != "layers left":
            report = replace(report, export=_keep_export(source, target))
    return replace(report, seconds=dict(source.watch.seconds))


def verify(
    original: AnyModel,
    converted: str | PathLike[str],
    *,
    example_inputs: Any = None,
    freeze_inputs: bool = False,
    per_layer: bool = False,
    settings: Settings | None = None,
    loading: Loading | None = None,
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

    Returns:
        The report; `passed` says whether they agree.

    Raises:
        FC2ConvError: A file cannot be used, or onnxruntime cannot run the original.
    """
    listed = {value.name for value in load(Path(converted)).graph.inputs}
    loading = _with_inputs(loading, example_inputs)
    with open_source(original, loading) as source:
        settings, model = _with_shapes(settings or Settings(), source, loading), load(source.onnx)
        frozen = [name for name in graphs.freeze_inputs(model) if name not in listed] if freeze_inputs else []
        report = _compared(source, Path(converted), settings, frozen)
        report = replace(report, notes=(*report.notes, *_unsettled(source.notes, report)))
        if per_layer:
            layers = compare_layers(source.onnx, Path(converted), settings, report.cases)
            report = replace(report, per_layer=layers)
    if not any(node.op_type == "If" for graph in graphs.all_graphs(model) for node in graph):
        return report
    return replace(report, notes=(*report.notes, "the model has branches (If): what no input reached was not compared"))


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

    Returns:
        The same plan that `convert` carries out.

    Raises:
        FC2ConvError: The input cannot be used.
    """
    loading = _with_inputs(loading, example_inputs)
    with open_source(model, loading) as source:
        if loading.inputs and not source.exported:
            raise UsageError("--input: an ONNX model says itself what it takes", hint="Leave it out.")
        ir_model = load(source.onnx)
        frozen = graphs.freeze_inputs(ir_model) if freeze_inputs else []
        analysis = _analyse(source, ir_model, only, skip, unverifiable=allow_unverifiable, fuse=fuse, wishes=wishes)
        before = _count(ir_model, analysis)
        notes = (*analysis.notes, *_frozen_note(frozen), *_decomposed_note(analysis.plan))
        report = InspectionReport(source.path, analysis.plan, notes, before, stretches=stretches(analysis.plan))
        return replace(report, **_preview(ir_model, analysis))


def _with_inputs(loading: Loading | None, example_inputs: Any) -> Loading:
    loading = loading or Loading()
    return loading if example_inputs is None else replace(loading, example_inputs=example_inputs)


def _with_shapes(settings: Settings, source: Source, loading: Loading) -> Settings:
    """Settings that take the shapes of single inputs, which for a PyTorch model went into its export."""
    if source.exported or not loading.inputs:
        return settings
    return replace(settings, feeding=replace(settings.feeding, specs=parse(loading.inputs)))


def _check_places(
    model: AnyModel, output: str | PathLike[str] | None, *, force: bool, dry_run: bool, keep_export: bool
) -> None:
    """Refuse what stands in the way of the results of a PyTorch model, before PyTorch is imported and exports it."""
    is_file = isinstance(model, str | PathLike)
    path = Path(model) if isinstance(model, str | PathLike) else Path(type(model).__name__)
    if (dry_run or not is_file) and output is None:
        return
    if is_file and kind_of(path) is Kind.ONNX:
        return
    target = _target(path, output, is_file=is_file, dry_run=dry_run)
    check_target(target, path, None, force=force)
    if keep_export:
        _check_kept(target.with_name(export_name(path, is_file=is_file)), force=force)


def _target(path: Path, output: str | PathLike[str] | None, *, is_file: bool, dry_run: bool) -> Path:
    if output is None and not is_file and not dry_run:
        raise UsageError(
            "a live module has no file to write beside", hint="Give the output: convert(module, 'out.onnx')."
        )
    target = path.with_name(f"{path.stem}.conv.onnx") if output is None else Path(output)
    return follow_link(target)


@dataclass(frozen=True)
class _Writing:
    """A conversion that has been planned, and where it is to go."""

    source: Source
    target: Path
    model: ir.Model
    analysis: _Analysis
    frozen: Sequence[str]
    force: bool
    verify: bool
    keep_failed: bool
    settings: Settings
    share: bool

    @property
    def report(self) -> ConversionReport:
        """What is known before anything is changed."""
        notes = (*self.analysis.notes, *_frozen_note(self.frozen), *_bodies_note(self.model, self.analysis.plan))
        notes = (*notes, *_decomposed_note(self.analysis.plan))
        plan, before = self.analysis.plan, _count(self.model, self.analysis)
        return ConversionReport(
            self.source.path, "planned", plan, layout_before=before, stretches=stretches(plan), notes=notes
        )

    def write(self) -> ConversionReport:
        """Carry out the plan, verify the result, and write it if all is well."""
        source, target, plan, report = self.source, self.target, self.analysis.plan, self.report
        check_target(target, source.path, self.model, force=self.force)
        in_use = external_files(self.model)
        with source.watch("convert"):
            if plan.layers:
                more, interface = _rewrite(self.model, self.analysis)
                report = replace(report, notes=(*report.notes, *more), interface=interface)
        unchanged = None if plan.layers or self.frozen else source.onnx
        report = replace(report, layout_after=_count(self.model, self.analysis))
        if self.share:
            report = replace(report, notes=(*report.notes, *sharing_notes(self.model)))
        with draft(self.model, target, external=bool(in_use), unchanged=unchanged, share=self.share) as written:
            _assert_valid(written, skip=self.analysis.invalid)
            if self.verify:
                found = self._compare(written.path)
                notes = _unsettled(report.notes, found)
                report = replace(report, verification=replace(found, converted=target), notes=notes)
                if not found.holds:
                    failed = _keep(written, target) if self.keep_failed and not found.agrees else None
                    return replace(report, status="different", failed=failed)
            written.publish(target, in_use)
            data = None if written.data is None else target.parent / written.data.name
        return replace(report, status="written" if plan.layers else "nothing to convert", output=target, data=data)

    def _compare(self, written: Path) -> VerifyReport:
        source = self.source
        with source.watch("verify"):
            return _compared(source, written, self.settings, self.frozen)


def _compared(source: Source, converted: Path, settings: Settings, frozen: Collection[str]) -> VerifyReport:
    try:
        return compare_models(source.onnx, converted, settings, frozen, eager=source.eager, name=source.path)
    except UnrunnableModelError as error:
        if source.exported:
            error.hint = hint_for(source.onnx) or error.hint
        raise


def _unsettled(notes: tuple[str, ...], report: VerifyReport) -> tuple[str, ...]:
    """The notes, without those that the comparison with PyTorch has answered."""
    return unsettled(notes, report.export.cases) if report.export is not None and report.export.passed else notes


def _planned(writing: _Writing, *, strict: bool, dry_run: bool, idle: bool) -> ConversionReport | None:
    """The report, if nothing is to be written: refused, a dry run, or nothing to convert and no output named."""
    plan, target = writing.analysis.plan, writing.target
    if strict and plan.left:
        return replace(writing.report, status="layers left")
    if dry_run:
        report = writing.report
        return replace(report, **_preview(writing.model, writing.analysis))
    if not plan.layers and idle:
        stale = (f"{target} is there from before; it does not come from this run",) if target.exists() else ()
        report = writing.report
        return replace(report, status="nothing to convert", notes=(*report.notes, *stale))
    return None


def _check_kept(export: Path, *, force: bool) -> None:
    """Refuse to overwrite anything with the exported model, before any work is done."""
    for kept in (export, export.with_name(f"{export.name}.data")):
        if kept.exists() and not force:
            raise OutputExistsError(kept, "already exists", hint="Give --force to overwrite it.")


def _keep_export(source: Source, target: Path) -> Path:
    """Copy the exported model beside the output, with its file of weights if it has one."""
    try:
        for file in source.onnx.parent.iterdir():
            shutil.copyfile(file, target.with_name(file.name))
    except OSError as error:
        problem = f"the export cannot be written ({error.strerror})"
        raise OutputFileError(target.with_name(source.onnx.name), problem) from error
    return target.with_name(source.onnx.name)


@dataclass(frozen=True)
class _Analysis:
    plan: Plan
    shapes: Shapes
    constants: Constants
    notes: tuple[str, ...]
    wishes: Wishes
    invalid: bool


def _analyse(
    source: Source,
    model: ir.Model,
    only: str | Sequence[str],
    skip: str | Sequence[str],
    *,
    unverifiable: bool = False,
    fuse: bool = False,
    wishes: Wishes | None = None,
) -> _Analysis:
    only, skip = ((given,) if isinstance(given, str) else given for given in (only, skip))
    complaints = _check(source)
    shapes = infer(model)
    constants = Constants(model, shapes)
    bodies = frozenset(function.graph for function in model.functions.values())
    opset = model.graph.opset_imports.get("", 1)
    context = Context(shapes, constants, opset, unverifiable, fuse, bodies, graphs.foreign(model, opset))
    found = list(find(model, context))
    names = [item.name for item in found if not isinstance(item, Skip) or item.reason.is_layer]
    _refuse_idle_patterns("--only", only, names)
    _refuse_idle_patterns("--skip", skip, names)

    def wanted(name: str) -> bool:
        return (not only or _matches(name, only)) and not _matches(name, skip)

    wishes = wishes or Wishes()
    plan = solve(found, shapes, constants, context.opset, wanted, wishes, model.graph)
    if source.exported:
        plan = replace(plan, skips=advised(plan.skips))
    return _Analysis(plan, shapes, constants, (*source.notes, *complaints), wishes, bool(complaints))


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


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def _refuse_idle_patterns(option: str, patterns: Sequence[str], names: Sequence[str]) -> None:
    for pattern in patterns:
        if not any(fnmatch.fnmatchcase(name, pattern) for name in names):
            listed = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
            hint = f"The layers are: {listed}" if names else "The model has no fully connected layer."
            raise UsageError(f"{option} {pattern!r} matches no layer", hint=hint)


def _rewrite(model: ir.Model, analysis: _Analysis) -> tuple[tuple[str, ...], tuple[InterfaceChange, ...]]:
    """Carry out the plan, in place; what is to be said of it, and what it does to the interface."""
    build = Builder(model, analysis.shapes)
    stored = emit(analysis.plan, build, analysis.constants)
    simplify(model, build)
    interface = expose(model, build) if analysis.wishes.io == "nchw" else ()
    remove_unused(model, build.released)
    duplicates = list(reuse(model, build, stored))
    remove_unused(model, build.released)
    notes = tuple(
        f"weight {d.name!r} is stored more than once, since its readers need it in another order, times another factor "
        f"or in another body: {d.extra_bytes:,} bytes more"
        for d in duplicates
    )
    if analysis.wishes.io == "nchw" and not interface:
        notes = (*notes, _NO_INTERFACE)
    return notes, interface


_NO_INTERFACE = (
    "--io-layout nchw changes nothing: no input is turned into 4-D right where it comes in, and no output out of 4-D "
    "right where it goes out"
)


def _decomposed_note(plan: Plan) -> tuple[str, ...]:
    changes = [c.option.change for choices in plan.choices.values() for c in choices]
    count = sum(change is not None and change.normalizes is not None for change in changes)
    return (f"written as simpler nodes (--decompose-layernorm): {count} LayerNormalization",) if count else ()


def _preview(model: ir.Model, analysis: _Analysis) -> dict[str, Any]:
    """Carry out the plan in memory, to see what it would come to; weights are not touched."""
    interface: tuple[InterfaceChange, ...] = ()
    if analysis.plan.layers:
        _, interface = _rewrite(model, analysis)
    return {"layout_after": _count(model, analysis), "interface": interface}


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


def _count(model: ir.Model, analysis: _Analysis) -> LayoutCount:
    return count_layout_nodes(model, analysis.constants.is_constant, analysis.shapes)


def _assert_valid(written: Draft, *, skip: bool) -> None:
    if not skip and (complaint := checker.complaint(written.path)) is not None:
        raise AssertionError(f"fc2conv wrote a model that onnx.checker refuses: {complaint}")


def _keep(written: Draft, target: Path) -> Path:
    """Keep a rejected result under a name that no file has."""
    failed, number = target.with_name(f"{target.stem}.failed.onnx"), 1
    while failed.exists():
        failed, number = target.with_name(f"{target.stem}.failed.{number}.onnx"), number + 1
    written.publish(failed)
    return failed
