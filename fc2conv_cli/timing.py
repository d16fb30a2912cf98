"""How long the stages of a command take, told as they go on."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

Listener = Callable[[str, float], None]
"""Told the stage that is at work, and how much of it is done: from 0 to 1, or 0 where that is not known."""


def _nobody(stage: str, done: float) -> None:
    pass


class Stopwatch:
    """Adds up the seconds of each stage; of stages within each other, only the innermost counts."""

    def __init__(self, listener: Listener = _nobody) -> None:
        """Begin with no stage."""
        self.seconds: dict[str, float] = {}
        self._listener = listener
        self._open: list[str] = []
        self._since = 0.0

    @contextlib.contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Count the time in the block towards a stage."""
        self._turn()
        self._open.append(stage)
        self._listener(stage, 0.0)
        try:
            yield
        finally:
            self._turn()
            self._open.pop()
            if self._open:
                self._listener(self._open[-1], 0.0)

    def done(self, part: float) -> None:
        """Tell how much of the stage at work is done, from 0 to 1."""
        if self._open:
            self._listener(self._open[-1], part)

    def _turn(self) -> None:
        """Give the stage at work the time since the last turn."""
        now = time.perf_counter()
        if self._open:
            self.seconds[self._open[-1]] = self.seconds.get(self._open[-1], 0.0) + now - self._since
        self._since = now
