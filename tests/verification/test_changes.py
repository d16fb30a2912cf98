from __future__ import annotations

import numpy as np
import pytest

from fc2conv_cli.verification.changes import Changes


def changes(*outputs: object) -> Changes:
    found = Changes()
    for i, output in enumerate(outputs):
        found.add({"": np.asarray(output)}, bytes([i]))
    return found


def test_an_output_that_changes_says_nothing() -> None:
    assert changes([1.0, 2.0], [1.0, 2.5]).note(1e-5, 1e-5) is None
    assert changes(["a"], ["b"]).note(0, 0) is None
    assert changes([1.0], [np.nan]).note(1e-5, 1e-5) is None
    assert changes([True], [False]).note(0, 0) is None


@pytest.mark.parametrize("value", [[1.0, 2.0], [np.nan, np.inf], ["a"], [3], [False]])
def test_an_output_that_does_not(value: list[object]) -> None:
    note = changes(value, value, value).note(1e-5, 1e-5)
    assert note is not None
    assert "does not change with the input" in note


def test_a_change_within_tolerance_could_hide_any_fault() -> None:
    note = changes([100.0], [100.0001]).note(1e-5, 1e-5)
    assert note is not None
    assert "by 0.0001 at most, which is within tolerance" in note
    assert changes([100.0], [100.1]).note(1e-5, 1e-5) is None


def test_one_run_of_each_shape_says_nothing() -> None:
    assert changes([1.0]).note(1e-5, 1e-5) is None
    assert changes([1.0], [1.0, 1.0]).note(1e-5, 1e-5) is None
    assert changes([], []).note(1e-5, 1e-5) is None
