"""Every mutant of every model, once: its effect and the gate's verdict."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from effects import Effect, effect
from mutants import MUTANTS, Mutant
from subjects import BUILDERS, Subject, prepare

from fc2conv_cli import FC2ConvError, verify


@dataclass(frozen=True)
class Outcome:
    """What a mutant does, and what the gate says.

    Attributes:
        effect: By our own runs.
        stopped: Whether `verify` does not let it pass.
        refused: The error, if it could not be compared at all (exit code 2).
    """

    effect: Effect
    stopped: bool
    refused: str = ""

    @property
    def is_hole(self) -> bool:
        """Whether something wrong passes."""
        return self.effect.above and not self.stopped

    @property
    def verdict(self) -> str:
        """For the table."""
        if self.is_hole:
            return "PASSES"
        if self.stopped:
            return "fails"
        return "passes: no effect" if self.effect.delta == 0 else "passes: within tolerance"


class Battery:
    """Makes models and outcomes when they are asked for, each once."""

    def __init__(self, folder: Path) -> None:
        """Work in this folder."""
        self._folder = folder
        self._subjects: dict[str, Subject] = {}
        self._outcomes: dict[tuple[str, str], Outcome | None] = {}

    def subject(self, name: str) -> Subject:
        """A model and its right conversion."""
        if name not in self._subjects:
            self._subjects[name] = prepare(name, self._folder / name)
        return self._subjects[name]

    def outcome(self, name: str, mutant: Mutant) -> Outcome | None:
        """What became of a mutant of a model; None if the model cannot be broken like that."""
        key = name, mutant.title
        if key not in self._outcomes:
            self._outcomes[key] = self._try(self.subject(name), mutant)
        return self._outcomes[key]

    def _try(self, subject: Subject, mutant: Mutant) -> Outcome | None:
        folder = self._folder / "mutant"
        folder.mkdir()
        try:
            path = mutant.make(subject, folder)
            if path is None:
                return None
            found = effect(subject.converted, path)
            try:
                return Outcome(found, not verify(subject.original, path).passed)
            except FC2ConvError as error:
                return Outcome(found, True, str(error))
        finally:
            shutil.rmtree(folder)

    @cached_property
    def all(self) -> dict[str, dict[str, Outcome]]:
        """By model and mutant: every outcome that there is."""
        tried = {name: {m.title: self.outcome(name, m) for m in MUTANTS} for name in BUILDERS}
        return {name: {t: o for t, o in row.items() if o is not None} for name, row in tried.items()}
