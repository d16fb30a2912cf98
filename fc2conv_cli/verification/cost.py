"""What a model costs to run: measured beside the comparison, reported, and judging nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fc2conv_cli.verification.runner import Model, Port

Array = npt.NDArray[np.generic]


@dataclass(frozen=True)
class Cost:
    """What a model cost in a comparison, graph optimisations off.

    Attributes:
        load_seconds: To load it.
        run_seconds: In all runs that count together.
        runs: Number of these: the first one warms up and does not count.
        memory_bytes: By how much the process had grown when it was loaded and had run; None where that is unknown.
            What the allocator gave back in between is not seen, so small models may show 0.
    """

    load_seconds: float
    run_seconds: float
    runs: int
    memory_bytes: int | None

    @property
    def seconds_per_run(self) -> float:
        """The mean; 0 if no run counts."""
        return self.run_seconds / self.runs if self.runs else 0.0


@dataclass
class Measured:
    """A model that notes what it costs; the counterpart of the model that it holds."""

    model: Model
    load_seconds: float
    grown: int | None
    run_seconds: float = 0.0
    runs: int = 0
    warm: bool = False
    overridable: tuple[Port, ...] = field(init=False)
    inputs: tuple[Port, ...] = field(init=False)
    outputs: tuple[Port, ...] = field(init=False)
    metadata: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        """Take over what the model says of itself."""
        self.inputs, self.overridable = tuple(self.model.inputs), tuple(self.model.overridable)
        self.outputs, self.metadata = tuple(self.model.outputs), self.model.metadata

    @classmethod
    def load(cls, load: Callable[[], Model]) -> Measured:
        """Load a model; raises what that raises."""
        before, started = resident_bytes(), time.perf_counter()
        model = load()
        seconds, after = time.perf_counter() - started, resident_bytes()
        return cls(model, seconds, None if before is None or after is None else max(after - before, 0))

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Any]:
        """Run the model once; raises RunError as it does."""
        if not self.warm:
            return self._warm_up(feeds)
        started = time.perf_counter()
        result = self.model.run(feeds)
        self.run_seconds += time.perf_counter() - started
        self.runs += 1
        return result

    def _warm_up(self, feeds: Mapping[str, Array]) -> dict[str, Any]:
        """The first run: it is not timed, since it sets up what later ones find, but memory grows in it."""
        before = resident_bytes()
        result = self.model.run(feeds)
        after = resident_bytes()
        if before is not None and after is not None and self.grown is not None:
            self.grown += max(after - before, 0)
        self.warm = True
        return result

    @property
    def cost(self) -> Cost:
        """What it cost so far."""
        return Cost(self.load_seconds, self.run_seconds, self.runs, self.grown)


def resident_bytes() -> int | None:
    """Memory of this process that is in use now; None where the system does not say (only Linux does)."""
    try:
        import resource

        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
        return pages * resource.getpagesize()
    except (OSError, ImportError, ValueError, IndexError):
        return None
