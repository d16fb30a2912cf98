"""What went wrong inside PyTorch or the user's model, in one line, with the line of the model that it is about."""

from __future__ import annotations

import re
import sysconfig
import traceback
from pathlib import Path

import torch

_NOT_THE_USERS = (Path(torch.__file__).parent, Path(__file__).parents[2], Path(sysconfig.get_paths()["stdlib"]))
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_NO_OPERATOR = re.compile(
    r"No (?:ONNX function|decompositions?) (?:found|registered) for (?:<OpOverload\(op=)?'?([\w.:]+)'?"
)
_UNSUPPORTED = re.compile(r"Exporting the operator '([^']+)'")
_STACK_LINE = re.compile(r'File "([^"]+)", line (\d+), in \w+')


def what_failed(error: BaseException) -> str:
    """The first line of what the innermost error says, and the line of the user's model that it comes from."""
    text = _first_line(error)
    place = _place(error)
    return f"{text} (at {place})" if place else text


def unsupported_operator(error: BaseException) -> str | None:
    """The operator that has no counterpart in ONNX, if that is what failed."""
    for one in _chain(error):
        for pattern in (_NO_OPERATOR, _UNSUPPORTED):
            if match := pattern.search(str(one)):
                return match[1]
    return None


def _chain(error: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found


def _first_line(error: BaseException) -> str:
    """TorchScript puts the error itself last, below its own stack."""
    lines = [line.strip() for line in _COLOURS.sub("", str(error)).splitlines() if line.strip()]
    own = next((line for line in reversed(lines) if line.startswith(("RuntimeError:", "Exception:"))), None)
    text = (own or (lines[0] if lines else "")).strip()
    name = type(error).__name__
    return f"{name}: {text[:300]}" if text else name


def _place(error: BaseException) -> str | None:
    """File and line of the innermost frame that is the user's own code, or else what torch says in its message."""
    for one in _chain(error):
        own = [frame for frame in traceback.extract_tb(one.__traceback__) if _is_users(frame.filename)]
        if own:
            return f"{own[-1].filename}:{own[-1].lineno}: {own[-1].line}"
    named = [m for one in _chain(error) for m in _STACK_LINE.finditer(str(one)) if _is_users(m[1])]
    return f"{named[-1][1]}:{named[-1][2]}" if named else None


def _is_users(filename: str) -> bool:
    path = Path(filename)
    return path.is_file() and not any(folder in path.parents for folder in _NOT_THE_USERS)
