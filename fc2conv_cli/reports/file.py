"""Writes a report to a file, but never over a model or anything else that is not text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fc2conv_cli import interruption
from fc2conv_cli.errors import OutputFileError

_SNIFFED_BYTES = 65536


def check(path: Path, models: Sequence[Path] = ()) -> None:
    """Refuse a path before any work is done.

    An earlier report may be overwritten, for a CI job writes the same file every time. A model, a checkpoint or a file
    of weights is not text, and may not.

    Args:
        path: Where the report is to go.
        models: The files of the same command; the report may be none of them.

    Raises:
        OutputFileError: A folder, one of the models, a file that is not text, or a path in no folder.
    """
    if path.resolve() in [model.resolve() for model in models]:
        raise OutputFileError(path, "the report and the model cannot be one file", hint="Name another file.")
    if path.is_dir():
        raise OutputFileError(path, "this is a folder", hint="Name a file in it.")
    if not path.parent.is_dir():
        raise OutputFileError(path, f"the folder {path.parent} does not exist", hint="Make it first.")
    if path.suffix.lower() == ".onnx" or not _is_text(path):
        raise OutputFileError(path, "a report is not written over a model or its data", hint="Name another file.")


def write(path: Path, text: str) -> None:
    """Write a report.

    Raises:
        OutputFileError: As `check`, or the system refuses it.
    """
    check(path)  # again: the command itself may have written there
    interruption.begins(path)
    try:
        path.write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        problem = f"the report cannot be written ({error.strerror})"
        raise OutputFileError(path, problem, hint="What the command itself did is done.") from error


def _is_text(path: Path) -> bool:
    if not path.is_file():
        return not path.exists() or path.is_char_device() or path.is_fifo()
    with path.open("rb") as file:
        head = file.read(_SNIFFED_BYTES)
    return b"\0" not in head and _decodes(head)


def _decodes(head: bytes) -> bool:
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start >= len(head) - 3 and len(head) == _SNIFFED_BYTES  # cut within a character
    return True
