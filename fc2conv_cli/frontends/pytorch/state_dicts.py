"""Puts the weights of a state dict into the module that they belong to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from fc2conv_cli.errors import PyTorchFileError
from fc2conv_cli.frontends.pytorch.contained import contained

_WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "network", "module", "params", "ema_state_dict")
"""Keys under which training scripts keep the state dict, beside the optimizer's and the epoch."""
_PREFIXES = ("module.", "_orig_mod.", "model.")
"""What DataParallel, torch.compile and Lightning put in front of every name."""
_NESTED = 8
"""A checkpoint within a checkpoint is rare, and may contain itself."""
_LISTED = 8
_HINT = "Name the factory that made the model of this file, with the same sizes."


def is_state_dict(content: object) -> bool:
    """Whether something is a state dict: names, with tensors among what they are names of."""
    return (
        isinstance(content, dict)
        and all(isinstance(name, str) for name in content)
        and any(isinstance(value, torch.Tensor) for value in content.values())
    )


def unwrap(content: object) -> tuple[object, tuple[str, ...]]:
    """The state dict in a checkpoint, and what is to be said of where it was."""
    notes: list[str] = []
    content = _plain(content)
    for _ in range(_NESTED):
        if not isinstance(content, dict):
            break
        key = next((key for key in _WRAPPERS if isinstance(content.get(key), dict | nn.Module)), None)
        if key is None:
            break
        content = _plain(content[key])
        notes.append(f"the file is a checkpoint; its {key!r} was taken")
    return content, tuple(notes)


def _plain(content: object) -> object:
    """A dict of Python's own: in a file, others may have whatever they like in place of their methods."""
    return dict(dict.items(content)) if isinstance(content, dict) else content


def fill(path: Path, module: nn.Module, weights: Mapping[str, Any]) -> tuple[str, ...]:
    """Load weights into a module, in place.

    Args:
        path: Their file, for messages.
        module: The module.
        weights: The state dict.

    Returns:
        What is to be said of it.

    Raises:
        PyTorchFileError: Names or shapes do not fit.
    """
    if not weights:
        raise PyTorchFileError(path, "it holds no weights", hint="Save it again: torch.save(model.state_dict(), ...).")
    weights, notes = _without_prefix(weights, module)
    own = module.state_dict()
    others = [name for name in weights if name not in own and not isinstance(weights[name], torch.Tensor)]
    weights = {name: value for name, value in weights.items() if name not in others}
    problems = _listing("not to be read as numbers:", _unreadable(own, weights))
    if not problems:
        reshaped = _reshaped(own, weights)
        fitting = {name: value for name, value in weights.items() if name not in reshaped}
        try:
            with contained():
                found = module.load_state_dict(fitting, strict=False)
        except Exception as error:  # a module may have a hook of its own
            said = " ".join(str(error).split())
            raise PyTorchFileError(path, f"its weights do not fit the model: {said}", hint=_HINT) from error
        problems += _listing("the file lacks", [name for name in found.missing_keys if name not in reshaped])
        problems += _listing("the model has no", found.unexpected_keys)
        problems += _listing("of another shape:", list(reshaped.values()))
    if problems:
        raise PyTorchFileError(path, "its weights do not fit the model:\n  " + "\n  ".join(problems), hint=_HINT)
    notes += tuple(_listing("the file holds more than weights, which was left aside:", others))
    return (*notes, *_cast(own, weights))


def _without_prefix(weights: Mapping[str, Any], module: nn.Module) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    """Take away a prefix that all names have and the module's own have not."""
    notes: list[str] = []
    while weights:
        names = module.state_dict().keys()
        tensors = [name for name, value in weights.items() if isinstance(value, torch.Tensor)]
        prefix = next((p for p in _PREFIXES if tensors and all(name.startswith(p) for name in tensors)), None)
        if prefix is None or any(name in names for name in weights):
            return weights, tuple(notes)
        weights = {name.removeprefix(prefix): value for name, value in weights.items()}
        notes.append(f"all names in the file begin with {prefix!r}, which was taken away")
    return weights, tuple(notes)


def _reshaped(own: Mapping[str, Any], weights: Mapping[str, Any]) -> dict[str, str]:
    """What to say of each weight that has another shape than the model's."""
    pairs = ((name, own[name], weights[name]) for name in own if name in weights)
    return {
        name: f"{name} is {list(given.shape)}, the model's {list(ours.shape)}"
        for name, ours, given in pairs
        if _has_shape(ours) and _has_shape(given) and ours.shape != given.shape
    }


def _cast(own: Mapping[str, Any], weights: Mapping[str, Any]) -> tuple[str, ...]:
    """Weights take over the types of the model that they are loaded into; a note for each pair of types."""
    pairs = [(own[name], weights[name]) for name in own if name in weights]
    casts = Counter(
        (str(given.dtype).removeprefix("torch."), str(ours.dtype).removeprefix("torch."))
        for ours, given in pairs
        if isinstance(ours, torch.Tensor) and isinstance(given, torch.Tensor) and ours.dtype != given.dtype
    )
    return tuple(
        f"{count} of the weights are {given} in the file and {ours} in the model, which is what they were turned into"
        for (given, ours), count in casts.items()
    )


def _unreadable(own: Mapping[str, Any], weights: Mapping[str, Any]) -> list[str]:
    found: list[str] = []
    for name, given in weights.items():
        if not isinstance(given, torch.Tensor):
            continue
        ours = own.get(name)
        if given.is_nested or given.layout is not torch.strided:
            found.append(f"{name} is a nested or sparse tensor")
        elif given.is_meta:
            found.append(f"{name} has a shape and no values")
        elif given.is_complex() and isinstance(ours, torch.Tensor) and not ours.is_complex():
            found.append(f"{name} is complex, the model's is not")
    return found


def _has_shape(value: object) -> bool:
    return isinstance(value, torch.Tensor) and not is_lazy(value)


def _listing(title: str, items: list[str]) -> list[str]:
    if not items:
        return []
    more = f" and {len(items) - _LISTED} more" if len(items) > _LISTED else ""
    listed = ", ".join(" ".join(item.split()) for item in items[:_LISTED])
    return [f"{title} {listed}{more}"]
