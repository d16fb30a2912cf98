"""Bytes that are moved block by block are those that the whole array has."""

from __future__ import annotations

import errno
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fc2conv_cli import transfer
from fc2conv_cli.sizes import shape_of
from fc2conv_cli.transfer import Traffic, write
from fc2conv_cli.views import View
from fc2conv_cli.weights import InFile, Place, Rearranged, place_of, release

DTYPES = [
    *(ir.DataType.FLOAT, ir.DataType.DOUBLE, ir.DataType.FLOAT16, ir.DataType.BFLOAT16, ir.DataType.BOOL),
    *(ir.DataType.INT8, ir.DataType.UINT16, ir.DataType.INT64, ir.DataType.COMPLEX64, ir.DataType.COMPLEX128),
    *(ir.DataType.FLOAT8E4M3FN, ir.DataType.FLOAT8E5M2FNUZ, ir.DataType.INT4, ir.DataType.UINT4),
    *(ir.DataType.FLOAT4E2M1, ir.DataType.INT2),
]


def in_file(path: Path, dtype: ir.DataType, shape: tuple[int, ...], lead: int = 3) -> tuple[InFile, ir.Tensor]:
    """A tensor in a file behind a few other bytes, and the same in memory."""
    count = math.prod(shape)
    data = np.random.default_rng(0).integers(0, 2 if dtype == ir.DataType.BOOL else 120, count * 16).astype(np.uint8)
    raw = data.tobytes()[: math.ceil(count * dtype.bitwidth / 8)]
    if count * dtype.bitwidth % 8:  # what pads the last byte is 0
        raw = raw[:-1] + bytes([raw[-1] & ((1 << count * dtype.bitwidth % 8) - 1)])
    path.write_bytes(b"x" * lead + raw + b"behind")
    place = Place(path, lead, len(raw))
    like = ir.Tensor(np.zeros(1, np.float32), name="w")
    tensor = InFile(place, dtype, shape, like)
    return tensor, ir.tensor(np.array(tensor.numpy()), dtype=dtype)


def written(tensor: ir.TensorProtocol, path: Path) -> tuple[bytes, Traffic]:
    traffic = Traffic()
    with path.open("wb") as file:
        file.write(b"head")
        write(tensor, file, traffic)
        file.write(b"tail")
    data = path.read_bytes()
    assert (data[:4], data[-4:]) == (b"head", b"tail")
    return data[4:-4], traffic


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    dtype=st.sampled_from(DTYPES),
    shape=st.lists(st.integers(1, 9), min_size=1, max_size=4),
    block=st.sampled_from([1, 16, 64, 1000]),
    line=st.sampled_from([1, 8, 64]),
    data=st.data(),
)
def test_any_rearrangement_of_any_type(
    tmp_path: Path, dtype: ir.DataType, shape: list[int], block: int, line: int, data: st.DataObject
) -> None:
    order = data.draw(st.permutations(range(len(shape))))
    tensor, same = in_file(tmp_path / "w", dtype, tuple(shape))
    view = View.transpose(shape_of(shape), order)
    target = tuple(shape[i] for i in order)
    moved = Rearranged(tensor, view, target)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transfer, "_BLOCK", block)
        patch.setattr(transfer, "_CACHE_LINE", line)
        got, traffic = written(moved, tmp_path / "out")
    expected = ir.tensor(np.ascontiguousarray(same.numpy().transpose(order)), dtype=dtype).tobytes()
    assert got == expected == moved.tobytes()
    assert traffic.copied + traffic.rearranged + traffic.made == len(got) == moved.nbytes
    if view.moves_nothing:
        assert traffic.copied == len(got)
    elif dtype.bitwidth >= 4:
        assert traffic.rearranged == len(got)


def test_a_tensor_in_memory_is_rearranged_too(tmp_path: Path) -> None:
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    moved = Rearranged(ir.tensor(array), View.transpose(shape_of((3, 4)), (1, 0)), (4, 3))
    assert written(moved, tmp_path / "out")[0] == array.T.tobytes()


