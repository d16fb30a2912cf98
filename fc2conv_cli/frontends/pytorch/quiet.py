"""Keeps what PyTorch prints from the user, and gathers its warnings.

The file descriptors themselves are turned away, since parts of PyTorch that are not Python print too. That is for the
whole process, for as long as the block lasts.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from typing import TextIO

_LOGGERS = ("torch", "onnxscript")


@contextlib.contextmanager
def quiet(*, verbose: bool) -> Iterator[list[str]]:
    """Send stdout and stderr nowhere, or both to stderr.

    Args:
        verbose: Whether to let them through. Never to stdout, which is for the report.

    Yields:
        The warnings, in PyTorch's words, as they come.
    """
    said: list[str] = []
    with contextlib.ExitStack() as stack:
        _flush()
        duplicate = _duplicate(2) if verbose else None
        sink = os.open(os.devnull, os.O_WRONLY) if duplicate is None else duplicate
        stack.callback(os.close, sink)
        for descriptor in (1, 2):
            _redirect(descriptor, sink, stack)
        instead = sys.stderr if verbose else None
        stack.enter_context(contextlib.redirect_stdout(stack.enter_context(_Turned(sys.stdout, instead))))
        stack.enter_context(contextlib.redirect_stderr(stack.enter_context(_Turned(sys.stderr, instead))))
        _gather_logs(said, stack)
        caught = stack.enter_context(warnings.catch_warnings(record=True))
        warnings.simplefilter("always")
        try:
            yield said
        finally:
            said.extend(_text(warning) for warning in caught or ())
            _flush()


class _Turned(io.TextIOBase):
    """A stream that goes elsewhere for a while, and is itself again afterwards.

    It must outlive the block: PyTorch's loggers keep the stream that they find when PyTorch is first imported.
    """

    def __init__(self, stream: TextIO, instead: TextIO | None) -> None:
        self._stream, self._target = stream, instead

    def __exit__(self, *args: object) -> None:
        self._target = self._stream

    def write(self, text: str) -> int:
        return len(text) if self._target is None else self._target.write(text)

    def flush(self) -> None:
        if self._target is not None:
            self._target.flush()

    def fileno(self) -> int:
        return self._stream.fileno()

    def isatty(self) -> bool:
        return False


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()


def _duplicate(descriptor: int) -> int | None:
    try:
        return os.dup(descriptor)
    except OSError:  # the caller closed it
        return None


def _redirect(descriptor: int, sink: int, stack: contextlib.ExitStack) -> None:
    saved = _duplicate(descriptor)
    if saved is None:
        return
    stack.callback(os.close, saved)
    stack.callback(os.dup2, saved, descriptor)
    os.dup2(sink, descriptor)


class _Gatherer(logging.Handler):
    """Keeps the text of every warning."""

    def __init__(self, said: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._said = said

    def emit(self, record: logging.LogRecord) -> None:
        self._said.append(record.getMessage())


def _gather_logs(said: list[str], stack: contextlib.ExitStack) -> None:
    handler = _Gatherer(said)
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        logger.addHandler(handler)
        stack.callback(logger.removeHandler, handler)


def _text(warning: warnings.WarningMessage) -> str:
    return f"{warning.category.__name__}: {warning.message} ({warning.filename}:{warning.lineno})"
