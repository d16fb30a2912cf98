from __future__ import annotations

import numpy as np
import pytest

from fc2conv_cli.verification.metrics import Tolerance, compare, tolerance_for

NONE = Tolerance(0.0, 0.0)
NAN, INF = float("nan"), float("inf")


def array(*numbers: float, dtype: type = np.float32) -> np.ndarray:
    return np.array(numbers, dtype)


def test_the_largest_deviation_is_found_with_its_place_and_values() -> None:
    found = compare(array(1, -4, 2), array(1, -3.5, 2.25), Tolerance(0.1, 0.1))
    assert (found.max_abs, found.max_reference, found.index) == (0.5, 4.0, (1,))
    assert (found.reference, found.converted) == (-4.0, -3.5)
    assert found.passed
    assert found.max_relative == 0.125
    assert found.rtol_to_pass(0.1) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("atol", "rtol", "passed"), [(0.5, 0, True), (0.49, 0, False), (0, 0.125, True), (0, 0.124, False)]
)
def test_the_gate(atol: float, rtol: float, passed: bool) -> None:
    assert compare(array(1, -4), array(1, -3.5), Tolerance(atol, rtol)).passed is passed


@pytest.mark.parametrize("odd", [NAN, INF, -INF])
def test_what_is_not_finite_must_be_so_on_both_sides(odd: float) -> None:
    assert compare(array(1, odd), array(1, odd), NONE).passed
    found = compare(array(1, odd), array(1, odd), NONE)
    assert found.nans + found.infinities == 0.5
    for ours, theirs in ((odd, 2.0), (2.0, odd)):
        found = compare(array(1, ours), array(1, theirs), Tolerance(1e9, 1e9))
        assert not found.passed
        assert found.index == (1,)
        assert found.rtol_to_pass(0) == INF


def test_infinities_of_opposite_sign_differ() -> None:
    assert not compare(array(INF), array(-INF), Tolerance(1e9, 1e9)).passed
    assert not compare(array(INF), array(NAN), Tolerance(1e9, 1e9)).passed


def test_a_reference_of_zeros_passes_on_atol_alone() -> None:
    assert compare(array(0, 0), array(0, 1e-6), Tolerance(1e-5, 0)).passed
    assert not compare(array(0, 0), array(0, 1e-4), Tolerance(1e-5, 10)).passed


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int64, np.bool_])
def test_integers_and_booleans_must_be_equal(dtype: type) -> None:
    tolerance = tolerance_for(np.dtype(dtype).name, 1.0, 1.0)
    assert compare(array(0, 1, dtype=dtype), array(0, 1, dtype=dtype), tolerance).passed
    assert not compare(array(0, 1, dtype=dtype), array(0, 0, dtype=dtype), tolerance).passed


def test_large_integers_one_apart_are_told_apart() -> None:
    big = 2**60
    assert not compare(array(big, dtype=np.int64), array(big + 1, dtype=np.int64), NONE).passed


def test_unsigned_integers_do_not_wrap() -> None:
    assert compare(array(0, dtype=np.uint8), array(255, dtype=np.uint8), NONE).max_abs == 255


def test_strings_are_compared_as_they_are() -> None:
    assert compare(np.array(["a"], object), np.array(["a"], object), NONE).passed
    assert compare(np.array(["a"], object), np.array(["b"], object), NONE).converted == "b"


def test_nothing_is_the_same_as_nothing() -> None:
    assert compare(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.float32), NONE).passed


def test_defaults_by_dtype() -> None:
    assert tolerance_for("float32", None, None) == Tolerance(1e-5, 1e-5)
    assert tolerance_for("float16", None, None) == Tolerance(1e-3, 5e-3)
    assert tolerance_for("float32", 0.5, None) == Tolerance(0.5, 1e-5)
    assert tolerance_for("int32", 0.5, 0.5) == NONE


def test_the_element_that_is_shown_is_the_one_that_takes_most_of_what_it_is_allowed() -> None:
    ours, theirs = np.array([1000, 0.0, 1.0], np.float32), np.array([1000.01, 0.0, 1.0001], np.float32)
    loose = compare(ours, theirs, Tolerance(1e-3, 1e-3, elementwise=True))
    assert (loose.passed, loose.index) == (True, (2,))  # and not the second, which is least but has no difference
    strict = compare(ours, theirs, Tolerance(0.0, 1e-5, elementwise=True))
    assert (strict.passed, strict.index) == (False, (2,))
    assert compare(np.array([1, 5]), np.array([2, 9]), Tolerance(0.0, 0.0)).index == (1,)
