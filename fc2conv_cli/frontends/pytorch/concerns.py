"""The warnings of PyTorch that a user has to know of, in our words. The others are about PyTorch's own workings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sized

_PLACE = re.compile(r"\(([^()]*:\d+)\)$")

_ONE_BATCH = "the recurrent layer was exported for one batch size, and may not run with another"

_CONCERNS = (
    (
        re.compile(r"Converting a tensor to a Python (boolean|index)|iterating over a tensor", re.IGNORECASE),
        "tracing fixed a branch or a loop of the model{place}: it does for all inputs what it did for the example",
    ),
    (
        re.compile(r"TracerWarning.*(constant|Python (integer|number|float|list|NumPy))", re.IGNORECASE | re.DOTALL),
        "tracing turned a value of the model into a constant{place}: it stays what the example inputs made it",
    ),
    (
        re.compile(r"truncat", re.IGNORECASE),
        "PyTorch cut a constant down to what ONNX can hold{place}",
    ),
    (
        re.compile(r"Trace had nondeterministic nodes|output of the traced function does not match", re.IGNORECASE),
        "the traced model does not give the same results in every run",
    ),
    (
        re.compile(r"variable length with (LSTM|GRU|RNN)", re.IGNORECASE),
        _ONE_BATCH,
    ),
    (
        re.compile(r"is set to train=True", re.IGNORECASE),
        "a part of the model is in training mode, and was exported as such",
    ),
)
"""What PyTorch says, and what that means for the user. ``{place}`` is the file and line that it names."""


def concerns(said: Iterable[str]) -> tuple[str, ...]:
    """What of PyTorch's warnings matters, each once."""
    found: dict[str, None] = {}
    for text in said:
        for pattern, words in _CONCERNS:
            if pattern.search(text):
                place = _PLACE.search(text)
                found[words.format(place=f" ({place[1]})" if place and "Tracer" in text else "")] = None
                break
    return tuple(found)


def unsettled(notes: Iterable[str], cases: Sized) -> tuple[str, ...]:
    """The notes, without the concerns that a comparison has answered.

    Args:
        notes: What is to be said of a model.
        cases: The sizes of the dynamic dims at which PyTorch and the export agreed.
    """
    return tuple(note for note in notes if note != _ONE_BATCH or len(cases) < 2)
