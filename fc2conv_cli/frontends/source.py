"""Opens whatever the user named: an ONNX file as it is, a PyTorch file or a live module by exporting it."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fc2conv_cli.errors import FC2ConvError, UsageError
from fc2conv_cli.frontends.kinds import Kind, kind_of
from fc2conv_cli.frontends.loading import Loading
from fc2conv_cli.timing import Stopwatch

if TYPE_CHECKING:
    from fc2conv_cli.verification.runner import Model


@dataclass(frozen=True)
class Source:
    """A model as ONNX, and where it comes from.

    Attributes:
        path: The user's file; for a live module the name of its class.
        onnx: The ONNX file: the same one, or an export of it that is gone when the source is closed.
        is_file: Whether `path` is a file.
        eager: The model in PyTorch, if that is where it comes from.
        notes: What is to be said of how it was loaded.
        watch: How long everything takes.
    """

    path: Path
    onnx: Path
    is_file: bool = True
    eager: Model | None = None
    notes: tuple[str, ...] = ()
    watch: Stopwatch = field(default_factory=Stopwatch)

    @property
    def exported(self) -> bool:
        """Whether the ONNX file was made here."""
        return self.onnx != self.path


def export_name(path: Path, *, is_file: bool) -> str:
    """What the export of a PyTorch model is called."""
    return f"{path.stem if is_file else path.name}.export.onnx"


@contextlib.contextmanager
def open_source(model: Any, loading: Loading, watch: Stopwatch) -> Iterator[Source]:
    """A model as ONNX, for as long as this lasts.

    Args:
        model: A path, a `torch.nn.Module`, or a `torch.export.ExportedProgram`.
        loading: What the user says of a PyTorch model.
        watch: Told of every stage.

    Raises:
        FC2ConvError: It cannot be loaded or exported.
    """
    if not isinstance(model, str | PathLike):
        with _open_torch(Path(type(model).__name__), model, loading, watch) as source:
            yield source
        return
    path = Path(model)
    kind = kind_of(path)
    loading.refuse_idle(path, kind)
    if kind is Kind.ONNX:
        yield Source(path, path, watch=watch)
        return
    with _open_torch(path, kind, loading, watch) as source:
        yield source


@contextlib.contextmanager
def _open_torch(path: Path, what: Any, loading: Loading, watch: Stopwatch) -> Iterator[Source]:
    from fc2conv_cli.frontends.pytorch.installed import require_torch
    from fc2conv_cli.frontends.pytorch.quiet import quiet

    require_torch(path)
    with watch("import torch"), quiet(verbose=loading.verbose):
        from fc2conv_cli.frontends.pytorch.opening import opened
    is_file = isinstance(what, Kind)
    if not is_file:
        what = _checked(what, loading)
    with tempfile.TemporaryDirectory(prefix="fc2conv-") as folder:
        target = Path(folder) / export_name(path, is_file=is_file)
        with opened(path, what, loading, target, watch) as found:
            try:
                yield Source(path, found.onnx, is_file, found.eager, found.notes, watch)
            except FC2ConvError as error:  # of a file that the user never sees
                error.message = error.message.replace(str(found.onnx), f"{path}, as PyTorch exported it")
                raise


def _checked(model: Any, loading: Loading) -> Any:
    """A live model, if it is one and its inputs are known."""
    import torch

    if not isinstance(model, torch.nn.Module | torch.export.ExportedProgram):
        hint = "Give a path, a torch.nn.Module or a torch.export.ExportedProgram."
        raise UsageError(f"a {type(model).__name__} is no model", hint=hint)
    if loading.model is not None or loading.import_paths or loading.unsafe:
        hint = "Leave model, import_paths and unsafe out of the Loading."
        raise UsageError("a live module is loaded already", hint=hint)
    is_program = isinstance(model, torch.export.ExportedProgram)
    if is_program and (loading.inputs or loading.example_inputs is not None):
        raise UsageError("an ExportedProgram says itself what it takes", hint="Leave example_inputs out.")
    if not is_program and loading.example_inputs is None and not loading.inputs:
        raise UsageError("a live module needs example inputs", hint="Give example_inputs=(tensor, ...).")
    return model
