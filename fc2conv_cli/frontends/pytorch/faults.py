"""What went wrong inside PyTorch or the user's model, in one line, with the line of the model that it is about."""

from __future__ import annotations

import re
import sysconfig
import traceback
from collections.abc import Iterator
from pathlib import Path

import torch
from torch.export import ExportedProgram

from fc2conv_cli.frontends.pytorch.contained import LeftError

_NOT_THE_USERS = (Path(torch.__file__).parent, Path(__file__).parents[2], Path(sysconfig.get_paths()["stdlib"]))
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_NO_OPERATOR = re.compile(r"No (?:ONNX function|decompositions?) found for <OpOverload\(op='([\w.:]+)'")
_UNSUPPORTED = re.compile(r"Exporting the operator '([^']+)'")
_STACK_LINE = re.compile(r'File "([^"]+)", line (\d+), in \w+')
_GRAPH_LINE = re.compile(r"= (\w+::\w+)\(.*# (\S+:\d+):\d+")


def what_failed(error: BaseException) -> str:
    """The first line of what the error says, and the line of the user's model that it comes from."""
    text = _first_line(_root(error))
    place = _place(error)
    return f"{text} (at {place})" if place else text


def unsupported_operator(error: BaseException) -> str | None:
    """The operator that has no counterpart in ONNX, if that is what failed."""
    for one in _chain(error):
        for pattern in (_NO_OPERATOR, _UNSUPPORTED):
            if match := pattern.search(str(one)):
                return match[1]
    return None


def place_of(operator: str, model: ExportedProgram | torch.jit.ScriptModule) -> str | None:
    """File and line of the user's model that an operator comes from, as far as the model says.

    The exporter takes some operators apart, so that the name of a part stands for the whole.
    """
    name = re.split(r"[.:]+", operator)[1]
    lines = _lines_of_script(model) if isinstance(model, torch.jit.ScriptModule) else _lines_of_program(model)
    return next((place for found, place in lines if name in found or found in name), None)


def in_library(place: str) -> bool:
    """Whether a file and line are in the code of PyTorch, or of any other package that is installed."""
    return _is_library(Path(place.rpartition(":")[0]))


def _lines_of_program(program: ExportedProgram) -> Iterator[tuple[str, str]]:
    for node in program.graph.nodes:
        stack = _STACK_LINE.findall(node.meta.get("stack_trace") or "")
        own = [f"{file}:{line}" for file, line in stack if not _is_library(Path(file))]
        if node.op == "call_function" and own:
            yield getattr(node.target, "__name__", str(node.target)).split(".")[0], own[-1]


def _lines_of_script(module: torch.jit.ScriptModule) -> Iterator[tuple[str, str]]:
    for operator, place in _GRAPH_LINE.findall(str(module.inlined_graph)):
        yield operator.split("::")[1], place


def _root(error: BaseException) -> BaseException:
    """The exporter wraps an error in general advice; what it wraps is what failed."""
    while error.__cause__ is not None and type(error).__module__.startswith("torch.onnx"):
        error = error.__cause__
    return error


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
    if isinstance(error, LeftError):
        return text
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
    return Path(filename).is_file() and not _is_library(Path(filename))


def _is_library(path: Path) -> bool:
    return any(folder in path.parents for folder in _NOT_THE_USERS) or "site-packages" in path.parts
