"""What to advise when a model that was exported from PyTorch cannot be converted or compared."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import onnx_ir as ir

from fc2conv_cli.frontends.onnx_file import load
from fc2conv_cli.graphs import all_graphs
from fc2conv_cli.records import Skip, node_label

_UNVERIFIED = "`fc2conv convert --no-verify` writes a result unverified."
_TRAINING = (
    f"It is in training mode: call model.eval() before torch.export.export(...), or before torch.jit. {_UNVERIFIED}"
)
_RANDOM = f"The model draws random numbers: take them out, or make them an input of the model. {_UNVERIFIED}"
_BFLOAT16 = (
    "Give --opset 22 --allow-unverifiable to convert bfloat16 and compare in ONNX's reference evaluator, or export in "
    "float32 or float16."
)


def hint_for(onnx: Path) -> str | None:
    """What to do in PyTorch about an export that cannot be run and compared, if that is known."""
    model = load(onnx)
    from fc2conv_cli.verification.facts import facts_of

    random = facts_of(onnx).random
    if random is not None:
        return _TRAINING if _drops_out(model, random) else _RANDOM
    return f"{_BFLOAT16} {_UNVERIFIED}" if _has_bfloat16(model) else None


def advised(skips: Iterable[Skip]) -> tuple[Skip, ...]:
    """The layers that stay; those of bfloat16 with the options that convert them."""
    return tuple(
        replace(skip, reason=replace(skip.reason, advice=_BFLOAT16)) if "bfloat16" in skip.detail else skip
        for skip in skips
    )


def _drops_out(model: ir.Model, label: str) -> bool:
    nodes = (node for graph in all_graphs(model) for node in graph)
    return any(node.op_type == "Dropout" and node_label(node) == label for node in nodes)


def _has_bfloat16(model: ir.Model) -> bool:
    values = (*model.graph.inputs, *model.graph.initializers.values())
    return any(value.dtype == ir.DataType.BFLOAT16 for value in values)
