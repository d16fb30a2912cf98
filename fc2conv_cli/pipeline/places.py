"""Where the results of a conversion go, and what may stand there."""

from __future__ import annotations

import shutil
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from fc2conv_cli import interruption
from fc2conv_cli.errors import OutputExistsError, OutputFileError, UsageError
from fc2conv_cli.frontends.kinds import Kind, kind_of
from fc2conv_cli.frontends.source import Source, export_name
from fc2conv_cli.save import Draft, check_target, follow_link

if TYPE_CHECKING:
    from fc2conv_cli.pipeline.opening import AnyModel


def check_places(
    model: AnyModel, output: str | PathLike[str] | None, *, force: bool, dry_run: bool, keep_export: bool
) -> None:
    """Refuse what stands in the way of the results of a PyTorch model, before PyTorch is imported and exports it."""
    is_file = isinstance(model, str | PathLike)
    path = Path(model) if isinstance(model, str | PathLike) else Path(type(model).__name__)
    if (dry_run or not is_file) and output is None:
        return
    if is_file and kind_of(path) is Kind.ONNX:
        return
    target = target_of(path, output, is_file=is_file, dry_run=dry_run)
    check_target(target, [path], force=force)
    if keep_export:
        _check_kept(target.with_name(export_name(path, is_file=is_file)), force=force)


def target_of(path: Path, output: str | PathLike[str] | None, *, is_file: bool, dry_run: bool) -> Path:
    """The file to write: what the user names, or one beside the model.

    Raises:
        UsageError: He names none, and there is no file to write beside.
    """
    if output is None and not is_file and not dry_run:
        raise UsageError(
            "a live module has no file to write beside", hint="Give the output: convert(module, 'out.onnx')."
        )
    target = path.with_name(f"{path.stem}.conv.onnx") if output is None else Path(output)
    return follow_link(target)


def _check_kept(export: Path, *, force: bool) -> None:
    """Refuse to overwrite anything with the exported model, before any work is done."""
    for kept in (export, export.with_name(f"{export.name}.data")):
        if kept.exists() and not force:
            raise OutputExistsError(kept, "already exists", hint="Give --force to overwrite it.")


def keep_export(source: Source, target: Path) -> Path:
    """Copy the exported model beside the output, with its file of weights if it has one."""
    try:
        for file in source.onnx.parent.iterdir():
            interruption.begins(target.with_name(file.name))
            shutil.copyfile(file, target.with_name(file.name))
    except OSError as error:
        problem = f"the export cannot be written ({error.strerror})"
        raise OutputFileError(target.with_name(source.onnx.name), problem) from error
    return target.with_name(source.onnx.name)


def keep_failed(written: Draft, target: Path) -> Path:
    """Keep a rejected result under a name that no file has."""
    failed, number = target.with_name(f"{target.stem}.failed.onnx"), 1
    while failed.exists():
        failed, number = target.with_name(f"{target.stem}.failed.{number}.onnx"), number + 1
    written.publish(failed)
    return failed
