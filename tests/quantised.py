"""Small integer models, and onnxruntime's own quantiser."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from helpers import SAMPLES, converted, ops, random, run
from onnx import helper

PAIRS = [("uint8", "int8"), ("uint8", "uint8"), ("int8", "int8")]


def integers(shape: tuple[int, ...], dtype: str, seed: int = 0, limit: int = 256) -> np.ndarray:
    info = np.iinfo(dtype)
    low, high = max(info.min, -limit), min(info.max, limit - 1)
    return np.random.default_rng([seed, *shape]).integers(low, high + 1, shape).astype(dtype)


def scales(dtype: str, weight: str, m: int, per_channel: bool) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    scale = rng.uniform(0.001, 0.01, m if per_channel else ()).astype(np.float32)
    zero = np.full(m if per_channel else (), 128 if weight == "uint8" else 0, weight)
    middle = np.array(120 if dtype == "uint8" else -3, dtype)
    return {
        "xs": np.float32(0.02).reshape(()), "xz": middle, "ws": np.asarray(scale), "wz": zero,
        "ys": np.float32(0.05).reshape(()), "yz": middle,
    }  # fmt: skip


def onnx_type(dtype: str) -> int:
    return int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))


def assert_equal(proto: onnx.ModelProto, folder: Path, shapes: list[tuple[int, ...]], dtype: str) -> list[str]:
    path, report = converted(proto, folder)
    assert report.verified
    for shape in shapes:
        x = {"x": integers(shape, dtype, seed=5)}
        for ours, theirs in zip(run(path, x), run(proto, x), strict=True):
            assert ours.dtype == theirs.dtype
            np.testing.assert_array_equal(ours, theirs)
    return ops(path)


def quantise_static(
    name: str, shape: tuple[int, ...], folder: Path, activations: str, weights: str, **options: Any
) -> onnx.ModelProto:
    """A sample model, quantised on random inputs; `activations` and `weights` are names of QuantType."""
    quantization = pytest.importorskip("onnxruntime.quantization")

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            self.batches = iter([{"x": random(shape, seed=i)} for i in range(4)])

        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(self.batches, None)

    float_model = shutil.copy(SAMPLES / f"{name}.onnx", folder)  # the quantiser writes beside its input
    types = {
        f"{part}_type": quantization.QuantType[kind]
        for part, kind in (("activation", activations), ("weight", weights))
    }
    logging.disable(logging.WARNING)
    quantization.quantize_static(float_model, folder / "quantised.onnx", Reader(), **types, **options)
    logging.disable(logging.NOTSET)
    return onnx.load(folder / "quantised.onnx")
