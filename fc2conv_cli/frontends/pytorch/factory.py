"""Makes the module that a state dict belongs to, from ``package.module:factory``. Its code runs: the user named it."""

from __future__ import annotations

import contextlib
import functools
import importlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from torch import nn

from fc2conv_cli.errors import UsageError
from fc2conv_cli.frontends.pytorch.contained import LeftError, contained

_EXAMPLE = (
    "For example --model package.module:Net, a class or a function that takes no arguments and returns the module."
)


@contextlib.contextmanager
def importing_from(folders: Sequence[Path]) -> Iterator[None]:
    """Let modules be imported from these folders, before all others, while this lasts.

    Raises:
        UsageError: One is no folder.
    """
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(f"--import-path {folder}: there is no such folder", hint="Name the folder above the code.")
    before, sys.path[:0] = list(sys.path), [str(folder.resolve()) for folder in folders]
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path[:] = before


def make(name: str) -> nn.Module:
    """The module that a factory returns.

    Args:
        name: ``package.module:factory``; the factory may be an attribute of an attribute.

    Raises:
        UsageError: There is no such factory, it fails, or it returns something else.
    """
    module_name, _, path = name.partition(":")
    if not module_name or not path:
        raise UsageError(f"--model {name!r} is not package.module:factory", hint=_EXAMPLE)
    factory = _find(name, module_name, path)
    try:
        with contained():
            made = factory() if callable(factory) and not isinstance(factory, nn.Module) else factory
    except Exception as error:  # the user's code may raise anything
        problem = f"--model {name}: the factory failed: {_said(error)}"
        raise UsageError(problem, hint=f"{_EXAMPLE} Wrap one that takes arguments in a function.") from error
    if not isinstance(made, nn.Module):
        problem = f"--model {name} gives {type(made).__name__}, which is no torch.nn.Module"
        raise UsageError(problem, hint=_EXAMPLE)
    return made


def _find(name: str, module_name: str, path: str) -> object:
    try:
        with contained():
            found: object = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        hint = "Give --import-path with the folder that the package or the .py file is in."
        raise UsageError(f"--model {name}: {error}", hint=hint) from error
    except Exception as error:  # a training script may read the command line
        problem = f"--model {name}: importing {module_name} failed: {_said(error)}"
        raise UsageError(problem, hint="Import it in Python to see where.") from error
    try:
        with contained():
            return functools.reduce(getattr, path.split("."), found)
    except AttributeError as error:
        raise UsageError(f"--model {name}: {module_name} has no {path!r}", hint=_EXAMPLE) from error
    except Exception as error:  # the user's code may raise anything
        problem = f"--model {name}: looking for {path!r} failed: {_said(error)}"
        raise UsageError(problem, hint=_EXAMPLE) from error


def _said(error: Exception) -> str:
    said = " ".join(str(error).split())[:300]
    return said if isinstance(error, LeftError) else f"{type(error).__name__}: {said}"
