"""What kind of model a file holds, found from its content and never from its suffix. Nothing is loaded for that."""

from __future__ import annotations

import tarfile
import zipfile
from enum import Enum
from pathlib import Path, PurePosixPath

from fc2conv_cli.errors import PyTorchFileError

_ZIP = b"PK\x03\x04"
_PICKLE = b"\x80"
_LEGACY_TORCH = bytes.fromhex("80028a0a6cfc9c46f9206aa850192e")
"""``torch.save`` before 1.6 began every file with this number, pickled."""
_LONGEST_HEADER = 100_000_000
"""The safetensors format allows no longer one."""
_RATIO, _SMALL, _AT_ONCE = 100, 2**20, 2**30
_AGAIN = "Copy or save it again; compare the file sizes if it was copied."


class Kind(Enum):
    """A kind of model file; the value is what it is called in messages."""

    ONNX = "an ONNX model"
    PROGRAM = "a torch.export program"
    TORCHSCRIPT = "a TorchScript archive"
    PICKLE = "a file of torch.save"
    SAFETENSORS = "a safetensors file"


def kind_of(path: Path) -> Kind:
    """The kind of a file. What is no PyTorch file of any kind counts as ONNX, whose loader has a message for it.

    Raises:
        PyTorchFileError: An archive that is damaged, or a format that no PyTorch of today reads.
    """
    try:
        if not path.is_file():
            return Kind.ONNX
        with path.open("rb") as file:
            head = file.read(512)
    except (OSError, ValueError):
        return Kind.ONNX
    if head.startswith(_ZIP):
        return _kind_of_zip(path)
    if head.startswith(_LEGACY_TORCH):
        return Kind.PICKLE
    if head.startswith(_PICKLE):
        hint = "Save the model with torch.save, or better as a program: torch.export.save(torch.export.export(...))."
        raise PyTorchFileError(path, "this is a Python pickle that torch.save did not write", hint=hint)
    if head[257:262] == b"ustar" and tarfile.is_tarfile(path):
        problem = "this is a tar archive, perhaps of a PyTorch before 0.2, which cannot be read safely"
        raise PyTorchFileError(path, problem, hint="Unpack it, or load it in PyTorch and save it again.")
    return Kind.SAFETENSORS if _is_safetensors(head) else Kind.ONNX


def _is_safetensors(head: bytes) -> bool:
    return head[8:9] == b"{" and 2 <= int.from_bytes(head[:8], "little") <= _LONGEST_HEADER


def _kind_of_zip(path: Path) -> Kind:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            large = _unpacks_too_large(archive, path.stat().st_size)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise PyTorchFileError(path, "the archive is truncated or damaged", hint=_AGAIN) from error
    if large:
        problem = "it would unpack to much more than it is, as no file of PyTorch's does"
        raise PyTorchFileError(path, problem, hint="Do not use this file. Have the model saved again.")
    if len({name.lower() for name in names}) != len(names):  # PyTorch does not tell them apart either
        raise PyTorchFileError(path, "the archive holds two files of one name: it is damaged", hint=_AGAIN)
    inside = [PurePosixPath(name).parts for name in names]
    members = {parts[1:] for parts in inside if len(parts) > 1}
    if ("serialized_exported_program.json",) in [parts[-1:] for parts in inside] or ("archive_format",) in members:
        return Kind.PROGRAM
    if ("constants.pkl",) in members and any(parts[:1] == ("code",) for parts in members):
        return Kind.TORCHSCRIPT
    if ("data.pkl",) in members:
        return Kind.PICKLE
    problem = f"this is a zip archive, but none of PyTorch's (it holds {_some(names)})"
    raise PyTorchFileError(path, problem, hint="Name the model file itself.")


def _unpacks_too_large(archive: zipfile.ZipFile, size: int) -> bool:
    """Whether it is a bomb. PyTorch stores without compressing; a file that was packed again shrinks a little."""
    sizes = [(info.file_size, info.compress_size) for info in archive.infolist()]
    one = any(full > _SMALL and full > _RATIO * packed for full, packed in sizes)
    return one or sum(full for full, _ in sizes) > size + _AT_ONCE


def _some(names: list[str]) -> str:
    listed = ", ".join(map(repr, names[:3])) + (", ..." if len(names) > 3 else "")
    return listed or "nothing"
