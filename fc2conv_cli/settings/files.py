"""The settings file: which one applies, and what stands in it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fc2conv_cli.errors import SettingsError

OWN_FILE, SHARED_FILE = "fc2conv.toml", "pyproject.toml"
_TABLE = ("tool", "fc2conv")


@dataclass(frozen=True)
class SettingsFile:
    """A file with settings.

    Attributes:
        path: Where it is.
        prefix: The table that holds them: ``tool.fc2conv``, or nothing in a file of its own.
        content: Key to value, or name of a command to a table of these.
    """

    path: Path
    prefix: str
    content: Mapping[str, Any]

    def place(self, key: str, table: str = "") -> str:
        """Where a key stands, for messages: ``/a/pyproject.toml: [tool.fc2conv.verify] atol``."""
        header = self.header(table)
        return f"{self.path}: {header} {key}" if header else f"{self.path}: {key}"

    def header(self, table: str = "") -> str:
        """The line above a table as it has to stand in this file: ``[tool.fc2conv.verify]``, or ``[verify]``."""
        name = ".".join(filter(None, (self.prefix, table)))
        return f"[{name}]" if name else ""


def nearest(folder: Path) -> SettingsFile | None:
    """The settings file that is nearest, from a folder upwards; None if there is none.

    In one folder, ``fc2conv.toml`` goes before ``pyproject.toml``; one without ``[tool.fc2conv]`` does not count.

    Raises:
        SettingsError: It cannot be read, is no TOML, or is written as the other file is.
    """
    for place in (folder, *folder.parents):
        if (own := place / OWN_FILE).is_file():
            return SettingsFile(own, "", _top(own, _read(own)))
        if (shared := place / SHARED_FILE).is_file():
            content = _table(shared, _read(shared))
            if content is not None:
                return SettingsFile(shared, ".".join(_TABLE), content)
    return None


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{path}: is not TOML: {error}", hint="fc2conv reads its settings there.") from error


def _top(path: Path, content: dict[str, Any]) -> dict[str, Any]:
    """All of a file of our own, unless it is written as if it were pyproject.toml."""
    if "tool" in content:
        hint = f"In {OWN_FILE} write the keys without it, and those of one command in its own table, as [verify]."
        raise SettingsError(f"{path}: [tool] is for {SHARED_FILE} only", hint=hint)
    return content


def _table(path: Path, content: dict[str, Any]) -> dict[str, Any] | None:
    found: Any = content
    if "fc2conv" in content:
        raise SettingsError(f"{path}: [fc2conv] is no table of {SHARED_FILE}", hint="Write [tool.fc2conv].")
    for name in _TABLE:
        found = found.get(name)
        if found is None:
            return None
        if not isinstance(found, dict):
            raise SettingsError(f"{path}: {name} is {found!r}, and not a table", hint="Write [tool.fc2conv].")
    table: dict[str, Any] = found
    return table
