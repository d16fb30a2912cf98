"""Loads a file of ``torch.save`` without running code from it, unless the user trusts it."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import torch

from fc2conv_cli.errors import PyTorchFileError, UnsafeFileError
from fc2conv_cli.frontends.pytorch.building_blocks import building_blocks
from fc2conv_cli.frontends.pytorch.contained import LeftError, contained
from fc2conv_cli.frontends.pytorch.guard import no_pickled_code
from fc2conv_cli.frontends.pytorch.pickle_names import names_in

_LISTED = 6
_LAZY = frozenset(
    {
        *("torch.nn.parameter.UninitializedParameter", "torch.nn.parameter.UninitializedBuffer"),
        *("torch.nn.modules.module._WrappedHook", "torch.utils.hooks.RemovableHandle"),
        *("__builtin__.getattr", "builtins.getattr"),
    }
)
"""What lazy layers bring along until they are run, and never afterwards."""


def load_pickle(path: Path, *, unsafe: bool) -> Any:
    """What a file of torch.save holds: a module, a state dict, or whatever else.

    Args:
        path: The file.
        unsafe: Whether it may run code. Its classes must then be importable.

    Raises:
        UnsafeFileError: It asks for classes that are no building blocks of torch.nn.
        PyTorchFileError: It is damaged, or its classes cannot be imported.
    """
    return _load_unsafely(path) if unsafe else _load_safely(path)


def _load_safely(path: Path) -> Any:
    allowed = building_blocks()
    try:
        with torch.serialization.safe_globals(allowed), no_pickled_code():
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        refused = [name for name in names_in(path) if not _is_allowed(name, allowed)]
        raise _unsafe(path, refused, str(error)) from error
    except Exception as error:  # torch raises whatever a damaged file leads it to
        raise _damaged(path, error) from error


def _is_allowed(name: str, allowed: list[Any]) -> bool:
    """Asked only to list the names that are to blame; what is allowed is for torch to say."""
    known = {item[1] if isinstance(item, tuple) else f"{item.__module__}.{item.__name__}" for item in allowed}
    if name in known:
        return True
    module, _, attribute = name.rpartition(".")
    probe = b"\x80\x02c" + f"{module}\n{attribute}\n".encode() + b"."
    try:
        torch._weights_only_unpickler.load(io.BytesIO(probe))
    except Exception:
        return False
    return True


def _unsafe(path: Path, refused: list[str], said: str) -> PyTorchFileError:
    if any("Uninitialized" in name for name in refused) and _LAZY.issuperset(refused):
        hint = (
            "Run the module once on an example input before saving it: model(x). Its lazy layers are usual ones then."
        )
        return PyTorchFileError(path, "it has lazy layers that were never run, and no weights for them", hint=hint)
    if not refused:
        reason = _reason(said)
        hint = (
            "Save it again with torch.save(model.state_dict(), ...) and torch's own pickle protocol. If you trust "
            "whoever made the file, --unsafe-load loads it as it is: it may then run any code on this machine."
        )
        return UnsafeFileError(path, f"it cannot be loaded without running code from it: {reason}", hint=hint)
    listed = ", ".join(refused[:_LISTED]) + (f" and {len(refused) - _LISTED} more" if len(refused) > _LISTED else "")
    problem = f"it is not made of torch.nn building blocks only; loading it would import and run: {listed}"
    hint = (
        "If you trust whoever made the file and these names, give --unsafe-load (and --import-path DIR if the classes "
        "are not installed): it may then run any code on this machine. Safer: save it with torch.export.save, or its "
        "state dict, and give --model package.module:factory."
    )
    return UnsafeFileError(path, problem, hint=hint)


def _reason(said: str) -> str:
    """What the restricted unpickler says itself, out of torch's advice around it."""
    _, _, own = said.partition("WeightsUnpickler error:")
    reason = next((line.strip() for line in own.splitlines() if line.strip()), said.strip())
    if "persistent_load" in reason:
        return "the format of torch before 1.6 keeps a whole module with its source code"
    return reason[:200]


def _load_unsafely(path: Path) -> Any:
    try:
        with contained():
            return torch.load(path, map_location="cpu", weights_only=False)
    except (AttributeError, ModuleNotFoundError) as error:
        problem = f"a class that it is made of cannot be imported: {error}"
        hint = "Give --import-path with the folder that its code is in; it must be there under the same module name."
        raise PyTorchFileError(path, problem, hint=hint) from error
    except Exception as error:  # the code of the file may raise anything
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> PyTorchFileError:
    said = (str(error).strip().splitlines() or [type(error).__name__])[0]
    if isinstance(error, LeftError):
        return PyTorchFileError(path, f"the code of the file failed: {said}", hint="Load it in Python to see where.")
    if "legacy .tar" in said:
        problem = "this is a tar archive, perhaps of a PyTorch before 0.2, which cannot be read safely"
        return PyTorchFileError(path, problem, hint="Load it in PyTorch and save it again.")
    hint = "Copy or save it again; compare the file sizes if it was copied."
    return PyTorchFileError(path, f"torch cannot load it, it is truncated or damaged: {said[:200]}", hint=hint)
