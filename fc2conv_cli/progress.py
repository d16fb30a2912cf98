"""A bar on the terminal for whatever takes longer than a second."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, TextIO

from fc2conv_cli.timing import START, Stopwatch

if TYPE_CHECKING:
    from rich.progress import Progress

_PATIENCE = 1.0
"""Seconds before the bar appears."""


@contextlib.contextmanager
def following(stream: TextIO, patience: float = _PATIENCE) -> Iterator[Stopwatch]:
    """A stopwatch whose stages are shown while they last; nothing is left of the bar.

    It has the seconds of the command until now, its start and its imports.

    Args:
        stream: Where to show them, if it is a terminal.
        patience: Seconds before the bar appears.
    """
    if not stream.isatty():
        yield Stopwatch(before=START.seconds())
        return
    # PyTorch is made quiet by turning the descriptor of stderr elsewhere; a copy of it still leads to the terminal.
    with open(os.dup(stream.fileno()), "w", encoding="utf-8", errors="replace") as terminal:  # noqa: PTH123
        bar = _Bar(terminal)
        timer = threading.Timer(patience, bar.show)
        timer.daemon = True
        timer.start()
        try:
            yield Stopwatch(bar.tell, START.seconds())
        finally:
            timer.cancel()
            bar.close()


class _Bar:
    """What is at work, shown from the moment that `show` is called, which a timer does."""

    def __init__(self, terminal: TextIO) -> None:
        self._terminal = terminal
        self._lock = threading.Lock()
        self._progress: Progress | None = None
        self._closed = False
        self._stage, self._done = "", 0.0

    def tell(self, stage: str, done: float) -> None:
        with self._lock:
            self._stage, self._done = stage, done
            self._update()

    def show(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
        progress = Progress(*columns, console=Console(file=self._terminal), transient=True)
        with self._lock:
            if self._closed:
                return
            self._progress = progress
            progress.add_task("", total=None)
            self._update()
            progress.start()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            if self._progress is not None:
                self._progress.stop()

    def _update(self) -> None:
        if self._progress is not None:
            task = self._progress.task_ids[0]
            total = 1.0 if self._done else None
            self._progress.update(task, description=self._stage, completed=self._done, total=total)
