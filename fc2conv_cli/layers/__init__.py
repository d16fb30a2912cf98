"""What counts as fully connected: one module a spelling, each ending in the same record."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import onnx_ir as ir

from fc2conv_cli.graphs import all_graphs
from fc2conv_cli.layers import (
    einsum,
    fused_gemm,
    fused_matmul,
    gemm,
    gemm_fast_gelu,
    integer_sums,
    matmul,
    matmul_nbits,
    qlinear,
    reasons,
    recurrent,
)
from fc2conv_cli.layers.bias import absorb_add
from fc2conv_cli.layers.context import Context
from fc2conv_cli.layers.fold import absorb_folds
from fc2conv_cli.layers.qdq import absorb_head, absorb_tail, with_scale
from fc2conv_cli.layers.scale import settle_alpha
from fc2conv_cli.records import FullyConnected, Skip

_SPELLINGS: dict[tuple[str, str], Callable[[ir.Node, Context], FullyConnected | Skip | None]] = {
    ("", "Gemm"): gemm.match,
    ("", "MatMul"): matmul.match,
    ("", "Einsum"): einsum.match,
    ("com.microsoft", "FusedMatMul"): fused_matmul.match,
    ("com.microsoft", "FusedGemm"): fused_gemm.match,
    ("com.microsoft", "GemmFastGelu"): gemm_fast_gelu.match,
    ("com.microsoft", "MatMulNBits"): matmul_nbits.match,
    ("", "QLinearMatMul"): qlinear.match_qlinear_matmul,
    ("", "MatMulInteger"): integer_sums.match_matmul_integer,
    ("com.microsoft", "QGemm"): qlinear.match_qgemm,
    ("com.microsoft", "MatMulIntegerToFloat"): integer_sums.match_matmul_integer_to_float,
    ("com.microsoft", "DynamicQuantizeMatMul"): integer_sums.match_dynamic_quantize_matmul,
    **dict.fromkeys((("", "LSTM"), ("", "GRU"), ("", "RNN")), recurrent.match),
}


def find(model: ir.Model, context: Context) -> Iterator[FullyConnected | Skip]:
    """Every fully connected layer of a model, and every node that stays though it looks like one, in graph order.

    Layers in the bodies of If, Loop, Scan and local functions come after those of the main graph.
    """
    for graph in all_graphs(model):
        for node in graph:
            if (found := _read(node, context)) is not None:
                yield found


def _read(node: ir.Node, context: Context) -> FullyConnected | Skip | None:
    if (spelling := _SPELLINGS.get((node.domain, node.op_type))) is not None:
        if any(attribute.is_ref() for attribute in node.attributes.values()):
            return Skip(node, reasons.FUNCTION_ATTRIBUTE)
        found = spelling(node, context)
        if isinstance(found, FullyConnected) and node.graph in context.foreign_graphs:
            return Skip(node, reasons.FUNCTION_OPSET)
        layer = with_scale(settle_alpha(found, context)) if isinstance(found, FullyConnected) else found
        return _with_followers(layer, context) if isinstance(layer, FullyConnected) else layer
    return None


def _with_followers(layer: FullyConnected, context: Context) -> FullyConnected:
    layer = absorb_add(layer, context)
    layer = absorb_folds(layer, context) if context.fuse else layer
    return absorb_head(absorb_tail(layer, context), context)
