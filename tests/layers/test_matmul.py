from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers import FLOAT16, check, converted, matmul, ops, random
from hypothesis import given, settings
from hypothesis import strategies as st

from fc2conv_cli.layers import reasons


@settings(max_examples=60)
@given(
    dims=st.lists(st.sampled_from(["A", "B", "C", 1, 2, 3]), max_size=4),
    k=st.integers(1, 6),
    m=st.integers(1, 5),
    bias=st.sampled_from([None, 1, 2, 3]),
    opset=st.sampled_from([7, 11, 13, 21, 25]),
)
def test_every_rank(
    tmp_path_factory: pytest.TempPathFactory, dims: list, k: int, m: int, bias: int | None, opset: int
) -> None:
    dims = [d if isinstance(d, int) else f"{d}{i}" for i, d in enumerate(dims)]
    b = None if bias is None else random((1,) * (bias - 1) + (m,), seed=5)
    proto = matmul([*dims, k], random((k, m)), b, opset=opset)
    shapes = [[d if isinstance(d, int) else s + i for i, d in enumerate(dims)] + [k] for s in (1, 3)]
    left = check(proto, tmp_path_factory.mktemp("matmul"), shapes)
    assert "MatMul" not in left
    assert "Add" not in left
    assert left.count("Conv") == 1


@pytest.mark.parametrize(
    ("x", "w"),
    [
        ((2, 3, 4), (2, 4, 3)),
        ((1, 2, 3, 4), (1, 2, 4, 3)),
        ((3, 1, 3, 4), (1, 2, 4, 2)),
        ((4,), (2, 4, 1)),
        ((5, 4), (2, 3, 4, 6)),
        ((2, 1, 5, 4), (3, 4, 6)),
        ((1, 2, 4, 3), (3,)),
        ((3,), (3,)),
    ],
)
@pytest.mark.parametrize("left", [False, True])
def test_batched_weights_as_groups_or_channels(tmp_path: Path, x: tuple, w: tuple, left: bool) -> None:
    if left:
        x, w = (a[:-2] + a[:-3:-1] if len(a) > 1 else a for a in (x, w))
    proto = matmul(x, random(w), left=left)
    result = check(proto, tmp_path, [x])
    assert result.count("Conv") == 1
    assert "MatMul" not in result


def test_a_group_for_each_shared_batch_entry(tmp_path: Path) -> None:
    _, report = converted(matmul([2, "S", 4], random((2, 4, 3))), tmp_path)
    (planned,) = report.plan.layers
    assert planned.form.group == 2
    assert planned.layer.contraction.out_features == 6


@pytest.mark.parametrize("shape", [("N", 4), ("N", "S", 4), ("N", "H", "W", 4)])
def test_batch_of_0(tmp_path: Path, shape: tuple) -> None:
    proto = matmul(shape, random((4, 3)), random((3,)))
    check(proto, tmp_path, [(0, *[5] * (len(shape) - 2), 4)])


def test_an_empty_spatial_axis_is_left(tmp_path: Path) -> None:
    _, report = converted(matmul([2, 0, 4], random((4, 3))), tmp_path)
    assert [s.reason for s in report.plan.skips] == [reasons.EMPTY]


def test_static_batch_of_0(tmp_path: Path) -> None:
    assert check(matmul([0, 4], random((4, 3))), tmp_path, [(0, 4)]).count("Conv") == 1


@pytest.mark.parametrize("size", [1, 3])
def test_float16(tmp_path: Path, size: int) -> None:
    proto = matmul(["N", "S", 8], random((8, 5), np.float16), random((5,), np.float16), dtype=FLOAT16)
    check(proto, tmp_path, [(size, size, 8)], 5e-3)


def test_tokens_go_to_the_width(tmp_path: Path) -> None:
    path, report = converted(matmul(["B", "S", 4], random((4, 3))), tmp_path)
    (planned,) = report.plan.layers
    assert [str(s) for s in planned.form.read.target_shape] == ["B", "4", "1", "S"]
    assert [str(s) for s in planned.form.write.target_shape] == ["B", "3", "1", "S"]
    assert ops(path).count("Transpose") == 2


def test_one_token_still_goes_to_the_width(tmp_path: Path) -> None:
    _, report = converted(matmul([1, 6, 4], random((4, 3))), tmp_path)
    assert [str(s) for s in report.plan.layers[0].form.read.target_shape] == ["1", "4", "1", "6"]


def test_rank_4_needs_no_reshape(tmp_path: Path) -> None:
    path, _ = converted(matmul(["N", "H", "W", 4], random((4, 3))), tmp_path)
    assert ops(path) == ["Transpose", "Conv", "Transpose"]


def test_rank_5_of_dynamic_dims_computes_its_shape(tmp_path: Path) -> None:
    left = check(matmul(["A", "B", "C", "D", 4], random((4, 3))), tmp_path, [(1, 2, 3, 4, 4), (2, 1, 5, 3, 4)])
    assert {"Shape", "Concat"} <= set(left)


@pytest.mark.parametrize(
    ("x", "w", "reason"),
    [
        (["N", "S", 4], (2, 4, 3), reasons.AMBIGUOUS_BROADCAST),
        (None, (4, 3), reasons.UNKNOWN_SHAPE),
        (["N", 4], (4, 0), reasons.EMPTY),
        (["N", 0], (0, 4), reasons.EMPTY),
    ],
)
def test_refusals(tmp_path: Path, x: list | None, w: tuple, reason: reasons.Reason) -> None:
    _, report = converted(matmul(x, np.zeros(w, np.float32)), tmp_path, verify=False)
    assert [s.reason for s in report.plan.skips] == [reason]
    assert not report.plan.layers
