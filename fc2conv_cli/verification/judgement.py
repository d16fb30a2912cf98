"""By what a saved report is to be judged instead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fc2conv_cli.verification.settings import OutputTolerance, Settings


@dataclass(frozen=True)
class Judgement:
    """What takes the place of what the run was judged by; None leaves that as it was.

    Attributes:
        atol: Absolute tolerance for floats.
        rtol: Relative tolerance for floats.
        outputs: Other tolerances, by the name of the output.
        elementwise: Whether each element is held to ``atol + rtol * |reference|`` there, not to the largest one.
        accept_ill_conditioned: Whether what is within the model's own rounding noise is let pass.
    """

    atol: float | None = None
    rtol: float | None = None
    outputs: Mapping[str, OutputTolerance] = field(default_factory=dict)
    elementwise: bool | None = None
    accept_ill_conditioned: bool | None = None

    def __post_init__(self) -> None:
        """Refuse what is no tolerance.

        Raises:
            UsageError: A tolerance is negative or not finite.
        """
        Settings(atol=self.atol, rtol=self.rtol, outputs=self.outputs)

    def __bool__(self) -> bool:
        """Whether anything is to be judged otherwise."""
        return self.bears_on_tolerances or self.accept_ill_conditioned is not None

    @property
    def bears_on_tolerances(self) -> bool:
        """Whether a tolerance is another one, and not only what is let pass beyond it."""
        return bool(self.outputs) or any(given is not None for given in (self.atol, self.rtol, self.elementwise))

    def tolerances_of(self, output: str) -> OutputTolerance:
        """What is wanted for an output."""
        atol, rtol = self.outputs.get(output, (None, None))
        return self.atol if atol is None else atol, self.rtol if rtol is None else rtol

    @property
    def words(self) -> str:
        """The same for people: ``atol 0.1 (logits: rtol 0.2), elementwise``."""
        said = [f"{name} {value:g}" for name, value in (("atol", self.atol), ("rtol", self.rtol)) if value is not None]
        for output, both in self.outputs.items():
            numbers = " and ".join(f"{n} {v:g}" for n, v in zip(("atol", "rtol"), both, strict=True) if v is not None)
            said.append(f"{numbers} of {output!r}")
        for given, name in ((self.elementwise, "elementwise"), (self.accept_ill_conditioned, "accept-ill-conditioned")):
            if given is not None:
                said.append(name if given else f"no-{name}")
        return " and ".join(said)
