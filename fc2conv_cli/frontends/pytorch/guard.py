"""Keeps a file from running code while PyTorch loads it, whatever path PyTorch takes.

PyTorch tries some pickles without restrictions when the safe way fails. Every class or function that Python's own
unpickler looks up raises an audit event; within `no_pickled_code` that event is an error. PyTorch's restricted
unpickler (``weights_only=True``) does not look anything up that way, so it goes on working. `torch.load` is made to
use that one whatever it is told: the other would also take a TorchScript archive, and run its program.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from typing import Any

_FORCE, _FORCE_NOT = "TORCH_FORCE_WEIGHTS_ONLY_LOAD", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"
"""Variables that torch.load asks each time. They are the whole process's, as the streams are that are turned away."""


class Refused(Exception):  # noqa: N818  not an error of ours: the loaders turn it into one
    """A pickle asked for a class or a function."""


class _State(threading.local):
    refused: list[str] | None = None


_STATE = _State()


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if event == "pickle.find_class" and _STATE.refused is not None:
        name = ".".join(map(str, args[:2]))
        _STATE.refused.append(name)
        raise Refused(f"the pickle asks for {name}")


_INSTALL = threading.Lock()
_installed = False


def _install() -> None:
    """Python has no way to take an audit hook away again; ours does nothing outside the block."""
    global _installed
    with _INSTALL:
        if not _installed:
            sys.addaudithook(_hook)
            _installed = True


@contextlib.contextmanager
def no_pickled_code() -> Iterator[list[str]]:
    """While this lasts, Python's unpickler finds no class and no function, in this thread.

    Yields:
        What was asked for and refused, as it comes; PyTorch may swallow the exception itself.
    """
    _install()
    before, _STATE.refused = _STATE.refused, []
    forced = {name: os.environ.pop(name, None) for name in (_FORCE, _FORCE_NOT)}
    os.environ[_FORCE] = "1"
    try:
        yield _STATE.refused
    finally:
        _STATE.refused = before
        del os.environ[_FORCE]
        os.environ.update({name: value for name, value in forced.items() if value is not None})
