"""Notes of layers: what they say survives the file, and the shapes of a run fill in what is symbolic."""

from __future__ import annotations

import json

import numpy as np
import pytest

from fc2conv_cli.layer_notes import Arrangement, LayerNote
from fc2conv_cli.sizes import Size, shape_of
from fc2conv_cli.views import View

TOKENS = View.transpose(shape_of(["N", "S", 4]), (0, 2, 1))


def merged() -> View:
    """(N*S, 4) from (N, S, 4), which no constant Reshape can spell back."""
    view = View.reshape(shape_of(["N", "S", 4]), (Size(1, ("N", "S")), Size(4)))
    assert view is not None
    return view


def note(**changes: object) -> LayerNote:
    made = LayerNote("fc", "Gemm", "x", "y", (Arrangement.of(TOKENS),), 0, Arrangement.of(TOKENS.inverse()))
    return LayerNote(**{**vars(made), **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("reads", [None, (), (Arrangement.of(TOKENS),), (Arrangement.of(merged()),) * 2])
def test_a_note_comes_back_from_its_text(reads: tuple[Arrangement, ...] | None) -> None:
    written = note(reads=reads, before=2)
    assert LayerNote.from_json(written.to_json()) == written


GOOD = note().to_json()


@pytest.mark.parametrize(
    "text",
    [
        *("", "no JSON", "[]", "{}", "null", '{"layer": 1}'),
        GOOD.replace('"order": [0, 2, 1]', '"order": [0, 0, 1]'),
        GOOD.replace("[0, 2, 1]", '"?"'),
        json.dumps({**json.loads(GOOD), "before": "two"}),
    ],
)
def test_a_file_may_say_anything(text: str) -> None:
    assert LayerNote.from_json(text) is None


def test_symbolic_sizes_come_from_the_run() -> None:
    array = np.arange(24).reshape(2, 3, 4)
    np.testing.assert_array_equal(Arrangement.of(TOKENS).apply(array), array.transpose(0, 2, 1))
    together = Arrangement.of(merged()).apply(array)
    assert together.shape == (6, 4)
    apart = Arrangement.of(merged().inverse())
    np.testing.assert_array_equal(apart.apply(together, (2, 3, 4)), array)
    with pytest.raises(ValueError, match=r"more than one of N, S, 4 is not known"):
        apart.apply(together)


def test_what_does_not_fit_is_refused() -> None:
    arrangement = Arrangement.of(TOKENS)
    with pytest.raises(ValueError, match=r"noted as of 3 axes, and has shape \[2, 12\]"):
        arrangement.apply(np.zeros((2, 12)))
    with pytest.raises(ValueError, match="cannot reshape"):
        arrangement.apply(np.zeros((2, 3, 5)))


def test_an_input_goes_through_all_steps() -> None:
    steps = (Arrangement.of(merged()), Arrangement.of(View.transpose(shape_of(["M", 4]), (1, 0))))
    array = np.arange(24).reshape(2, 3, 4)
    np.testing.assert_array_equal(note(reads=steps).stored_input(array, (4, 6)), array.reshape(6, 4).T)
