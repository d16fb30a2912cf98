"""The classes and functions that a pickle names, read from its instructions without carrying them out."""

from __future__ import annotations

import io
import pickletools
import zipfile
from collections.abc import Iterator
from pathlib import Path

from fc2conv_cli.frontends.pytorch.archive import members

_PICKLES_AT_MOST = 16
"""A file of the old format is a handful of pickles, one after the other, and then raw numbers."""
_GETS = frozenset({"BINGET", "LONG_BINGET"})
_TEXTS = frozenset({"SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "UNICODE", "STRING", "BINSTRING"})


def names_in(path: Path) -> tuple[str, ...]:
    """All names in the pickles of a file of torch.save, each once, as ``module.name``."""
    found: dict[str, None] = {}
    for pickle in _pickles(path):
        found.update(dict.fromkeys(_names(pickle)))
    return tuple(found)


def _pickles(path: Path) -> Iterator[io.BytesIO]:
    if not zipfile.is_zipfile(path):
        yield io.BytesIO(path.read_bytes())
        return
    for _, content in members(path, lambda name: name.endswith(".pkl")):
        yield io.BytesIO(content)


def _names(pickle: io.BytesIO) -> Iterator[str]:
    for _ in range(_PICKLES_AT_MOST):
        texts: list[object] = []
        memo: list[object] = []
        try:
            for opcode, argument, _ in pickletools.genops(pickle):
                if opcode.name in ("GLOBAL", "INST"):
                    yield str(argument).replace(" ", ".", 1)
                elif opcode.name == "STACK_GLOBAL":
                    yield ".".join(map(str, texts[-2:]))
                elif opcode.name in _TEXTS:
                    texts.append(argument)
                elif opcode.name == "MEMOIZE":  # of newer protocols, which number what they keep
                    memo.append(texts[-1] if texts else None)
                elif opcode.name in _GETS and isinstance(argument, int) and argument < len(memo):
                    texts.append(memo[argument])
        except (ValueError, EOFError, IndexError, UnicodeDecodeError):  # the end of the pickles
            return
