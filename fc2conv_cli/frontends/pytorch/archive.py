"""Reads the members of an archive as both of its readers see them: Python's zipfile, and PyTorch's own.

The two may read a forged archive differently, and PyTorch uses both; what is looked for must be in neither.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from fc2conv_cli.errors import PyTorchFileError

_ZIP = b"PK\x03\x04"


def members(path: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    """The name and the content of each member whose name is wanted.

    Args:
        path: The archive.
        wanted: Gets each name in small letters: PyTorch's reader does not tell them from capitals.

    Raises:
        PyTorchFileError: One cannot be read, or two differ in capital letters only.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            found = _unlike(path, archive.namelist())
            yield from ((name, archive.read(name)) for name in found if wanted(name.lower()))
        yield from _as_pytorch(path, wanted)
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError) as error:
        hint = "Copy or save it again; compare the file sizes if it was copied."
        raise PyTorchFileError(
            path, f"the archive is damaged: {str(error).splitlines()[0][:200]}", hint=hint
        ) from error


def names(path: Path) -> list[str]:
    """The names of all members, in small letters."""
    found: list[str] = []

    def note(name: str) -> bool:
        found.append(name)
        return False

    for _ in members(path, note):
        pass
    return found


def holds_torchscript(path: Path) -> str | None:
    """The name of a member that is a TorchScript archive itself, if there is one."""
    try:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                with archive.open(name) as member:
                    is_zip = member.read(len(_ZIP)) == _ZIP
                if is_zip and _is_torchscript(archive.read(name)):
                    return name
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError):
        return None  # `members` has a message for it
    return None


def _is_torchscript(content: bytes) -> bool:
    """Whether an archive holds a program; one that cannot be read counts as well."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts = [name.lower().split("/") for name in archive.namelist()]
    except (zipfile.BadZipFile, OSError, NotImplementedError):
        return True
    return any("code" in part[:-1] or part[-1] == "constants.pkl" for part in parts)


def _as_pytorch(path: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    try:
        reader = torch._C.PyTorchFileReader(str(path))
    except RuntimeError:  # not an archive to PyTorch: it reads this one through Python, or not at all
        return
    found = _unlike(path, reader.get_all_records())
    yield from ((name, reader.get_record(name)) for name in found if wanted(name.lower()))


def _unlike(path: Path, found: list[str]) -> list[str]:
    """The names, which differ in more than capital letters."""
    if len({name.lower() for name in found}) != len(found):
        problem = "the archive holds two files whose names PyTorch does not tell apart"
        raise PyTorchFileError(path, problem, hint="Do not use this file. Have the model saved again.")
    return found
