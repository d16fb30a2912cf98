"""LSTM, GRU and RNN multiply by constant matrices inside; they are listed so that nobody looks for those layers."""

from __future__ import annotations

import onnx_ir as ir

from fc2conv_cli.layers import reasons
from fc2conv_cli.layers.context import Context
from fc2conv_cli.records import Skip


def match(node: ir.Node, context: Context) -> Skip:
    """Never a layer that a convolution could replace."""
    return Skip(node, reasons.RECURRENT)
