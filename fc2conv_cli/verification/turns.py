"""Two models of which one is in memory at a time, for those that do not fit beside each other.

The original runs on everything first, and what it gives is kept on disk; then the other model takes its place, and the
comparison finds the original's results as if it ran. Only for what was not asked before (how much the original moves
by itself where the two differ) do the models change places again.
"""

from __future__ import annotations

import contextlib
import hashlib
import pickle
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fc2conv_cli.verification.cost import Measured
from fc2conv_cli.verification.runner import Array, Model, RunError


@dataclass(frozen=True)
class Room:
    """Where models are loaded: beside each other, or one at a time.

    Attributes:
        turns: Who is in, if there is room for one only.
        folder: Where its results wait then.
    """

    turns: Turns | None = None
    folder: Path | None = None

    def load(self, load: Callable[[], Model]) -> Measured:
        """Load a model; raises what that raises."""
        turns = self.turns
        if turns is not None:
            turns.clear()  # before it is measured what the next one takes
        return Measured.load(load if turns is None else lambda: turns.model(load))

    def recorded(self, model: Model) -> Model:
        """A model that need not run again on what it ran on, if it may have to be loaded again for that."""
        return model if self.folder is None else Recorded(model, self.folder)


@contextlib.contextmanager
def room_for(*, one: bool) -> Iterator[Room]:
    """Room for two models, or for one; nothing is left on disk."""
    if not one:
        yield Room()
        return
    with tempfile.TemporaryDirectory(prefix="fc2conv-") as folder:
        yield Room(Turns(), Path(folder))


class Turns:
    """Room for one model."""

    def __init__(self) -> None:
        """Begin with none."""
        self._inside: _Turn | None = None

    def model(self, load: Callable[[], Model]) -> Model:
        """A model that is loaded when it is its turn: now, and when it runs after another one did.

        Args:
            load: Loads it; what it raises is raised here.
        """
        return _Turn(self, load)

    def clear(self) -> None:
        """Let the model that is inside go."""
        if self._inside is not None:
            self._inside.leave()
        self._inside = None

    def enter(self, turn: _Turn) -> None:
        """Let a model in, in the place of the one that is inside."""
        self.clear()
        self._inside = turn


class _Turn:
    """The counterpart of a model that may have to be loaded again."""

    def __init__(self, turns: Turns, load: Callable[[], Model]) -> None:
        self._turns, self._load = turns, load
        self._model: Model | None = None
        model = self._loaded()
        self.inputs, self.overridable, self.outputs = model.inputs, model.overridable, model.outputs
        self.metadata = model.metadata

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Any]:
        return self._loaded().run(feeds)

    def leave(self) -> None:
        self._model = None

    def _loaded(self) -> Model:
        if self._model is None:
            self._turns.enter(self)
            self._model = self._load()
        return self._model


class Recorded:
    """A model whose results are kept in a folder: the same inputs are not run twice."""

    def __init__(self, model: Model, folder: Path) -> None:
        """Keep the results of a model in a folder that is there and has nothing else in it."""
        self._model, self._folder = model, folder
        self.inputs, self.overridable, self.outputs = model.inputs, model.overridable, model.outputs
        self.metadata = model.metadata

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Any]:
        """What the model gives, or gave before; raises RunError if it does, or did."""
        kept = self._folder / _digest(feeds)
        if not kept.exists():
            try:
                found: dict[str, Any] | str = self._model.run(feeds)
            except RunError as error:
                found = str(error)
            kept.write_bytes(pickle.dumps(found, pickle.HIGHEST_PROTOCOL))
        else:
            found = pickle.loads(kept.read_bytes())
        if isinstance(found, str):
            raise RunError(found)
        return found


def _digest(feeds: Mapping[str, Array]) -> str:
    found = hashlib.sha256()
    for name in sorted(feeds):
        array = feeds[name]
        found.update(repr((name, array.dtype.name, array.shape)).encode())
        found.update(pickle.dumps(array) if array.dtype == object else array.tobytes())
    return found.hexdigest()
