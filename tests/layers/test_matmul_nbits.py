"""MatMulNBits: weights of 4 and 8 bits in blocks stay what they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from helpers import assert_close, converted, inspect_skips, model, ops, random, run, value
from onnx import TensorProto, helper

N, K, BLOCK = 6, 64, 16


def packed(values: np.ndarray, bits: int) -> np.ndarray:
    """Rows of numbers as bytes, the low bits of a byte first."""
    if bits == 8:
        return values.astype(np.uint8)
    even = np.pad(values, ((0, 0), (0, values.shape[1] % 2))).astype(np.uint8)
    return even[:, ::2] | (even[:, 1::2] << 4)


def nbits(
    bits: int = 4, *, zeros: bool = True, bias: bool = False, rank: int = 2, k: int = K, opset: int = 21, **extra: Any
) -> onnx.ModelProto:
    rng = np.random.default_rng(bits)
    blocks = -(-k // BLOCK)
    weight = packed(rng.integers(0, 2**bits, (N, blocks * BLOCK)), bits)
    constants = {
        "w": weight.reshape(N, blocks, BLOCK * bits // 8),
        "s": rng.uniform(0.01, 0.1, N * blocks).astype(np.float32),
        "z": packed(rng.integers(0, 2**bits, (N, blocks)), bits).reshape(-1),
        "b": random((N,)),
    }
    names = ["x", "w", "s", "z" if zeros else "", "", "b" if bias else ""]
    while not names[-1]:
        names.pop()
    attributes = {"K": k, "N": N, "bits": bits, "block_size": BLOCK, **extra}
    node = helper.make_node("MatMulNBits", names, ["y"], name="fc", domain="com.microsoft", **attributes)
    lead: list[int | str] = ["B", "S"][-rank + 1 :] if rank > 1 else []
    return model(
        [node], [value("x", [*lead, k])], [value("y", [*lead, N])],
        {name: constants[name] for name in names if name in constants},
        opset=opset, ir_version=10, extra_opsets={"com.microsoft": 1},
    )  # fmt: skip


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("zeros", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("rank", [2, 3])
def test_blocks_stay_blocks(tmp_path: Path, bits: int, zeros: bool, bias: bool, rank: int) -> None:
    proto = nbits(bits, zeros=zeros, bias=bias, rank=rank)
    path, report = converted(proto, tmp_path)
    assert report.verified
    for size in (1, 3):
        x = {"x": random((size,) * (rank - 1) + (K,))}
        assert_close(run(path, x), run(proto, x), 1e-5)
    assert "MatMulNBits" not in ops(path)
    kernel = next(i for i in onnx.load(path).graph.initializer if i.name == "fc.weight")
    assert list(kernel.dims) == [N, K, 1, 1]
    assert kernel.data_type == (TensorProto.UINT4 if bits == 4 else TensorProto.UINT8)
    assert len(kernel.raw_data) == N * K * bits // 8
    moved = next(n for n in onnx.load(path).graph.node if n.op_type == "DequantizeLinear")
    assert {a.name: a.i for a in moved.attribute} == {"axis": 1, "block_size": BLOCK}


def test_an_odd_number_of_blocks(tmp_path: Path) -> None:
    proto = nbits(k=48)
    path, _ = converted(proto, tmp_path)
    x = {"x": random((3, 48))}
    assert_close(run(path, x), run(proto, x), 1e-5)


@pytest.mark.parametrize(
    ("proto", "detail"),
    [
        (nbits(k=40), "last block is not whole"),
        (nbits(accuracy_level=4), "rounds the activation to int8"),
    ],
)
def test_what_stays(tmp_path: Path, proto: onnx.ModelProto, detail: str) -> None:
    ((_, code, sentence),) = inspect_skips(proto, tmp_path)
    assert code == "FC2C-QUANTIZED-WEIGHT"
    assert detail in sentence


def test_an_opset_without_blocks(tmp_path: Path) -> None:
    ((_, code, sentence),) = inspect_skips(nbits(opset=17), tmp_path)
    assert code == "FC2C-UNSUPPORTED-OP"
    assert "needs opset 21" in sentence


@pytest.mark.parametrize("ordered", [True, False])
def test_an_order_of_features(tmp_path: Path, ordered: bool) -> None:
    proto = nbits()
    order = np.arange(K, dtype=np.int32) // BLOCK
    proto.graph.initializer.append(onnx.numpy_helper.from_array(order if ordered else order[::-1].copy(), "g"))
    proto.graph.node[0].input.append("g")
    assert [code for _, code, _ in inspect_skips(proto, tmp_path)] == ([] if ordered else ["FC2C-QUANTIZED-WEIGHT"])


def test_zero_points_that_are_floats(tmp_path: Path) -> None:
    proto = nbits()
    (zeros,) = [i for i in proto.graph.initializer if i.name == "z"]
    zeros.CopyFrom(onnx.numpy_helper.from_array(random((N * K // BLOCK,)), "z"))
    ((_, code, sentence),) = inspect_skips(proto, tmp_path)
    assert code == "FC2C-QUANTIZED-WEIGHT"
    assert "zero points are floats" in sentence


@pytest.mark.parametrize("name", ["w", "s"])
def test_a_weight_or_scale_of_another_size(tmp_path: Path, name: str) -> None:
    proto = nbits()
    (tensor,) = [i for i in proto.graph.initializer if i.name == name]
    array = onnx.numpy_helper.to_array(tensor)
    tensor.CopyFrom(onnx.numpy_helper.from_array(array[:-1], name))
    skips = inspect_skips(proto, tmp_path)
    assert [(code, "size that its attributes say" in text) for _, code, text in skips] == [
        ("FC2C-QUANTIZED-WEIGHT", True)
    ]
