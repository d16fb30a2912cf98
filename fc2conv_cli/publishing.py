"""Moves finished files to where they belong, and says why if that cannot be."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from fc2conv_cli import interruption
from fc2conv_cli.errors import OutputFileError
from fc2conv_cli.frontends.large_file import parse
from fc2conv_cli.graphs import stored_tensors

_HINTS = {
    getattr(errno, "EDQUOT", 0): "Check the free space of your quota.",  # unknown to Windows
    errno.ENOSPC: "Check the free space of the disk.",
    errno.ENAMETOOLONG: "Name a shorter one with -o.",
    errno.EFBIG: "A limit is set (`ulimit -f`), or the file system takes no such file: name another folder with -o.",
}


def cannot_be_written(target: Path, error: OSError) -> OutputFileError:
    """What the system said, for people."""
    hint = _HINTS.get(error.errno or 0, "Name another file with -o.")
    if error.errno is None:  # our own: a source changed while it was read
        hint = "Convert again, when nobody writes to it."
    return OutputFileError(target, f"cannot be written ({error.strerror or error})", hint=hint)


def move(source: Path, target: Path, *, over: bool) -> None:
    """Give a file its final name; it may keep the old one too.

    Args:
        source: The file.
        target: Its name, on the same disk.
        over: Whether a file of that name may be replaced.

    Raises:
        FileExistsError: One is there, and `over` is not given.
        OSError: The system refuses it.
    """
    interruption.begins(target)
    if over:
        source.replace(target)
        return
    try:
        os.link(source, target)  # unlike a rename, it refuses to replace
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(source), None, str(target)) from None
        source.rename(target)


def is_moved(source: Path, target: Path) -> bool:
    """Whether `move` gave this file that name; another of that name is somebody else's."""
    return target.exists() and (not source.exists() or source.samefile(target))


def own_data_files(model: Path) -> list[Path]:
    """The files beside a model that carry its name, and that it keeps weights in."""
    beside = [path for path in model.parent.iterdir() if _carries_name(path.name, model) and path.is_file()]
    if not beside:
        return []
    try:
        tensors = stored_tensors(parse(model).proto)
        entries = [entry for tensor in tensors for entry in tensor.external_data]
    except Exception:  # whatever stands there is no model with data of its own
        return []
    read = {os.path.normpath(entry.value) for entry in entries if entry.key == "location"}
    return sorted(path for path in beside if path.name in read)


def _carries_name(name: str, model: Path) -> bool:
    return name.startswith(f"{model.name}.") and name.endswith(".data")
