from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from helpers import FLOAT, FLOAT16, assert_close, check, converted, gemm, model, ops, random, run, value
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper


@settings(max_examples=60)
@given(
    n=st.sampled_from(["N", 1, 2, 5]),
    k=st.integers(1, 6),
    m=st.integers(1, 5),
    trans_a=st.booleans(),
    trans_b=st.booleans(),
    alpha=st.sampled_from([0.0, 0.5, 1.0, -2.0, 3.25]),
    beta=st.sampled_from([0.0, 0.5, 1.0, -1.5]),
    c=st.sampled_from(["absent", "scalar", "(N,)", "(1,N)", "(1,1)", "(M,1)", "(M,N)"]),
    opset=st.sampled_from([7, 9, 11, 13, 17, 25]),
)
def test_every_gemm(
    tmp_path_factory: pytest.TempPathFactory,
    n: int | str,
    k: int,
    m: int,
    trans_a: bool,
    trans_b: bool,
    alpha: float,
    beta: float,
    c: str,
    opset: int,
) -> None:
    rows = n if isinstance(n, int) else 1
    shapes = {"scalar": (), "(N,)": (m,), "(1,N)": (1, m), "(1,1)": (1, 1), "(M,1)": (rows, 1), "(M,N)": (rows, m)}
    term = None if c == "absent" else random(shapes[c], seed=3)
    if term is None and opset < 11:
        term = random((m,), seed=3)  # C became optional in opset 11
    proto = gemm(
        [k, n] if trans_a else [n, k],
        random((m, k) if trans_b else (k, m)),
        term,
        transA=int(trans_a),
        transB=int(trans_b),
        alpha=alpha,
        beta=beta,
        opset=opset,
    )
    sizes = [1, 3] if n == "N" else [n]
    left = check(proto, tmp_path_factory.mktemp("gemm"), [(k, s) if trans_a else (s, k) for s in sizes])
    assert "Gemm" not in left
    assert left.count("Conv") == 1


@pytest.mark.parametrize("beta", [0.0, 1.0, 2.5])
@pytest.mark.parametrize("shape", [[], [3], [1, 3], [2, 1], [2, 3], ["N", 3]])
def test_c_computed_at_run_time_is_added_after_the_convolution(tmp_path: Path, beta: float, shape: list) -> None:
    node = helper.make_node("Gemm", ["x", "w", "c"], ["y"], name="fc", beta=beta)
    n = "N" if "N" in shape else 2
    proto = model([node], [value("x", [n, 4]), value("c", shape)], [value("y", [n, 3])], {"w": random((4, 3))})
    path, _ = converted(proto, tmp_path)
    feeds = {"x": random((2, 4), seed=1), "c": random([2 if d == "N" else d for d in shape], seed=2)}
    assert_close(run(path, feeds), run(proto, feeds))
    left = ops(path)
    assert left.count("Add") == (beta != 0)
    assert left.count("Mul") == (beta not in (0.0, 1.0))


def test_an_empty_name_is_an_absent_c(tmp_path: Path) -> None:
    node = helper.make_node("Gemm", ["x", "w", ""], ["y"], name="fc")
    proto = model([node], [value("x", ["N", 4])], [value("y", ["N", 3])], {"w": random((4, 3))})
    assert check(proto, tmp_path, [(1, 4), (3, 4)]).count("Conv") == 1


@pytest.mark.parametrize("broadcast", [0, 1])
def test_opset_6_is_converted_though_onnxruntime_has_no_kernel_for_it(tmp_path: Path, broadcast: int) -> None:
    c = random((3,) if broadcast else (2, 3))
    proto = gemm([2, 4], random((4, 3)), c, opset=6, ir_version=3, broadcast=broadcast, alpha=2.0, beta=0.5)
    path, report = converted(proto, tmp_path, verify=False)
    assert len(report.plan.layers) == 1
    x = random((2, 4), seed=1)
    expected = (2 * x @ random((4, 3)) + 0.5 * c).astype(np.float32)
    result = ops(path)
    assert result.count("Conv") == 1
    if broadcast:  # a bias; the other one needs an Add, which onnxruntime does not run at opset 6 either
        assert_close(run(path, {"x": x}), [expected])
    else:
        # The graph is the same at opset 7, where Add needs no attribute to broadcast.
        later = onnx.version_converter.convert_version(onnx.load(path), 7)
        assert_close(run(later, {"x": x}), [expected])


