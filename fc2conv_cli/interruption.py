"""What is said of the files when Ctrl-C ends the command."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_begun: list[Path] = []
"""The file that was written last, if any: noted before that begins, for Ctrl-C may come in between."""


def begins(target: Path) -> None:
    """Note that a file is about to get its final name."""
    _begun[:] = [target]


def message() -> str:
    """A line for stderr."""
    found = f"{_begun[0]} may have been written" if _begun else "nothing was written"
    return f"fc2conv: interrupted; {found}\n"
