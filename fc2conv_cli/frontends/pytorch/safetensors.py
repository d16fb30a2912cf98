"""Reads a safetensors file: the length of a header, a JSON header, raw numbers.

The format is so small that reading it takes less than depending on its package would, and every way in which a file
can be damaged gets a message. https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch

from fc2conv_cli.errors import PyTorchFileError

_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
}


def load_safetensors(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a file, by name.

    Raises:
        PyTorchFileError: It is damaged, or holds a type that is not known here.
    """
    content = path.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    try:
        if start > len(content):
            raise ValueError("it ends within its header")
        header = json.loads(content[8:start])
        data = memoryview(content)[start:]
        return {name: _tensor(name, entry, data) for name, entry in header.items() if name != "__metadata__"}
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RuntimeError) as error:
        hint = "Copy or save it again; compare the file sizes if it was copied."
        problem = f"the safetensors file is truncated or damaged: {_reason(error)}"
        raise PyTorchFileError(path, problem, hint=hint) from error


def _reason(error: Exception) -> str:
    """The first line of what was found wrong, or that the header is JSON of another form."""
    if isinstance(error, TypeError | KeyError | AttributeError):
        return "its header does not describe tensors"
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def _tensor(name: str, entry: dict[str, Any], data: memoryview) -> torch.Tensor:
    if entry["dtype"] not in _DTYPES:
        raise ValueError(f"tensor {name!r} is of the type {entry['dtype']!r}, which is not known here")
    dtype, shape = _DTYPES[entry["dtype"]], [int(size) for size in entry["shape"]]
    begin, end = map(int, entry["data_offsets"])
    count = math.prod(shape)
    if min([0, begin, *shape]) < 0 or end - begin != count * dtype.itemsize or end > len(data):
        raise ValueError(f"tensor {name!r} does not fit its place at bytes {begin} to {end}")
    if count == 0:
        return torch.empty(shape, dtype=dtype)
    piece = bytearray(data[begin:end])  # a copy: PyTorch wants tensors aligned to their type
    return torch.frombuffer(piece, dtype=dtype).reshape(shape)