def test_the_constant_may_be_the_first_operand(tmp_path: Path) -> None:
    node = helper.make_node("Gemm", ["w", "x", "c"], ["y"], name="fc", transA=1, alpha=0.5)
    constants = {"w": random((4, 3)), "c": random((3, 1))}
    proto = model([node], [value("x", [4, "N"])], [value("y", [3, "N"])], constants)
    left = check(proto, tmp_path, [(4, 1), (4, 3)])
    assert left == ["Unsqueeze", "Conv", "Squeeze"]  # columns go to the width: no transposition


@pytest.mark.parametrize(
    ("dtype", "alpha", "muls"),
    [
        (np.float16, 2.0, 0),
        (np.float16, 1e-5, 1),
        (np.float16, 3000.0, 1),
        (np.float32, 1e-5, 0),
        (np.float32, 1e38, 1),
    ],
)
def test_alpha_is_folded_only_where_the_weight_can_take_it(
    tmp_path: Path, dtype: type, alpha: float, muls: int
) -> None:
    w = (random((4, 3)) * 50).astype(dtype)
    onnx_type = FLOAT16 if dtype is np.float16 else FLOAT
    proto = gemm([2, 4], w, random((3,), dtype), alpha=alpha, dtype=onnx_type)
    path, _ = converted(proto, tmp_path, verify=False)
    assert ops(path).count("Mul") == muls
    x = (random((2, 4), dtype, seed=1) * dtype(1e-3)).astype(dtype)
    assert_close(run(path, {"x": x}), run(proto, {"x": x}), 5e-3 if dtype is np.float16 else 1e-5)


def test_a_bias_that_broadcasts_along_m_is_no_bias(tmp_path: Path) -> None:
    proto = gemm([3, 4], random((4, 3)), random((3, 1)))
    assert check(proto, tmp_path, [(3, 4)]).count("Add") == 1


def test_equal_rows_of_c_are_a_bias(tmp_path: Path) -> None:
    proto = gemm([3, 4], random((4, 5)), np.tile(random((1, 5)), (3, 1)))
    assert check(proto, tmp_path, [(3, 4)]) == ["Unsqueeze", "Conv", "Squeeze"]


@pytest.mark.parametrize("alpha", [1e-8, 1e-5, -1e-6, 1e5])
def test_an_alpha_that_float16_does_not_hold_is_applied_in_float32(tmp_path: Path, alpha: float) -> None:
    w = (random((64, 3)) * 1000).astype(np.float16)  # sums of some 10,000, and weights that cannot take alpha
    x = (random((2, 64), seed=1) * (1 if alpha < 1 else 1e-5)).astype(np.float16)
    proto = gemm([2, 64], w, random((3,), np.float16), alpha=alpha, dtype=FLOAT16)
    path, _ = converted(proto, tmp_path, verify=False)
    (expected,) = run(proto, {"x": x})
    (actual,) = run(path, {"x": x})
    assert np.isfinite(expected).all()
    np.testing.assert_allclose(
        actual.astype(float), expected.astype(float), rtol=1e-2, atol=float(np.abs(expected).max()) * 5e-3
    )


def test_a_bias_that_would_overflow_is_scaled_at_run_time_as_the_node_does(tmp_path: Path) -> None:
    w = random((4, 3), np.float16)
    proto = gemm([2, 4], w, np.full((3,), 2.0, np.float16), beta=4e4, dtype=FLOAT16)
    path, _ = converted(proto, tmp_path, verify=False)
    assert ops(path).count("Mul") == ops(path).count("Add") == 1
    x = {"x": random((2, 4), np.float16, seed=1)}
    np.testing.assert_array_equal(run(path, x)[0], run(proto, x)[0])  # 80000 is infinite in float16, on both sides


@pytest.mark.parametrize("beta", [1e-8, 1e5])
def test_a_beta_that_float16_does_not_hold(tmp_path: Path, beta: float) -> None:
    node = helper.make_node("Gemm", ["x", "w", "c"], ["y"], name="fc", beta=beta)
    inputs = [value("x", [2, 4], FLOAT16), value("c", [2, 3], FLOAT16)]
    proto = model([node], inputs, [value("y", [2, 3], FLOAT16)], {"w": random((4, 3), np.float16)})
    path, _ = converted(proto, tmp_path, verify=False)
    c = (random((2, 3), seed=2) / max(beta, 1)).astype(np.float16)
    feeds = {"x": random((2, 4), np.float16, seed=1), "c": c}
    assert_close(run(path, feeds), run(proto, feeds), 5e-3)
