"""Loads a program of ``torch.export.save``, after a look at everything in it that PyTorch would evaluate."""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import Any

import torch
from torch.export import ExportedProgram

from fc2conv_cli.errors import PyTorchFileError, UnsafeFileError
from fc2conv_cli.frontends.pytorch.contained import contained
from fc2conv_cli.frontends.pytorch.guard import no_pickled_code
from fc2conv_cli.frontends.pytorch.network import Network
from fc2conv_cli.frontends.pytorch.program_check import complaint

_TRUST = (
    "If you trust whoever made the file, give --unsafe-load: it may then run any code on this machine. "
    "Else export the model again: torch.export.save(torch.export.export(model, args), 'model.pt2')."
)

_ASKED = re.compile(r"Unsupported global: GLOBAL (\S+)")


def load_program(path: Path, *, unsafe: bool) -> Network:
    """Load a program.

    Args:
        path: The file.
        unsafe: Whether it may run code.

    Raises:
        UnsafeFileError: It would run code.
        PyTorchFileError: It is damaged, or of a version that this PyTorch does not read.
    """
    if unsafe:
        return _load(path)
    if (found := complaint(path)) is not None:
        raise UnsafeFileError(path, f"loading it would run code: {found}", hint=_TRUST)
    with no_pickled_code() as refused:
        try:
            return _load(path)
        except PyTorchFileError as error:
            asked = [*dict.fromkeys((*refused, *_ASKED.findall(_of_pickle(error.__cause__))))]
            if asked or isinstance(error.__cause__, pickle.UnpicklingError):
                names = f", which asks for {', '.join(asked)}" if asked else ""
                raise UnsafeFileError(path, f"it holds a pickle that would run code{names}", hint=_TRUST) from error
            raise


def _of_pickle(error: BaseException | None) -> str:
    return str(error) if isinstance(error, pickle.UnpicklingError) else ""


def _load(path: Path) -> Network:
    try:
        with contained():
            return network_of(torch.export.load(path))
    except Exception as error:  # torch raises whatever a damaged file leads it to
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        problem = (
            f"torch {torch.__version__} cannot load the program, it is damaged or of another version: {said[:200]}"
        )
        raise PyTorchFileError(
            path, problem, hint="Export it again, with the PyTorch that is installed here."
        ) from error


def network_of(program: ExportedProgram) -> Network:
    """A program as a network, with the inputs that it holds or else some of the shapes that it names."""
    args, kwargs = program.example_inputs if program.example_inputs is not None else _made_up(program)
    return Network(program.module(), tuple(args), dict(kwargs), program=program)


def _made_up(program: ExportedProgram) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Inputs of the shapes that the program was exported for."""
    values = {node.name: node.meta.get("val") for node in program.graph.nodes if node.op == "placeholder"}
    leaves = [_example(values[name]) if isinstance(name, str) and name in values else name for name in _inputs(program)]
    spec = program.call_spec.in_spec
    args, kwargs = torch.utils._pytree.tree_unflatten(leaves, spec)
    return args, kwargs


def _inputs(program: ExportedProgram) -> tuple[Any, ...]:
    return tuple(program.graph_signature.user_inputs)


def _example(value: Any) -> Any:
    if not isinstance(value, torch.Tensor):
        return value
    shape = [int(size) if isinstance(size, int) else size.node.hint or 2 for size in value.shape]
    return torch.zeros(shape, dtype=value.dtype)
