"""Reads ``NAME:SHAPE[:DTYPE]``, which says what a model is to be fed: ``x:Nx3x224x224``, ``ids:NxS:int64``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from fc2conv_cli.errors import UsageError

_DIM = re.compile(r"[1-9][0-9]*|[A-Za-wyz_][A-Za-wyz0-9_]*")
_NAME = re.compile(r"[A-Za-z_][\w.]*")
_SHORT = {"float": "float32", "half": "float16", "double": "float64", "int": "int32", "long": "int64"}
DTYPES = ("float32", "float16", "bfloat16", "float64", "int64", "int32", "int16", "int8", "uint8", "bool")
"""What an input may be made of."""


@dataclass(frozen=True)
class InputSpec:
    """One input.

    Attributes:
        name: Its name.
        shape: An int for a static dim, a name for a dynamic one; () for a scalar.
        dtype: Its element type, as numpy calls it; None if the user says nothing of it.
    """

    name: str
    shape: tuple[int | str, ...]
    dtype: str | None = None

    @property
    def made_of(self) -> str:
        """Its element type where nothing else says it."""
        return self.dtype or "float32"


def parse(texts: Sequence[str]) -> tuple[InputSpec, ...]:
    """All inputs that the user described, in order.

    Raises:
        UsageError: One cannot be read, or two have one name.
    """
    specs = tuple(map(_parse_one, texts))
    names = [spec.name for spec in specs]
    if (again := next((name for name in names if names.count(name) > 1), None)) is not None:
        raise UsageError(f"--input names {again!r} twice", hint="Give each input once.")
    return specs


def _parse_one(text: str) -> InputSpec:
    name, *rest = text.split(":")
    if not 1 <= len(rest) <= 2 or not _NAME.fullmatch(name):
        raise _unreadable(text, "it is not NAME:SHAPE or NAME:SHAPE:DTYPE")
    dims = rest[0].split("x") if rest[0] else []
    if (bad := next((dim for dim in dims if not _DIM.fullmatch(dim)), None)) is not None:
        raise _unreadable(text, f"the dim {bad!r} is neither a number from 1 up nor a name without the letter x")
    dtype = _SHORT.get(rest[1], rest[1]) if len(rest) > 1 else None
    if dtype is not None and dtype not in DTYPES:
        raise _unreadable(text, f"the type {dtype!r} is none of {', '.join(DTYPES)}")
    return InputSpec(name, tuple(int(dim) if dim.isdecimal() else dim for dim in dims), dtype)


def _unreadable(text: str, why: str) -> UsageError:
    hint = "For example --input x:1x3x224x224, x:Nx3x224x224 (N is dynamic), ids:NxS:int64, or flag::bool for a scalar."
    return UsageError(f"--input {text!r} cannot be read: {why}", hint=hint)
