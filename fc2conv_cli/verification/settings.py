"""What the user says of a comparison: how much is run, on which inputs, and what is let pass."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from fc2conv_cli.errors import UsageError
from fc2conv_cli.verification.feeding import Feeding

OutputTolerance = tuple[float | None, float | None]
"""atol and rtol of one output; None for what holds for all."""


MOST_SAMPLES = 100_000
"""More is a mistake."""


@dataclass(frozen=True)
class Settings:
    """How to compare.

    Attributes:
        samples: Number of input sets for each choice of sizes; at least 1.
        seed: Seed of the inputs.
        atol: Absolute tolerance for floats; None for the default of each dtype.
        rtol: Relative tolerance for floats; None for the default of each dtype.
        reference: Run models that onnxruntime has no kernel for in ONNX's reference evaluator.
        outputs: Other tolerances, by the name of the output.
        elementwise: Hold each element to ``atol + rtol * |reference|`` there, as numpy does, not to the largest one.
        accept_ill_conditioned: Let pass what is outside tolerance, but within the model's own rounding noise.
        feeding: On which inputs.
        low_memory: Have one of the two models in memory at a time; what the original gives waits on disk.
    """

    samples: int = 4
    seed: int = 0
    atol: float | None = None
    rtol: float | None = None
    reference: bool = False
    outputs: Mapping[str, OutputTolerance] = field(default_factory=dict)
    elementwise: bool = False
    accept_ill_conditioned: bool = False
    feeding: Feeding = field(default_factory=Feeding)
    low_memory: bool = False

    def __post_init__(self) -> None:
        """Refuse what would make a comparison meaningless.

        Raises:
            UsageError: A tolerance is negative or not finite, samples is below 1, or seed is negative.
        """
        named = [(f"{kind} of output {name!r}", t) for name, both in self.outputs.items() for kind, t in _named(both)]
        for name, tolerance in (*_named((self.atol, self.rtol)), *named):
            if tolerance is not None and not (tolerance >= 0 and math.isfinite(tolerance)):
                raise UsageError(f"{name} is {tolerance}", hint="A tolerance is a number from 0 up.")
        if self.samples > MOST_SAMPLES:
            raise UsageError(f"samples is {self.samples}", hint=f"At most {MOST_SAMPLES:,}: that takes days.")
        if self.samples < 1:
            raise UsageError(f"samples is {self.samples}", hint="At least 1 is needed to compare anything.")
        if self.seed < 0:
            raise UsageError(f"seed is {self.seed}", hint="A seed is a number from 0 up.")

    def tolerances_of(self, output: str) -> OutputTolerance:
        """What the user wants for an output."""
        atol, rtol = self.outputs.get(output, (None, None))
        return self.atol if atol is None else atol, self.rtol if rtol is None else rtol


def _named(both: OutputTolerance) -> tuple[tuple[str, float | None], ...]:
    return (("atol", both[0]), ("rtol", both[1]))


def parse_tolerances(
    atols: Sequence[str], rtols: Sequence[str]
) -> tuple[float | None, float | None, dict[str, OutputTolerance]]:
    """Read ``1e-4`` (for all outputs) and ``logits=1e-4`` (for one).

    Returns:
        atol and rtol for all, and both by output.

    Raises:
        UsageError: One cannot be read, or is there twice.
    """
    atol_of, rtol_of = _by_name("--atol", atols), _by_name("--rtol", rtols)
    everywhere = atol_of.pop("", None), rtol_of.pop("", None)
    return *everywhere, {name: (atol_of.get(name), rtol_of.get(name)) for name in {**atol_of, **rtol_of}}


def _by_name(option: str, texts: Sequence[str]) -> dict[str, float]:
    found: dict[str, float] = {}
    for text in texts:
        name, equals, number = text.rpartition("=")
        if equals and not name:
            hint = f"For example {option} logits=1e-4, or {option} 1e-4 for all outputs."
            raise UsageError(f"{option} {text!r} names no output", hint=hint)
        try:
            tolerance = float(number)
        except ValueError:
            hint = f"For example {option} 1e-4 for all outputs, {option} logits=1e-4 for one."
            raise UsageError(f"{option} {text!r} cannot be read: {number!r} is no number", hint=hint) from None
        if name in found:
            raise UsageError(f"{option} is given twice for {name or 'all outputs'!r}", hint="Give it once.")
        found[name] = tolerance
    return found
