"""What the user says of the inputs of a comparison."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from fc2conv_cli.errors import UsageError
from fc2conv_cli.frontends.input_specs import InputSpec

Distribution = Literal["normal", "uniform", "ones", "zeros", "integers"]
"""Of floats: N(0, 1), [0, 1), all 1, all 0, or whole numbers from -3 to 3."""


class Range(NamedTuple):
    """The least and the greatest value of an input; integers take both."""

    low: float
    high: float

    def __str__(self) -> str:
        """As it is given; an int is told in full, since a float of its size need not be the same number."""
        return "..".join(str(bound) if isinstance(bound, int) else f"{bound:g}" for bound in (self.low, self.high))


@dataclass(frozen=True)
class Feeding:
    """On which inputs to compare.

    Attributes:
        data: A file or folder that holds them; None for random ones.
        dims: The sizes that a dynamic dim is to take, by its name.
        specs: Shapes of single inputs.
        distribution: Of random floats.
        ranges: Of random values, by input; uniform in between.
    """

    data: Path | None = None
    dims: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    specs: tuple[InputSpec, ...] = ()
    distribution: Distribution = "normal"
    ranges: Mapping[str, Range] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what contradicts itself.

        Raises:
            UsageError: Data is given, and how to make some up.
        """
        made_up = {"--dim": self.dims, "--input": self.specs, "--range": self.ranges}
        made_up["--distribution"] = () if self.distribution == "normal" else (self.distribution,)
        if self.data is not None and (named := [option for option, given in made_up.items() if given]):
            raise UsageError(f"--inputs gives the inputs, {', '.join(named)} makes them up", hint="Leave one out.")


def parse_dims(texts: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """Read ``N=1,3,16``.

    Raises:
        UsageError: One cannot be read, or is there twice.
    """
    found: dict[str, tuple[int, ...]] = {}
    for text in texts:
        name, equals, sizes = text.rpartition("=")
        if not equals or not name or not re.fullmatch(r"[0-9]{1,9}(,[0-9]{1,9})*", sizes):
            hint = "For example --dim N=1,3,16: the name of a dynamic dim, and the sizes that it is to take."
            raise UsageError(f"--dim {text!r} cannot be read", hint=hint)
        if name in found:
            raise UsageError(f"--dim names {name!r} twice", hint="Give all its sizes at once.")
        found[name] = tuple(dict.fromkeys(map(int, sizes.split(","))))
    return found


def parse_ranges(texts: Sequence[str]) -> dict[str, Range]:
    """Read ``ids:0..511``; a name may have colons in it.

    Raises:
        UsageError: One cannot be read, is there twice, or is empty.
    """
    found: dict[str, Range] = {}
    for text in texts:
        name, _, bounds = text.rpartition(":")
        try:
            low, high = map(_bound, bounds.split(".."))
        except (ValueError, OverflowError):
            low = high = math.nan
        if not name or not (math.isfinite(low) and math.isfinite(high)):
            raise UsageError(f"--range {text!r} cannot be read", hint="For example --range ids:0..511 or x:-1..1.")
        if low > high:
            raise UsageError(f"--range {text!r} is empty", hint="The lower bound comes first.")
        if name in found:
            raise UsageError(f"--range names {name!r} twice", hint="Give each input once.")
        found[name] = Range(low, high)
    return found


def _bound(text: str) -> float:
    """An int if it is one: a float would round those beyond 2**53."""
    number = float(text)
    try:
        return int(text) if math.isfinite(number) else number
    except ValueError:
        return number
