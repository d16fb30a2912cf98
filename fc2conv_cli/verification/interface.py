"""Whether two models have the same inputs and outputs: names, order, types, ranks and static dims."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from fc2conv_cli.verification.runner import Port

_FROZEN = " (if it was converted with --freeze-inputs, verify takes that option too)"


def compare_inputs(ours: Sequence[Port], theirs: Sequence[Port], defaults: Collection[str] = ()) -> list[str]:
    """What is different about the converted model's inputs, in words.

    Args:
        ours: Those of the original.
        theirs: Those of the converted model.
        defaults: Names of those of the original that have a default.
    """
    known = {port.name: port for port in theirs}
    found = [
        f"input {p.name!r} is missing from the converted model{_FROZEN if p.name in defaults else ''}"
        for p in ours
        if p.name not in known
    ]
    names = [port.name for port in ours]
    found.extend(f"input {p.name!r} is not in the original" for p in theirs if p.name not in names)
    for port in ours:
        if port.name in known:
            found.extend(f"input {port.name!r} {what}" for what in differences(port, known[port.name]))
    return found or _compare_order("inputs", names, [port.name for port in theirs])


def compare_outputs(ours: Sequence[Port], theirs: Sequence[Port]) -> tuple[dict[str, list[str]], list[str]]:
    """What is different about each output of the original, by name, and about the outputs as a whole."""
    known = {port.name: port for port in theirs}
    each = {port.name: _compare_output(port, known.get(port.name)) for port in ours}
    extra = [f"output {name!r} is not in the original" for name in known if name not in each]
    return each, extra or _compare_order("outputs", list(each), list(known))


def _compare_order(what: str, ours: list[str], theirs: list[str]) -> list[str]:
    if ours == theirs or set(ours) != set(theirs):
        return []
    return [f"the {what} are in another order: {theirs}, were {ours}"]


def _compare_output(ours: Port, theirs: Port | None) -> list[str]:
    """Names and types; the runs compare shapes, since onnxruntime's own inference of them can be wrong."""
    if theirs is None:
        return ["is missing from the converted model"]
    return [] if ours.type == theirs.type else [f"is {theirs.type}, was {ours.type}"]


def differences(ours: Port, theirs: Port) -> list[str]:
    """What is different about one port. A dim that only one side knows is none: it shows in the runs."""
    found = []
    if ours.type != theirs.type:
        found.append(f"is {theirs.type}, was {ours.type}")
    # Onnxruntime's Python gives () for a scalar and for an unknown rank alike; the runs will tell.
    if ours.shape and theirs.shape and not agree(ours.shape, theirs.shape):
        found.append(f"has shape {shape_text(theirs.shape)}, was {shape_text(ours.shape)}")
    return found


def agree(ours: Sequence[int | str | None], theirs: Sequence[int | str | None]) -> bool:
    """Whether two declared shapes have the same rank, and the same size where both say one."""
    pairs = zip(ours, theirs, strict=False)
    return len(ours) == len(theirs) and all(a == b for a, b in pairs if isinstance(a, int) and isinstance(b, int))


def shape_text(shape: Sequence[int | str | None]) -> str:
    """A declared shape for people."""
    return "[" + ", ".join("?" if dim is None else str(dim) for dim in shape) + "]"