def test_no_elements(tmp_path: Path) -> None:
    array = np.zeros((0, 4), np.float32)
    moved = Rearranged(ir.tensor(array), View.transpose(shape_of((0, 4)), (1, 0)), (4, 0))
    assert written(moved, tmp_path / "out") == (b"", Traffic())


@pytest.mark.parametrize("number", [errno.EXDEV, errno.EINVAL, errno.ENOSYS])
def test_without_help_of_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    tensor, same = in_file(tmp_path / "w", ir.DataType.FLOAT, (100, 3))

    def unable(*args: Any, **kwargs: Any) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "copy_file_range", unable)
    monkeypatch.setattr(transfer, "_BLOCK", 64)
    assert written(tensor, tmp_path / "out")[0] == same.tobytes()
    monkeypatch.delattr(os, "copy_file_range")
    assert written(tensor, tmp_path / "out")[0] == same.tobytes()


def test_the_system_may_copy_less_than_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tensor, same = in_file(tmp_path / "w", ir.DataType.FLOAT, (100, 3))
    copy = os.copy_file_range
    monkeypatch.setattr(os, "copy_file_range", lambda a, b, n, *where: copy(a, b, min(n, 100), *where))
    assert written(tensor, tmp_path / "out")[0] == same.tobytes()
    monkeypatch.setattr(os, "copy_file_range", lambda *args: 0)  # as some network file systems do
    assert written(tensor, tmp_path / "out")[0] == same.tobytes()


def test_a_full_disk_is_an_error_and_no_reason_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tensor, _ = in_file(tmp_path / "w", ir.DataType.FLOAT, (100, 3))

    def full(*args: Any, **kwargs: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "copy_file_range", full)
    with pytest.raises(OSError, match="No space left"):
        written(tensor, tmp_path / "out")


def test_a_source_that_was_cut_meanwhile(tmp_path: Path) -> None:
    tensor, _ = in_file(tmp_path / "w", ir.DataType.FLOAT, (100, 3))
    os.truncate(tmp_path / "w", 50)
    with pytest.raises(OSError, match="shorter than it was"):
        written(tensor, tmp_path / "out")


def test_places() -> None:
    place = Place(Path("w.bin"), 8, 48)
    external = ir.ExternalTensor("w.bin", 8, 48, ir.DataType.FLOAT, shape=ir.Shape([3, 4]), name="w")
    flat = View.reshape(shape_of((3, 4)), shape_of((3, 4, 1, 1)))
    assert flat is not None
    assert place_of(external) == place
    assert place_of(Rearranged(external, flat, (3, 4, 1, 1))) == place
    assert place_of(Rearranged(external, View.transpose(shape_of((3, 4)), (1, 0)), (4, 3))) is None
    assert place_of(ir.tensor([1.0])) is None


def test_releasing_leaves_the_tensor_readable(tmp_path: Path) -> None:
    tensor, same = in_file(tmp_path / "w", ir.DataType.FLOAT, (5, 3))
    kept = tensor.numpy()
    release(tensor)  # somebody still reads it
    np.testing.assert_array_equal(kept, same.numpy())
    np.testing.assert_array_equal(tensor.numpy(), same.numpy())
    del kept
    release(tensor)
    np.testing.assert_array_equal(tensor.numpy(), same.numpy())


def test_what_is_written_is_told_block_by_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "_BLOCK", 256)
    monkeypatch.setattr(transfer, "_KERNEL_BLOCK", 256)
    told: list[int] = []
    traffic = Traffic(told=told.append)
    source, _ = in_file(tmp_path / "w", ir.DataType.FLOAT, (16, 16))
    view = View.transpose(shape_of((16, 16)), (1, 0))
    with (tmp_path / "out").open("wb") as file:
        write(source, file, traffic)
        write(Rearranged(source, view, [16, 16]), file, traffic)
        write(ir.tensor(np.zeros(4, np.float32)), file, traffic)
    assert traffic.counts == (1024, 1024, 16)
    assert told == [*range(256, 2049, 256), 2064]
