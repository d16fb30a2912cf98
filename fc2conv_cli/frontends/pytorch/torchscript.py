"""Loads a TorchScript archive, after a look at its program, which is TorchScript and not Python."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import torch

from fc2conv_cli.errors import PyTorchFileError, UnsafeFileError
from fc2conv_cli.frontends.pytorch.archive import members, names
from fc2conv_cli.frontends.pytorch.guard import no_pickled_code
from fc2conv_cli.frontends.pytorch.pickle_names import names_in
from fc2conv_cli.frontends.pytorch.script_check import class_complaint, complaints

_UNKNOWN_TYPE = re.compile(r"Unknown type name '([\w.]+)'")


def load_torchscript(path: Path, *, unsafe: bool) -> torch.jit.ScriptModule:
    """Load an archive, in evaluation mode.

    Args:
        path: The file.
        unsafe: Whether its program may touch files and use any class.

    Raises:
        UnsafeFileError: It would.
        PyTorchFileError: It is damaged.
    """
    if not unsafe and (found := next(_complaints(path), None)) is not None:
        hint = "If you trust whoever made the file, give --unsafe-load. Else save the model without that."
        raise UnsafeFileError(path, found, hint=hint)
    try:
        with no_pickled_code():
            module = torch.jit.load(str(path), map_location="cpu")  # type: ignore[no-untyped-call]
    except Exception as error:  # torch raises whatever a damaged file leads it to
        said = _reason(str(error))
        if (match := _UNKNOWN_TYPE.search(said)) is not None:
            problem = f"a pickle in it asks for {match[1]}, which is no type of TorchScript; nothing of it was run"
            raise UnsafeFileError(path, problem, hint="Do not use this file. Have the model saved again.") from error
        hint = "Save it again with torch.jit.save; compare the file sizes if it was copied."
        raise PyTorchFileError(path, f"torch cannot load the TorchScript archive: {said}", hint=hint) from error
    try:
        module.eval()
    except Exception as error:  # a program may have no `training`
        if "training" not in str(error):
            raise
    return module  # type: ignore[no-any-return]


def _complaints(path: Path) -> Iterator[str]:
    """What in its program could do more than compute, in words."""
    if any(name.endswith("/model.json") for name in names(path)):
        yield "it is of the format before PyTorch 1.3, whose program is not looked through"
    for _, source in members(path, _is_source):
        yield from complaints(source.decode("utf-8", errors="replace"))
    yield from filter(None, map(class_complaint, names_in(path)))


def _is_source(name: str) -> bool:
    return name.endswith(".py") or ("code/" in name and not name.endswith(".debug_pkl"))


def _reason(text: str) -> str:
    """The line that says what is wrong, without the C++ stack."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return next((line for line in lines if not line.startswith(("frame #", "Traceback"))), "unknown")[:300]
