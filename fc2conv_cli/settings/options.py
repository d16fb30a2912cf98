"""What an option is called as a setting: ``--output-format`` is ``output-format`` and ``FC2CONV_OUTPUT_FORMAT``."""

from __future__ import annotations

import os
from collections.abc import Mapping

from typer.core import TyperCommand, TyperOption

PREFIX = "FC2CONV_"
_OF_ITS_OWN = {("report", key) for key in ("atol", "rtol", "elementwise", "accept-ill-conditioned")}
"""These judge a saved report again when they are given, so what runs have in common is not for them."""
RUNS_CODE = frozenset({"unsafe-load", "model", "import-path"})
"""They let code run while a model is loaded. Whoever does that says so: no file that happens to lie above does."""

Options = Mapping[str, TyperOption]


def options_of(command: TyperCommand) -> dict[str, TyperOption]:
    """The options of a command, by their key: the long name without dashes."""
    options = [p for p in command.params if isinstance(p, TyperOption) and not p.is_eager]
    return {_key(option): option for option in options if any(name.startswith("--") for name in option.opts)}


def _key(option: TyperOption) -> str:
    return max(option.opts, key=len).removeprefix("--")


def is_common(command: str, key: str) -> bool:
    """Whether what is set for all commands is for this option too."""
    return (command, key) not in _OF_ITS_OWN


def variables(command: str, key: str) -> list[str]:
    """The environment variables of an option, the one that counts first."""
    own = f"{PREFIX}{command.upper()}_{_upper(key)}"
    return [own, f"{PREFIX}{_upper(key)}"] if is_common(command, key) else [own]


def variable_in_use(option: TyperOption) -> str | None:
    """The environment variable that sets an option: the first that is there, unless it is empty."""
    names = [option.envvar] if isinstance(option.envvar, str) else option.envvar or ()
    first = next((name for name in names if name in os.environ), None)
    return first if first is not None and os.environ[first] else None


def negative(key: str) -> str:
    """What turns a flag off on the command line that a file or a variable turned on: ``--no-strict``, ``--verify``."""
    return f"--{key.removeprefix('no-')}" if key.startswith("no-") else f"--no-{key}"


def _upper(key: str) -> str:
    return key.upper().replace("-", "_")
