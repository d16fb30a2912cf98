"""Looks at how a module is built before anything walks through it: a pickle may have built it in any way."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from fc2conv_cli.errors import PyTorchFileError, UnsafeFileError

_NAME = re.compile(r"[A-Za-z0-9_]+")
_DEPTH = 100
"""PyTorch goes into modules by recursion, many frames for each level."""
_PARTS = {"_modules": nn.Module, "_parameters": torch.Tensor, "_buffers": torch.Tensor}


def check_structure(path: Path, module: nn.Module) -> None:
    """Refuse a module that PyTorch cannot walk through.

    Args:
        path: The user's file, for messages.
        module: The module.

    Raises:
        PyTorchFileError: It lacks what every module has, or contains itself.
    """
    if (found := next((problem for _, problem in _walk(module) if problem), None)) is not None:
        hint = "Save it again with torch.save, or better as a program: torch.export.save(torch.export.export(...))."
        raise PyTorchFileError(path, f"the module is damaged: {found}", hint=hint)


def check_names(path: Path, module: nn.Module) -> None:
    """Refuse a module whose names or attributes could be code: PyTorch pastes names into source and executes that.

    Args:
        path: The user's file, for messages.
        module: The module; its structure is sound.

    Raises:
        UnsafeFileError: It has them.
    """
    for part, _ in _walk(module):
        if (found := next(_complaints(part), None)) is not None:
            hint = (
                "If you trust whoever made the file, give --unsafe-load: it may then run any code on this machine. "
                "Else save the model's state dict, and give --model package.module:factory."
            )
            raise UnsafeFileError(path, f"it is more than a module of torch.nn building blocks: {found}", hint=hint)


def _walk(module: nn.Module) -> Iterator[tuple[nn.Module, str | None]]:
    """Every part once, and what is wrong with it; without recursion."""
    done: set[int] = set()
    above: list[int] = []
    stack: list[tuple[nn.Module, int]] = [(module, 0)]
    while stack:
        part, depth = stack.pop()
        del above[depth:]
        if id(part) in above:
            yield part, f"its {type(part).__name__} contains itself"
            return
        if depth > _DEPTH:
            yield part, f"its parts are nested more than {_DEPTH} deep"
            return
        above.append(id(part))
        if id(part) in done or isinstance(part, torch.jit.ScriptModule):
            continue
        done.add(id(part))
        problem = _problem(part)
        yield part, problem
        if problem is not None:
            return
        stack.extend((child, depth + 1) for child in vars(part)["_modules"].values() if child is not None)


def _problem(part: nn.Module) -> str | None:
    own, name = vars(part), type(part).__name__
    for key, kind in _PARTS.items():
        entries: Any = own.get(key)
        if type(entries) not in (dict, OrderedDict) or getattr(entries, "__dict__", None):
            return f"its {name} has no {key}"
        if not all(isinstance(item, str) and isinstance(value, kind | None) for item, value in entries.items()):
            return f"something among the {key} of its {name} does not belong there"
    return None if isinstance(own.get("training"), bool) else f"its {name} does not say whether it is in training"


def _complaints(part: nn.Module) -> Iterator[str]:
    own = vars(part)
    for key in _PARTS:
        yield from (f"{name[:80]!r} is no name of a part" for name in own[key] if not _NAME.fullmatch(name))
    for name, value in own.items():
        if callable(getattr(type(part), name, None)):
            yield f"its {type(part).__name__} has a {name!r} of its own"
        if "_hooks" in name and value:
            yield f"its {type(part).__name__} has hooks"
