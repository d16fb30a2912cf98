"""Why a node stays: stable codes, each with a sentence and with what the user can do.

A code is never renamed or used again for something else: people put them in scripts.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Reason:
    """A rule that keeps a node as it is.

    Attributes:
        code: Stable identifier, ``FC2C-...``.
        sentence: What the matter is.
        advice: What the user can do about it.
        is_layer: Whether the node is a fully connected layer. If not, it only looks like one.
        is_wish: Whether the user asked for it to stay.
    """

    code: str
    sentence: str
    advice: str
    is_layer: bool = True
    is_wish: bool = False


TWO_RUNTIME_OPERANDS = Reason(
    "FC2C-TWO-RUNTIME-OPERANDS",
    "both operands are computed at run time, so this is no fully connected layer",
    "Nothing to do. If one operand ought to be a weight, look at what computes it: it must not depend on an input.",
    is_layer=False,
)
CONSTANT_RESULT = Reason(
    "FC2C-CONSTANT-RESULT",
    "both operands are constant, so this is no layer at run time",
    "Nothing to do; a constant-folding tool (onnxsim, onnxslim) would remove the node.",
    is_layer=False,
)
OVERRIDABLE_WEIGHT = Reason(
    "FC2C-OVERRIDABLE-WEIGHT",
    "the weight is an initializer that is also a graph input, so a caller may override it",
    "Take the weight off the graph's inputs (onnxruntime's remove_initializer_from_input.py does it), and try again.",
)
QUANTIZED_WEIGHT = Reason(
    "FC2C-QUANTIZED-WEIGHT",
    "the weight comes out of a DequantizeLinear; this version does not convert quantised layers",
    "Convert the float model and quantise the result.",
)
UNSUPPORTED_OP = Reason(
    "FC2C-UNSUPPORTED-OP",
    "this version does not convert this spelling of a fully connected layer",
    "Export the layer as Gemm or MatMul, for example with graph optimisations off.",
)
UNSUPPORTED_DTYPE = Reason(
    "FC2C-UNSUPPORTED-DTYPE",
    "only float32 and float16 layers are converted",
    "Export the model in float32 or float16.",
)
UNKNOWN_SHAPE = Reason(
    "FC2C-UNKNOWN-SHAPE",
    "the rank of the activation, or the shape of the weight, is not known",
    "Give the model's inputs a shape, or register the custom op that hides it; a dim may stay symbolic.",
)
AMBIGUOUS_BROADCAST = Reason(
    "FC2C-AMBIGUOUS-BROADCAST",
    "a symbolic dim of the activation meets a batch dim of the weight: whether it broadcasts is known at run time only",
    "Make that dim of the input static.",
)
EINSUM = Reason(
    "FC2C-EINSUM",
    "an Einsum is a layer only if it multiplies two operands and sums over letters that both have and the result lacks",
    "Nothing to do, unless the Einsum can be written as one of two operands.",
    is_layer=False,
)
EMPTY = Reason(
    "FC2C-EMPTY",
    "the layer has no weights or no positions (a dim of 0), and runtimes refuse such a convolution",
    "Nothing to do; the layer computes nothing but its bias, if anything.",
)
INVALID_SHAPES = Reason(
    "FC2C-INVALID-SHAPES",
    "the shapes of the operands do not fit each other",
    "Check the model: the node cannot run.",
)
INEXPRESSIBLE_LAYOUT = Reason(
    "FC2C-INEXPRESSIBLE-LAYOUT",
    "the 4-D layout cannot be written, since its shape depends on more than one dim that is known at run time only",
    "Make the batch or sequence dims of the input static.",
)
WEIGHT_IS_ARGUMENT = Reason(
    "FC2C-WEIGHT-IS-ARGUMENT",
    "the weight is an argument of the local function that the node is in, so each call may pass another one",
    "Inline the functions first (onnx.inliner.inline_local_functions), and convert the result.",
)
FUNCTION_ATTRIBUTE = Reason(
    "FC2C-FUNCTION-ATTRIBUTE",
    "an attribute of the node is an attribute of the local function that it is in, so each call may set it differently",
    "Inline the functions first (onnx.inliner.inline_local_functions), and convert the result.",
)
EXCLUDED = Reason(
    "FC2C-EXCLUDED",
    "left as it is, as --only or --skip asked",
    "Nothing to do.",
    is_wish=True,
)

REASONS = (
    TWO_RUNTIME_OPERANDS,
    CONSTANT_RESULT,
    OVERRIDABLE_WEIGHT,
    QUANTIZED_WEIGHT,
    UNSUPPORTED_OP,
    UNSUPPORTED_DTYPE,
    UNKNOWN_SHAPE,
    AMBIGUOUS_BROADCAST,
    EINSUM,
    EMPTY,
    INVALID_SHAPES,
    INEXPRESSIBLE_LAYOUT,
    WEIGHT_IS_ARGUMENT,
    FUNCTION_ATTRIBUTE,
    EXCLUDED,
)
"""Every reason there is, in the order of the documentation."""
