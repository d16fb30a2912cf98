"""What indices were chosen from: the scores of an ArgMax or TopK, where two models choose otherwise.

Two classes with the same weights tie on every input: the first of them is what the original says, and no movement of
the inputs parts them, but sums in another order do. So the original's own scores are asked: an index that stands for a
score as good as that of the original's, but for noise, was chosen as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from fc2conv_cli.verification.instrument import Instrumented
from fc2conv_cli.verification.noise import movements
from fc2conv_cli.verification.runner import Model, RunError

Array = npt.NDArray[np.generic]

_SAME_ORDER = frozenset({"Cast", "Identity", "Squeeze", "Unsqueeze", "Reshape", "Flatten"})


@dataclass(frozen=True)
class Choice:
    """An output of indices.

    Attributes:
        scores: The value that they point into.
        axis: Along which axis.
    """

    scores: str
    axis: int


def choice_of(model: Instrumented, output: str) -> Choice | None:
    """What an output chooses from, if it is the indices of an ArgMax, ArgMin or TopK, in any shape."""
    name = output
    while (node := model.makers.get(name)) is not None and node.op_type in _SAME_ORDER:
        name = node.input[0]
    if node is None or node.domain not in ("", "ai.onnx"):
        return None
    if node.op_type in ("ArgMax", "ArgMin"):
        return Choice(node.input[0], _axis(node, 0))
    return Choice(node.input[0], _axis(node, -1)) if node.op_type == "TopK" and name == node.output[1] else None


def _axis(node: onnx.NodeProto, default: int) -> int:
    return next((int(a.i) for a in node.attribute if a.name == "axis"), default)


@dataclass(frozen=True)
class Choices:
    """The choices of a model.

    Attributes:
        read: Reads its file.
        load: Makes a model of it that gives some of its values.
    """

    read: Callable[[], Instrumented]
    load: Callable[[Instrumented, Sequence[str]], Model]

    @cached_property
    def _model(self) -> Instrumented:
        return self.read()

    def times_noise(self, feeds: Mapping[str, Array], name: str, values: tuple[Any, Any]) -> npt.NDArray[np.float64]:
        """How much worse the other choice is at each place of an output, in multiples of the noise of the scores.

        Args:
            feeds: The inputs.
            name: The output.
            values: What the original and the converted model gave.

        Returns:
            0 where the scores are equal; infinite where the two are apart without noise, or nothing is known.
        """
        unknown = np.full(np.shape(values[0]), np.inf)
        try:
            choice = choice_of(self._model, name)
            if choice is None:
                return unknown
            model = self.load(self._model, [choice.scores])
            scores = model.run(feeds)[choice.scores]
            noise = (movements(model, feeds, {choice.scores: scores}) or {}).get(choice.scores, np.zeros(scores.shape))
            ours, theirs = (_picked(scores, choice.axis, each) for each in values)
            moves = np.maximum(*(_picked(noise, choice.axis, each) for each in values))
        except (RunError, ValueError, IndexError):
            return unknown  # it does not run that way, or what it gives does not point into the scores
        with np.errstate(invalid="ignore", divide="ignore"):
            apart = np.abs(ours - theirs)
            return np.where(apart == 0, 0.0, np.nan_to_num(apart / moves, nan=np.inf, posinf=np.inf))


def _picked(array: Array, axis: int, indices: Array) -> npt.NDArray[np.float64]:
    """What an array has at some indices along an axis; raises ValueError or IndexError if they do not fit."""
    shape = list(array.shape)
    shape[axis] = -1
    found = np.take_along_axis(array, indices.reshape(shape).astype(np.int64), axis)
    return found.reshape(indices.shape).astype(np.float64)
