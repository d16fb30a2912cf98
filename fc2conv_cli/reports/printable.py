"""Names as text that stays on its line: they come from files, and may hold what ends one or moves the cursor."""

from __future__ import annotations


def printable(text: str) -> str:
    r"""What Python's repr would write for characters that do not print: ``\n``, ``\x1b``, ``\u202e``."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def printable_lines(text: str) -> str:
    """The same for text that has lines of its own."""
    return "\n".join(map(printable, text.split("\n")))
