"""Ways to break a right conversion, each a small function on the ONNX model; this is the list of them.

It gives False where there is nothing to break. None of them asks whether the result is wrong: `effects.py` measures
that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import mutant_interface as interface
import mutant_nodes as nodes
import mutant_weights as weights
import numpy as np
import onnx
from mutant_weights import Change, on_bias, on_kernel, on_quantisation
from onnx import TensorProto, numpy_helper
from subjects import Subject, save_external


def stale_data(proto: onnx.ModelProto, subject: Subject, folder: Path) -> Path | None:
    """The new graph beside the external data file of an older checkpoint."""
    older = onnx.ModelProto.FromString(proto.SerializeToString())
    for tensor in older.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            tensor.CopyFrom(
                numpy_helper.from_array(weights.old(numpy_helper.to_array(tensor)).astype(np.float32), tensor.name)
            )
    path, data = folder / "mutant.onnx", folder / "mutant.onnx.data"
    written = []
    for each in (proto, older):
        data.unlink(missing_ok=True)
        save_external(each, path, data.name)
        written.append((path.read_bytes(), data.read_bytes()))
    path.write_bytes(written[0][0])  # the graph of the new one, the data of the old one
    return path if written[0][1] != written[1][1] else None


@dataclass(frozen=True)
class Mutant:
    """A way to break a conversion.

    Attributes:
        title: What is wrong, in the table.
        change: Breaks the model in memory; None if `write` does all.
        write: Writes the broken model.
    """

    title: str
    change: Change | None = None
    write: Callable[[onnx.ModelProto, Subject, Path], Path | None] | None = None

    def make(self, subject: Subject, folder: Path) -> Path | None:
        """Write the broken model to a folder; None if this cannot be broken there."""
        proto = subject.proto()
        if self.write is not None:
            return self.write(proto, subject, folder)
        assert self.change is not None
        if not self.change(proto, subject):
            return None
        onnx.save(proto, folder / "mutant.onnx")
        return folder / "mutant.onnx"


MUTANTS = [
    Mutant("the largest weight off by 1 %", on_kernel(weights.one_percent)),
    Mutant("the largest weight of the last layer off by 1 %", on_kernel(weights.one_percent, -1)),
    Mutant("the smallest weight off by 0.1 %", on_kernel(weights.smallest_off)),
    Mutant("one bit of a weight flipped", on_kernel(weights.top_exponent_bit)),
    Mutant("weights rounded to bfloat16", on_kernel(weights.to_bfloat16)),
    Mutant("a NaN weight", on_kernel(weights.one_nan)),
    Mutant("two output channels swapped", on_kernel(weights.swap(0))),
    Mutant("two input channels swapped", on_kernel(weights.swap(1))),
    Mutant("one output channel zero", on_kernel(weights.one_channel_zero)),
    Mutant("weight transposed", weights.transposed),
    Mutant("kernel rotated", on_kernel(lambda w: w[:, :, ::-1, ::-1])),
    Mutant("H and W of the kernel swapped", on_kernel(lambda w: w.transpose(0, 1, 3, 2))),
    Mutant("kernel in channels-last order", on_kernel(weights.other_order)),
    Mutant("one position of the kernel ignored", on_kernel(weights.one_position_ignored)),
    Mutant("first layer left with old weights", on_kernel(weights.old)),
    Mutant("last layer left with old weights", on_kernel(weights.old, -1)),
    Mutant("weights of two layers exchanged", weights.exchanged),
    Mutant("stale external data file", write=stale_data),
    Mutant("bias missing", weights.no_bias),
    Mutant("bias negated", on_bias(lambda b: -b)),
    Mutant("bias of a neighbour", on_bias(lambda b: np.roll(b, 1))),
    Mutant("bias added twice", on_bias(lambda b: 2 * b)),
    Mutant("bias of a neighbour in the last layer", on_bias(lambda b: np.roll(b, 1), -1)),
    Mutant("alpha ignored", weights.alpha_ignored),
    Mutant("beta ignored", weights.beta_ignored),
    Mutant("zero point of the weight off by one", on_quantisation("w zero", lambda z: z + 1)),
    Mutant("zero point of the input off by one", on_quantisation("x zero", lambda z: z + 1)),
    Mutant("zero point of the output off by one", on_quantisation("y zero", lambda z: z + 1)),
    Mutant("per-channel scale rolled by one", on_quantisation("w scale", lambda s: np.roll(s, 1))),
    Mutant("scale off by 1 %", on_quantisation("w scale", lambda s: s * 1.01)),
    Mutant("activation dropped", nodes.no_activation),
    Mutant("skip connection dropped", nodes.no_residual),
    Mutant("zeros around the input of a layer", nodes.padded),
    Mutant("H and W of a result swapped", nodes.result_h_w_swapped),
    Mutant("positions of a layer permuted", nodes.layer_positions_permuted),
    Mutant("tokens permuted", nodes.tokens_permuted),
    Mutant("samples of the batch permuted", nodes.samples_mixed),
    Mutant("wrong at batch 3 only", nodes.wrong_at_batch_3),
    Mutant("wrong at one position only", nodes.wrong_at_one_position),
    Mutant("a Reshape with a frozen batch", interface.batch_frozen),
    Mutant("input declared with a frozen batch", interface.input_frozen),
    Mutant("input renamed", interface.input_renamed),
    Mutant("output renamed", interface.output_renamed),
    Mutant("output retyped", interface.output_retyped),
    Mutant("output reshaped", interface.output_reshaped),
    Mutant("outputs reordered", interface.outputs_reordered),
    Mutant("outputs exchanged", interface.outputs_swapped),
    Mutant("an output missing", interface.output_missing),
    Mutant("an output more", interface.output_added),
]
