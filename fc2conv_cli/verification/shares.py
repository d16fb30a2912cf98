"""Softmax and its kin for ONNX's reference evaluator, which knows them from opset 13 on only.

Before that an axis splits the shape in two: all elements from it on share one sum.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx.reference.op_run import OpRun

Array = npt.NDArray[Any]

_ONE_AXIS = 13
"""The first opset where they work along one axis."""


class _Shares(OpRun):
    op_domain = ""

    def _run(self, x: Array, axis: int | None = None) -> tuple[Array]:
        """Both ways; the evaluator fills in the default axis of the latest opset, so that the node is asked itself."""
        given = any(attribute.name == "axis" for attribute in self.onnx_node.attribute)
        along = self.run_params["opsets"].get("", _ONE_AXIS) >= _ONE_AXIS
        where = int(axis) if given and axis is not None else -1 if along else 1
        if not x.size:
            return (x,)
        if along:
            return (self._shares(x, where),)
        where += x.ndim if where < 0 else 0
        rows = x.reshape(math.prod(x.shape[:where]), -1)
        return (self._shares(rows, 1).reshape(x.shape),)

    def _shares(self, x: Array, axis: int) -> Array:
        raise NotImplementedError


class Softmax(_Shares):
    """Shares of the sum of exponentials."""

    def _shares(self, x: Array, axis: int) -> Array:
        powers = np.exp(_logits(x, axis))
        return np.asarray(powers / powers.sum(axis=axis, keepdims=True)).astype(x.dtype)


class LogSoftmax(_Shares):
    """Their logarithms."""

    def _shares(self, x: Array, axis: int) -> Array:
        logits = _logits(x, axis)
        return np.asarray(logits - np.log(np.exp(logits).sum(axis=axis, keepdims=True))).astype(x.dtype)


class Hardmax(_Shares):
    """1 at the first of the largest, 0 elsewhere."""

    def _shares(self, x: Array, axis: int) -> Array:
        result = np.zeros_like(x)
        np.put_along_axis(result, np.expand_dims(np.argmax(x, axis=axis), axis), 1, axis)
        return result


def _logits(x: Array, axis: int) -> Array:
    wide = x.astype(np.float64)
    return np.asarray(wide - wide.max(axis=axis, keepdims=True))


OPERATORS: list[Any] = [Softmax, LogSoftmax, Hardmax]
"""All of them."""
