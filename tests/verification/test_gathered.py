from __future__ import annotations

import numpy as np
import pytest

from fc2conv_cli.verification.gathered import Gathered
from fc2conv_cli.verification.runner import Port

ADVICE = "; give inputs like those in use (--inputs); fc2conv verify --per-layer compares each layer"


def notes(*values: np.ndarray) -> tuple[str, ...]:
    """What is said of an output that has these values in both models, one after the other."""
    gathered = Gathered(Port("y", "tensor(float)", (4,)), (None, None), False, "float32")
    for number, value in enumerate(values):
        gathered.add(value, value, "", bytes([number]))
    return gathered.notes


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ((np.full(4, np.nan, np.float32),), "no finite value was compared, so this shows nothing"),
        ((np.zeros(4, np.float32),), "all values are 0, so this shows nothing"),
        ((np.array([0, 1, 1, 0]),), "every value of every run is 0 or 1, so this shows little"),
        ((np.float32([1, 2, 3, 4]),) * 2, "it does not change with the input, so this shows nothing of what is before"),
        (
            (np.float32([1, 2, 3, 4]), np.float32([1, 2, 3, 4.00001])),
            "it changes with the input by 1e-05 at most, which is within tolerance: this shows little",
        ),
    ],
)
def test_what_shows_little_says_what_to_do(values: tuple[np.ndarray, ...], said: str) -> None:
    (note,) = (note for note in notes(*values) if note.startswith(said))
    assert note.endswith(ADVICE)
    assert note.count("--inputs") == 1


def test_saturation_and_a_wide_atol_say_it_once() -> None:
    rng = np.random.default_rng(0)
    (note,) = (note for note in notes(*(rng.integers(0, 2, 400).astype(np.float32) for _ in range(9))) if "%" in note)
    assert note.endswith(ADVICE)
    assert notes(np.float32([1e-6, 2e-6, 3e-6, 0])) == (
        "all values are within atol (3e-06), so this shows little: give a smaller --atol",
    )


def test_values_that_tell_something_need_no_advice() -> None:
    assert notes(np.float32([1, 2, 3, 4]), np.float32([2.5, 3.5, 1.5, 2.2])) == ()
