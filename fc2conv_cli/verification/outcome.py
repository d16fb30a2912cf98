"""What the runs of a comparison came to as a whole."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from fc2conv_cli.verification.inputs import Sizes


@dataclass
class Outcome:
    """What the runs as a whole came to.

    Attributes:
        cases: The sizes that ran.
        runs: Number of runs that were compared.
        failures: What is wrong with the candidate as a whole.
        refusals: Sizes that the reference refuses, and why.
        said: What is to be said besides.
        differs: Whether the last sample did.
        stuck: Whether outputs sit on their bounds on smaller inputs, too.
        varied: The inputs with defaults that took other values.
        overridden: In how many of the runs that were compared fc2conv gave such an input other values.
        read: The values of each input that looks something up.
    """

    cases: list[Sizes] = field(default_factory=list)
    runs: int = 0
    failures: list[str] = field(default_factory=list)
    refusals: list[tuple[Sizes, str]] = field(default_factory=list)
    said: tuple[str, ...] = ()
    differs: bool = False
    stuck: bool = False
    varied: set[str] = field(default_factory=set)
    overridden: Counter[str] = field(default_factory=Counter)
    read: dict[str, set[int]] = field(default_factory=dict)

    def add(self, other: Outcome) -> None:
        """Take in more runs; what they refused does not matter."""
        self.cases.extend(other.cases)
        self.runs += other.runs
        self.varied |= other.varied
        self.overridden += other.overridden
        self.failures.extend(other.failures)
        self.said = tuple(dict.fromkeys((*self.said, *other.said)))
        for name, values in other.read.items():
            self.read.setdefault(name, set()).update(values)

    @property
    def ran(self) -> bool:
        """Whether there is a result."""
        return bool(self.runs or self.failures)

    def notes_on(self, reference: str) -> tuple[str, ...]:
        """What was said before, and one note for all sizes that the reference itself refuses."""
        if not self.refusals:
            return self.said
        sizes = "; ".join(sizes_text(sizes) or "any" for sizes, _ in self.refusals)
        return (*self.said, f"{reference} itself does not run at {sizes}: {self.refusals[0][1]}")


def sizes_text(sizes: Sizes) -> str:
    """``N=1, S=3``."""
    return ", ".join(f"{name}={size}" for name, size in sizes.items())
