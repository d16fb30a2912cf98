"""Whether PyTorch is there."""

from __future__ import annotations

from importlib.util import find_spec

from fc2conv_cli.errors import TorchMissingError

COMMAND = "pip install 'fc2conv[torch]'"


def require_torch(what: object) -> None:
    """Refuse to go on without the packages that a PyTorch model needs.

    Args:
        what: The model, for the message.

    Raises:
        TorchMissingError: One of them is not installed.
    """
    missing = [name for name in ("torch", "onnxscript") if not _is_there(name)]
    if missing:
        hint = f"Install it: {COMMAND}"
        raise TorchMissingError(f"{what}: this is a PyTorch model, and {' and '.join(missing)} is missing", hint=hint)


def _is_there(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ValueError:  # somebody put None in its place, to keep it from being imported
        return False
