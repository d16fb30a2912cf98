"""Einsum of two operands, one of them constant, that sums over something: the general form of a layer."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from fc2conv_cli.contraction import Contraction
from fc2conv_cli.layers import reasons
from fc2conv_cli.layers.context import Context
from fc2conv_cli.records import FullyConnected, Skip
from fc2conv_cli.sizes import ONE, Size, shape_of
from fc2conv_cli.views import Axis, axis

_ELLIPSIS = "..."
_Terms = tuple[list[str], list[str], list[str]]


def match(node: ir.Node, context: Context) -> FullyConnected | Skip | None:
    """Read an Einsum node as a fully connected layer; None if it is nothing like one."""
    if len(node.inputs) != 2:
        return None if len(node.inputs) < 2 else Skip(node, reasons.EINSUM, "it has more than two operands")
    operands = context.operands(node)
    if isinstance(operands, Skip):
        return operands
    equation = node.attributes.get_string("equation") or ""
    x, shape, weight, weight_is_left = operands
    shapes = (shape_of(weight.shape), shape) if weight_is_left else (shape, shape_of(weight.shape))
    terms = _parse(equation, len(shapes[0]), len(shapes[1]))
    if isinstance(terms, str):
        return Skip(node, reasons.EINSUM, f"{terms} in {equation!r}")
    first, second, output = terms
    letters = _Letters(
        dict(zip(second if weight_is_left else first, shape, strict=True)),
        dict(zip(first if weight_is_left else second, shape_of(weight.shape), strict=True)),
        output,
    )
    if (problem := letters.problem()) is not None:
        return Skip(node, problem[0], f"{problem[1]} in {equation!r}")
    return FullyConnected(node, "Einsum", x, node.outputs[0], weight, letters.contraction(), absorbed=(node,))


def _parse(equation: str, left_rank: int, right_rank: int) -> _Terms | str:
    """The letters of both operands and of the output, ellipses spelled out; or what is wrong."""
    sides, arrow, output = equation.replace(" ", "").partition("->")
    parts = sides.split(",")
    if len(parts) != 2:
        return "there are not two terms"
    terms = [_letters(part, rank) for part, rank in zip(parts, (left_rank, right_rank), strict=True)]
    if None in terms:
        return "a term does not fit the rank of its operand"
    first, second = (t for t in terms if t is not None)
    if any(len(set(term)) != len(term) for term in (first, second)):
        return "a letter is repeated within a term"
    dots = max((_dots(first), _dots(second)), key=len)
    if arrow:
        result = [*_letters_before(output), *dots, *_letters_after(output)] if _ELLIPSIS in output else list(output)
    else:
        once = [c for c in first + second if len(c) == 1 and (first + second).count(c) == 1]
        result = [*dots, *sorted(once)]
    if len(set(result)) != len(result):
        return "a letter is repeated in the output"
    return first, second, result


def _letters(term: str, rank: int) -> list[str] | None:
    """One label an axis; the axes of an ellipsis are counted from its end, as broadcasting pairs them."""
    if _ELLIPSIS not in term:
        return list(term) if len(term) == rank else None
    before, after = _letters_before(term), _letters_after(term)
    hidden = rank - len(before) - len(after)
    return None if hidden < 0 else [*before, *(f"...{i}" for i in range(hidden, 0, -1)), *after]


def _letters_before(term: str) -> list[str]:
    return list(term.partition(_ELLIPSIS)[0])


def _letters_after(term: str) -> list[str]:
    return list(term.partition(_ELLIPSIS)[2])


def _dots(term: list[str]) -> list[str]:
    return [label for label in term if label.startswith(_ELLIPSIS)]


@dataclass(frozen=True)
class _Letters:
    """Sizes by letter in the activation and in the weight, and the letters of the output."""

    x: dict[str, Size]
    w: dict[str, Size]
    y: list[str]

    def problem(self) -> tuple[reasons.Reason, str] | None:
        """Why this is no layer, if it is none."""
        for letter in self.x.keys() & self.w.keys():
            ours, theirs = self.x[letter], self.w[letter]
            if ours.static is None and letter in self.y and not theirs.is_one:
                return reasons.AMBIGUOUS_BROADCAST, f"{ours} against {theirs}"
            if ours.static is not None and ours != theirs and not (ours.is_one or theirs.is_one):
                return reasons.INVALID_SHAPES, f"{letter} is {ours} and {theirs}"
            if letter not in self.y and ours != theirs and (ours.static is not None or theirs.is_one):
                return reasons.EINSUM, f"{letter} broadcasts though it is summed over"
        lone = [c for c in (*self.x, *self.w) if c not in self.y and not (c in self.x and c in self.w)]
        if lone:
            return reasons.EINSUM, f"{lone[0]} is summed over one operand alone"
        if not [c for c in self.x if c in self.w and c not in self.y]:
            return reasons.EINSUM, "nothing is summed over"
        return None

    def contraction(self) -> Contraction:
        """The layer."""
        return Contraction(
            tuple(self._axis(c, self.x) for c in self.x),
            tuple(self._axis(c, self.w) for c in self.w),
            tuple(self._axis(c, None) for c in self.y),
            self._positions(),
        )

    def _axis(self, letter: str, operand: dict[str, Size] | None) -> Axis:
        """The axis of a letter: empty where an operand of size 1 broadcasts."""
        if operand is not None and operand[letter].is_one:
            return ()
        return axis(letter, self._size(letter))

    def _size(self, letter: str) -> Size:
        weight = self.w.get(letter, ONE)
        return self.x.get(letter, ONE) if weight.is_one else weight

    def _positions(self) -> tuple[Axis, ...]:
        """The output's axes that come from the activation; the first is the batch, unless an out axis precedes it."""
        kept = [c for c in self.y if c in self.x]
        axes = tuple(() if not self.w.get(c, ONE).is_one else self._axis(c, self.x) for c in kept)
        leads = self.y and self.y[0] not in self.x
        return ((), *axes) if len(axes) == 1 and leads else axes
