"""Writes a model so that at no moment half a file stands where a whole one is expected.

Everything is written into a temporary folder beside the target, checked and verified there, and renamed at the very
end: the data file first, then the model, which is what makes the data file count. A process that is interrupted leaves
nothing; one that is killed (SIGKILL) that hidden folder and a hidden file of that name, or, between the two renames,
a data file that no model reads.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import onnx_ir as ir

from fc2conv_cli.errors import OutputExistsError, OutputFileError
from fc2conv_cli.publishing import cannot_be_written, is_moved, move, own_data_files
from fc2conv_cli.serializing import is_external, write_model
from fc2conv_cli.sharing import locator, write_trial
from fc2conv_cli.tensors import InAttribute, Initializer, held_tensors, initializers
from fc2conv_cli.timing import Stopwatch
from fc2conv_cli.transfer import Traffic
from fc2conv_cli.weights import place_of

_PROTOBUF_LIMIT = 2**31 - 1
"""https://protobuf.dev/programming-guides/proto-limits: a serialized message is at most 2 GiB."""
_PROTOBUF_MARGIN = 64 * 2**20
"""Left for the graph itself."""


def follow_link(target: Path) -> Path:
    """The file that a link names: it is written, and the link stays."""
    try:
        return target.resolve() if target.is_symlink() else target
    except OSError:  # a name that the system does not take; `check_target` says so
        return target


