"""Reads the members of an archive as both of its readers see them: Python's zipfile, and PyTorch's own.

The two may read a forged archive differently, and PyTorch uses both; what is looked for must be in neither.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from fc2conv_cli.errors import PyTorchFileError


def members(path: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    """The name and the content of each member whose name is wanted.

    Raises:
        PyTorchFileError: One cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            yield from ((name, archive.read(name)) for name in archive.namelist() if wanted(name))
        yield from _as_pytorch(path, wanted)
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError) as error:
        hint = "Copy or save it again; compare the file sizes if it was copied."
        raise PyTorchFileError(
            path, f"the archive is damaged: {str(error).splitlines()[0][:200]}", hint=hint
        ) from error


def names(path: Path) -> list[str]:
    """The names of all members."""
    found: list[str] = []

    def note(name: str) -> bool:
        found.append(name)
        return False

    for _ in members(path, note):
        pass
    return found


def _as_pytorch(path: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    try:
        reader = torch._C.PyTorchFileReader(str(path))
    except RuntimeError:  # not an archive to PyTorch: it reads this one through Python, or not at all
        return
    yield from ((name, reader.get_record(name)) for name in reader.get_all_records() if wanted(name))
