"""Sizes and values that the user asks for and the original does not take: there nothing can be compared."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from fc2conv_cli.errors import UsageError
from fc2conv_cli.verification.feeding import Feeding, Range

Sizes = Mapping[str, int]


def refuse_sizes(
    feeding: Feeding,
    dims: Mapping[str, Sequence[int]],
    free: Collection[str],
    ran: Sequence[Sizes],
    refused: Sequence[tuple[Sizes, str]],
) -> None:
    """Refuse sizes that were asked for, and at which nothing ran; sizes that nobody asked for are no error.

    Args:
        feeding: What the user says.
        dims: The sizes that he wants a dim to take.
        free: The dims of which he says nothing.
        ran: The sizes that the original ran at.
        refused: Those that it refused, and why.

    Raises:
        UsageError: There are such.
    """
    for sizes, why in refused:
        never = [f"{n}={sizes[n]}" for n in dims if n in sizes and all(case.get(n) != sizes[n] for case in ran)]
        if not never and not free and sizes not in ran:
            never = [f"{name}={size}" for name, size in sizes.items()]
        if never:
            option = "--dim" if any(name in feeding.dims for name in dims) else "--input"
            problem = f"{option} {', '.join(never)}: the original does not run there: {why}"
            raise UsageError(problem, hint="Give sizes that it takes.")


def refuse_ranges(ranges: Mapping[str, Range], runs_with: Callable[[Mapping[str, Range]], bool], why: str) -> None:
    """Refuse ranges without which the original runs.

    Args:
        ranges: Those that the user gives.
        runs_with: Whether it runs on inputs of the same sizes with these only.
        why: What it says with all of them.

    Raises:
        UsageError: It does not take the values of one, or of some together.
    """
    if not ranges or not runs_with({}):
        return
    alone = [name for name in ranges if runs_with({other: r for other, r in ranges.items() if other != name})]
    given = [f"{name}:{ranges[name]}" for name in alone[:1] or ranges]
    problem = f"--range {', '.join(given)}: the original does not take these values: {why}"
    raise UsageError(problem, hint="Give a range that it takes.")
