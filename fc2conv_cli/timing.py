"""How long the stages of a command take, told as they go on."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping

Listener = Callable[[str, float], None]
"""Told the stage that is at work, and how much of it is done: from 0 to 1, or 0 where that is not known."""


class Start:
    """What a process of the command spent before its work: nothing, unless its first line says that it is one."""

    def __init__(self) -> None:
        """Know of no such process."""
        self._spent_and_when: tuple[float, float] | None = None

    def note(self) -> None:
        """Say that the process is at its first line.

        No clock that all systems have tells when a process began, but all count the processor seconds that it took.
        Until here Python reads a few files and waits for nothing else, so they are close to what passed.
        """
        self._spent_and_when = time.process_time(), time.perf_counter()

    def seconds(self) -> dict[str, float]:
        """Until that line, and from there until now; nothing in a process that is somebody else's."""
        if self._spent_and_when is None:
            return {}
        spent, when = self._spent_and_when
        return {"start": spent, "imports": time.perf_counter() - when}


START = Start()
"""Of this process."""


def _nobody(stage: str, done: float) -> None:
    pass


class Stopwatch:
    """Adds up the seconds of each stage; of stages within each other, only the innermost counts."""

    def __init__(self, listener: Listener = _nobody, before: Mapping[str, float] | None = None) -> None:
        """Begin with no stage, or with the seconds of some that are over."""
        self.seconds = dict(before or {})
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
