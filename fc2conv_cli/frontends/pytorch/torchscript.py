"""Loads a TorchScript archive. Its program is TorchScript, not Python, and has no way out but a few operators."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import torch

from fc2conv_cli.errors import PyTorchFileError, UnsafeFileError
from fc2conv_cli.frontends.pytorch.archive import members
from fc2conv_cli.frontends.pytorch.guard import no_pickled_code
from fc2conv_cli.frontends.pytorch.pickle_names import names_in

_TOUCHES_FILES = re.compile(r"\.\s*(save|load|from_file|_save\w*)\b")
"""``__setstate__`` of an archive runs while it is loaded, and may call them."""
_CLASSES = re.compile(r"__torch__\.torch\.classes\.(?!(?:quantized|xnnpack|mkldnn|sparse)\.)[\w.]+")
"""Classes written in C++, apart from those that hold packed weights: what they do is not TorchScript's to say."""
_NO_CODE = re.compile(r"#[^\n]*|\\\r?\n")
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
    for _, source in members(path, lambda name: name.endswith(".py")):
        text = source.decode("utf-8", errors="replace")
        for code in (text, _NO_CODE.sub("", text)):  # as it is, and without what may stand between two words
            for match in _TOUCHES_FILES.finditer(code):
                yield f"its program reads or writes files: it calls {match[1]}"
            for match in _CLASSES.finditer(code):
                yield f"its program uses the class {match[0]}"
    for name in names_in(path):
        if _CLASSES.fullmatch(name):
            yield f"it holds an object of the class {name}"


def _reason(text: str) -> str:
    """The line that says what is wrong, without the C++ stack."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return next((line for line in lines if not line.startswith(("frame #", "Traceback"))), "unknown")[:300]
