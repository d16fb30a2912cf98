"""A model that is called by its name when there is not enough memory for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fc2conv_cli.memory import needing_memory
from fc2conv_cli.verification.runner import Array, Model

_ALONE = "--low-memory has one of the two models in memory at a time."
_UNVERIFIED = (
    "Free some memory, or verify on a machine that has more; `fc2conv convert --no-verify` writes a result unverified."
)


def memory_hint(*, low_memory: bool) -> str:
    """What helps a comparison that lacks memory, given whether models take turns in it already."""
    return _UNVERIFIED if low_memory else _ALONE


class Held:
    """The counterpart of a model, whose loading and running needs memory."""

    def __init__(self, load: Callable[[], Model], name: str, hint: str) -> None:
        """Load a model.

        Args:
            load: Loads it; what else it raises is raised here.
            name: What people call it.
            hint: What to do where it does not fit.

        Raises:
            NotEnoughMemoryError: It does not fit.
        """
        self._name, self._hint = name, hint
        with needing_memory(f"load {name}", hint):
            self._model = load()
        self.inputs, self.overridable = self._model.inputs, self._model.overridable
        self.outputs, self.metadata = self._model.outputs, self._model.metadata

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Any]:
        """As the model does; raises NotEnoughMemoryError if what it computes does not fit."""
        with needing_memory(f"run {self._name}", self._hint):
            return self._model.run(feeds)