def check_target(target: Path, own: Iterable[Path], *, force: bool) -> None:
    """Refuse a target before any work is done for it.

    Args:
        target: Where to write.
        own: The files that the model is read from.
        force: Whether an existing target may be overwritten.

    Raises:
        OutputExistsError: It is the original or its data, or it exists and `force` is not given.
        OutputFileError: Its folder does not exist, or nothing can be written there.
    """
    try:
        exists = target.exists()
    except OSError as error:
        raise cannot_be_written(target, error) from error
    for file in own if exists else ():
        if file.exists() and target.samefile(file):
            raise OutputExistsError(target, "the output is the input itself", hint="Name another file with -o.")
    if target.is_dir():
        raise OutputFileError(target, "this is a folder", hint="Name a file in it.")
    if exists and not target.is_file():
        raise OutputFileError(target, "this is a device or a pipe", hint="Name a file with -o.")
    if exists and not force:
        raise OutputExistsError(target, "already exists", hint="Give --force to overwrite it, or another name with -o.")
    folder = target.parent
    if not folder.is_dir():
        raise OutputFileError(target, f"the folder {folder} does not exist", hint="Make it first.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputFileError(target, f"the folder {folder} cannot be written to", hint="Name another with -o.")


@dataclass(frozen=True)
class Draft:
    """A model that is written but does not count yet.

    Attributes:
        path: The model file, to be checked.
        data: The data file in the temporary folder, if it has weights of its own in one.
        final: The model file in the temporary folder, under its final name. It is the same one as `path`, unless the
            model shares weights: then what is checked stands beside these.
        traffic: Bytes of weights that were written.
    """

    path: Path
    data: Path | None
    final: Path
    traffic: Traffic

    def publish(self, target: Path, in_use: Collection[Path] = (), *, force: bool = False) -> list[Path]:
        """Move the draft to where it belongs.

        Args:
            target: The final name.
            in_use: Data files that the original reads.
            force: Whether a file of that name may be replaced.

        Returns:
            Data files of the model that was replaced, which the new one does not read. They stay: whether another
            model reads them, in this folder or in one above it, cannot be known.

        Raises:
            OutputExistsError: Something appeared under one of the names since they were chosen.
            OutputFileError: The system refuses it.
        """
        if not force and target.exists():
            hint = "Give --force to overwrite it, or another name with -o."
            raise OutputExistsError(target, "appeared meanwhile", hint=hint)
        before = own_data_files(target) if force else []
        beside = None if self.data is None else target.parent / self.data.name
        try:
            if self.data is not None and beside is not None:
                move(self.data, beside, over=False)
            move(self.final, target, over=force)
            beside = None
        except FileExistsError as error:
            raise OutputExistsError(Path(str(error.filename2)), "appeared meanwhile", hint="Convert again.") from error
        except OSError as error:
            raise cannot_be_written(target, error) from error
        finally:
            alone = self.data is not None and beside is not None and is_moved(self.data, beside)
            if alone and beside is not None and not is_moved(self.final, target):
                beside.unlink(missing_ok=True)
        still_read = {path.resolve() for path in (*in_use, *(own_data_files(target) if before else ()))}
        return [path for path in before if path.resolve() not in still_read]


@contextlib.contextmanager
def draft(
    model: ir.Model,
    target: Path,
    *,
    external: bool,
    unchanged: Path | None = None,
    share: bool = False,
    watch: Stopwatch | None = None,
) -> Iterator[Draft]:
    """Write a model to a temporary folder beside `target`; the folder is gone afterwards.

    Args:
        model: The model.
        target: Where the draft will be published.
        external: Whether to keep weights in a data file; one that would not fit a protobuf does in any case.
        unchanged: The file that the model was read from, if nothing was changed: it is copied byte for byte, unless its
            weights are external.
        share: Whether the draft may read weights of the original's data files from there.
        watch: Told how far it is.

    Raises:
        OutputFileError: The disk is full, or the folder cannot be written to.
    """
    try:
        folder = Path(tempfile.mkdtemp(prefix=".fc2conv-", dir=target.parent))
    except OSError as error:
        raise cannot_be_written(target, error) from error
    trial = folder.with_name(f"{folder.name}.onnx")
    try:
        try:
            unchanged = None if external else unchanged
            watch = watch or Stopwatch()
            with watch("save"):
                written = _written(model, folder / target.name, target, external, unchanged, share, watch)
                if share:
                    write_trial(written.final, trial, written.data)
                    written = replace(written, path=trial)
        except OSError as error:
            raise cannot_be_written(target, error) from error
        yield written
    finally:
        try:
            _remove(folder, trial)
        except BaseException:  # a signal, just now
            _remove(folder, trial)
            raise


def _remove(folder: Path, trial: Path) -> None:
    trial.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def _written(
    model: ir.Model, path: Path, target: Path, external: bool, unchanged: Path | None, share: bool, watch: Stopwatch
) -> Draft:
    """Write everything into the temporary folder."""
    held = held_tensors(model)
    whole = sum(one.tensor.nbytes for one in held)
    traffic = Traffic(told=lambda written: watch.done(min(written / whole, 1.0) if whole else 1.0))
    if unchanged is not None:
        shutil.copyfile(unchanged, path)
        return Draft(path, None, path, Traffic(copied=whole))
    has_data = _needs_data_file(held, target, external=external)
    data = path.with_name(_data_name(target)) if has_data else None
    write_model(model, path, data, traffic, locator(target) if share else None)
    if data is not None and not data.stat().st_size:  # all of it is shared
        data.unlink()
        data = None
    return Draft(path, data, path, traffic)


def source_files(model: ir.Model) -> list[Path]:
    """The files that a model's weights are read from; its own is one of them only if it is large."""
    places = (place_of(held.tensor) for held in held_tensors(model))
    return list(dict.fromkeys(place.path for place in places if place is not None))


def has_data_files(model: ir.Model) -> bool:
    """Whether a model keeps initializers in other files."""
    return any(isinstance(held.tensor, ir.ExternalTensor) for held in initializers(model))


def _needs_data_file(held: Iterable[Initializer | InAttribute], target: Path, *, external: bool) -> bool:
    """Whether weights go into a data file: because they did before, or because a protobuf does not take them all.

    Raises:
        OutputFileError: It does not take even those that no data file may hold.
    """
    inside = outside = 0
    for one in held:
        if isinstance(one, Initializer) and is_external(one.tensor):
            outside += one.tensor.nbytes
        else:
            inside += one.tensor.nbytes
    most = _PROTOBUF_LIMIT - _PROTOBUF_MARGIN
    if inside > most:
        problem = f"its Constant nodes hold {inside:,} bytes, and a file holds at most {_PROTOBUF_LIMIT:,} of them"
        raise OutputFileError(target, problem, hint="Turn the large Constant nodes into initializers first.")
    return (external and outside > 0) or inside + outside > most


def _data_name(target: Path) -> str:
    """A name that no file has, so that a model that is being replaced stays whole until the last moment."""
    name, number = f"{target.name}.data", 1
    while (target.parent / name).exists():
        name, number = f"{target.name}.{number}.data", number + 1
    return name
