from __future__ import annotations

import math

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fc2conv_cli.verification.measures import Sums, looks_like_scores, ulp_distance


def measured(*pairs: tuple[list, list], dtype: str = "float32"):
    sums = Sums()
    for ours, theirs in pairs:
        sums.add(np.array(ours, dtype), np.array(theirs, dtype))
    return sums.measures


def test_figures_are_over_all_runs() -> None:
    m = measured(([1, 2], [1, 3]), ([4], [2]))
    assert m.mean_abs == pytest.approx(1.0)
    assert m.rmse == pytest.approx(math.sqrt(5 / 3))
    ours, theirs = np.array([1, 2, 4.0]), np.array([1, 3, 2.0])
    assert m.cosine == pytest.approx(ours @ theirs / np.linalg.norm(ours) / np.linalg.norm(theirs))
    assert m.sqnr_db == pytest.approx(10 * math.log10(21 / 5))


def test_equal_models() -> None:
    m = measured(([1, 2], [1, 2]))
    assert (m.mean_abs, m.rmse, m.cosine, m.sqnr_db, m.max_ulp) == (0, 0, 1, math.inf, 0)


def test_only_zeros_in_the_original() -> None:
    m = measured(([0, 0], [1, 0]))
    assert (m.cosine, m.sqnr_db) == (0.0, -math.inf)


def test_places_that_are_not_finite_do_not_count() -> None:
    m = measured(([1, math.nan, math.inf], [2, 5, 1]))
    assert m.mean_abs == 1
    assert measured(([math.nan], [math.nan])) is None


def test_top1_counts_rows() -> None:
    scores = np.array([[1, 2], [3, 1], [0, 5]], np.float32)
    sums = Sums()
    sums.add(scores, np.array([[1, 2], [1, 3], [0, 4]], np.float32))
    assert sums.measures.top1 == pytest.approx(2 / 3)
    assert not looks_like_scores(np.zeros((3, 1), np.float32))
    assert not looks_like_scores(np.zeros((3, 2), np.int64))
    assert not looks_like_scores(np.zeros((3, 2, 2), np.float32))


def test_integers_have_no_ulp() -> None:
    assert measured(([1, 2], [1, 4]), dtype="int32").max_ulp is None


@given(hnp.arrays(np.float32, 8, elements=st.integers(-(10**6), 10**6).map(float)), st.integers(0, 100))
def test_steps_from_float_to_float_are_counted(array: np.ndarray, steps: int) -> None:
    moved = array.copy()
    for _ in range(steps):
        moved = np.nextafter(moved, np.float32(np.inf))
    assert ulp_distance(array, moved) == steps


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32, np.float64])
def test_both_zeros_and_both_signs(dtype: type) -> None:
    zero, tiny = (
        np.zeros(1, dtype),
        np.array([np.finfo(np.float64).tiny if dtype is np.float64 else 1e-7]).astype(dtype),
    )
    assert ulp_distance(zero, -zero) == 0
    assert ulp_distance(tiny, -tiny) == 2 * ulp_distance(zero, tiny)
