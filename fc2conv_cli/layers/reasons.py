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
        explanation: The matter at length, for ``fc2conv explain`` and docs/reasons.md.
        is_layer: Whether the node is a fully connected layer. If not, it only looks like one.
        is_wish: Whether the user asked for it to stay.
    """

    code: str
    sentence: str
    advice: str
    explanation: str
    is_layer: bool = True
    is_wish: bool = False


TWO_RUNTIME_OPERANDS = Reason(
    "FC2C-TWO-RUNTIME-OPERANDS",
    "both operands are computed at run time, so this is no fully connected layer",
    "Nothing to do. If one operand ought to be a weight, look at what computes it: it must not depend on an input.",
    "A fully connected layer multiplies an activation by a weight that is the same in every run. Here both "
    "factors depend on the model's inputs, as the scores of an attention layer do. A convolution's kernel is "
    "constant, so there is none that computes this.",
    is_layer=False,
)
CONSTANT_RESULT = Reason(
    "FC2C-CONSTANT-RESULT",
    "both operands are constant, so this is no layer at run time",
    "Nothing to do; a constant-folding tool (onnxsim, onnxslim) would remove the node.",
    "Neither factor depends on an input, so the product is a constant that some earlier tool could have "
    "computed. It is not touched; where it serves as the weight of a layer it is computed during conversion.",
    is_layer=False,
)
RECURRENT = Reason(
    "FC2C-RECURRENT",
    "the products inside a recurrent layer are parts of one operator, and no fully connected layers",
    "Nothing to do. To convert the products, write the recurrence as a loop of Linear layers, and export that.",
    "LSTM, GRU and RNN multiply every input and the state of the step before by constant matrices. Both products are "
    "inside one operator, the state is known step by step only, and runtimes have kernels for the whole. The operator "
    "stays as it is; Gemm and MatMul before and behind it are converted as usual.",
    is_layer=False,
)
OVERRIDABLE_WEIGHT = Reason(
    "FC2C-OVERRIDABLE-WEIGHT",
    "the weight is an initializer that is also a graph input, so a caller may override it",
    "Give --freeze-inputs if no caller overrides it: the weight becomes a constant, and is no input any more.",
    "From IR version 4 on, an initializer that is also listed as a graph input is only a default: a caller "
    "may pass another value. Converting it would fix the weight and change the model's interface, so it "
    "stays. Exporters that list weights as inputs by habit (keep_initializers_as_inputs=True in PyTorch) are "
    "the usual cause.",
)
QUANTIZED_WEIGHT = Reason(
    "FC2C-QUANTIZED-WEIGHT",
    "the integers of the weight cannot be moved in front of a DequantizeLinear that a convolution can read",
    "Quantise the weight per tensor, per output channel, or in whole blocks along the input features.",
    "The weight is stored as integers and scaled by a DequantizeLinear in front of the layer. Computing it "
    "here would turn it into floats: four times the size, and compilers would no longer recognise a quantised "
    "layer. So the integers move, and their scale with them. That needs a constant scale, and one that a single "
    "DequantizeLinear of the convolution's weight can express: for all of it, along one axis, or in whole blocks "
    "along one axis.",
)
UNSUPPORTED_OP = Reason(
    "FC2C-UNSUPPORTED-OP",
    "this spelling of a fully connected layer cannot be written as a convolution and standard operators",
    "Export the layer as Gemm or MatMul, for example with graph optimisations off, or the model at a later opset.",
    "The operator multiplies by a constant matrix and is known to be a fully connected layer, but what else it does "
    "has no standard operator in the model's opset: an activation that is unknown, or one that a later opset brought.",
)
UNSUPPORTED_DTYPE = Reason(
    "FC2C-UNSUPPORTED-DTYPE",
    "only layers of floats and of 8-bit integers are converted",
    "Export the model in float32 or float16.",
    "The ONNX standard has a Conv for floats and a ConvInteger for 8-bit integers, and none for int32 or int64.",
)
UNVERIFIABLE = Reason(
    "FC2C-UNVERIFIABLE",
    "onnxruntime's CPU cannot run this layer or its convolution, so that nothing could be verified there",
    "Give --allow-unverifiable to convert it and compare in ONNX's reference evaluator, or export in float32.",
    "Onnxruntime's CPU has no Conv for float64 and bfloat16, and no GemmFastGelu at all. The ONNX standard has a Conv "
    "for them (for bfloat16 from opset 22 on), and with --allow-unverifiable such layers are converted; both models "
    "are then run in ONNX's reference evaluator, which is slow but knows every standard operator. Whether the device "
    "runs the result is for you to find out.",
)
UNKNOWN_SHAPE = Reason(
    "FC2C-UNKNOWN-SHAPE",
    "the rank of the activation, or the shape of the weight, is not known",
    "Give the model's inputs a shape, or the value in front of the layer a value_info; a dim may stay symbolic.",
    "Where each axis goes depends on the rank of the activation, and the kernel on the shape of the weight. "
    "Neither onnx_shape_inference nor onnx itself could tell, nor does the file. A custom operator upstream, "
    "a Squeeze without axes on a symbolic shape, or a local function that is called at two ranks are usual "
    "causes.",
)
AMBIGUOUS_BROADCAST = Reason(
    "FC2C-AMBIGUOUS-BROADCAST",
    "a symbolic dim of the activation meets a batch dim of the weight: whether it broadcasts is known at run time only",
    "Make that dim of the input static.",
    "A batched weight holds one matrix for each entry of a batch dim. If that dim of the activation is 1 at "
    "run time it broadcasts (every matrix is applied to it), if it is the batch size each matrix has an entry "
    "of its own. These are different convolutions, and which one is right is not known before.",
)
NO_EQUAL_KERNEL = Reason(
    "FC2C-NO-EQUAL-KERNEL",
    "onnxruntime has no integer convolution that gives the same integers as this layer",
    "Quantise with types that have one, and one zero point for all weights: uint8 activations with uint8 weights, "
    "int8 with int8, or a reduced range. "
    "--allow-unverifiable converts what the standard allows, and compares in ONNX's reference evaluator.",
    "Integer results are to be equal, not close, and onnxruntime's kernels bound what can be equal. QLinearConv "
    "and ConvInteger have one zero point for all weights, and scalar scales of the activation. MatMulInteger of "
    "uint8 activations and int8 weights saturates in 16 bits on processors without VNNI, and ConvInteger does "
    "not, so that they agree only while the weights stay within -64 and 64. ConvInteger of int8 activations and "
    "uint8 weights is not exact.",
)
EINSUM = Reason(
    "FC2C-EINSUM",
    "an Einsum is a layer only if it multiplies two operands and sums over letters that both have and the result lacks",
    "Nothing to do, unless the Einsum can be written as one of two operands.",
    "An Einsum is a fully connected layer if it has two operands, sums over at least one letter that both "
    "have and the result lacks, and sums over nothing else. A repeated letter is a diagonal, a letter that "
    "only one operand sums over is a reduction, and a product without a sum is elementwise: none of these is "
    "a convolution of the kind that is meant here.",
    is_layer=False,
)
EMPTY = Reason(
    "FC2C-EMPTY",
    "the layer has no weights or no positions (a dim of 0), and runtimes refuse such a convolution",
    "Nothing to do; the layer computes nothing but its bias, if anything.",
    "One of the dims is statically 0. The result is empty or just the bias, and onnxruntime refuses a "
    "convolution with no channels or an empty spatial axis.",
)
INVALID_SHAPES = Reason(
    "FC2C-INVALID-SHAPES",
    "the shapes of the operands do not fit each other",
    "Check the model: the node cannot run.",
    "What the file says of the operands cannot be multiplied. The model may still load, since runtimes check "
    "this late, but the node cannot run.",
)
INEXPRESSIBLE_LAYOUT = Reason(
    "FC2C-INEXPRESSIBLE-LAYOUT",
    "the 4-D layout cannot be written, since its shape depends on more than one dim that is known at run time only",
    "Make the batch or sequence dims of the input static.",
    "With more than three axes beside the features, several must share a spatial axis, and a Reshape to that "
    "must be told the product of dims that are known at run time only. The shape after the convolution can be "
    "computed, the one before it cannot be written down with a single -1.",
)
WEIGHT_IS_ARGUMENT = Reason(
    "FC2C-WEIGHT-IS-ARGUMENT",
    "the weight is an argument of the local function that the node is in, so each call may pass another one",
    "Inline the functions first (onnx.inliner.inline_local_functions), and convert the result.",
    "A local function is converted once, for all its calls. This weight reaches the node as an argument, so "
    "that each call may pass another one.",
)
FUNCTION_ATTRIBUTE = Reason(
    "FC2C-FUNCTION-ATTRIBUTE",
    "an attribute of the node is an attribute of the local function that it is in, so each call may set it differently",
    "Inline the functions first (onnx.inliner.inline_local_functions), and convert the result.",
    "A local function is converted once, for all its calls. An attribute of this node refers to an attribute "
    "of the function, which each call may set.",
)
FUNCTION_OPSET = Reason(
    "FC2C-FUNCTION-OPSET",
    "the local function that the node is in imports another opset than the model",
    "Inline the functions first (onnx.inliner.inline_local_functions), or convert both to one opset.",
    "Squeeze and Unsqueeze take their axes as an attribute before opset 13 and as an input from then on. By the "
    "standard the function's own opset counts, but onnxruntime puts a function's nodes into the model and reads them "
    "with the model's, so that nothing that is written there would suit both.",
)
EXCLUDED = Reason(
    "FC2C-EXCLUDED",
    "left as it is, as --only or --skip asked",
    "Nothing to do.",
    "The layer could be converted, but --only or --skip says otherwise. --strict does not count it as left.",
    is_wish=True,
)

REASONS = (
    TWO_RUNTIME_OPERANDS,
    CONSTANT_RESULT,
    RECURRENT,
    OVERRIDABLE_WEIGHT,
    QUANTIZED_WEIGHT,
    UNSUPPORTED_OP,
    UNSUPPORTED_DTYPE,
    UNVERIFIABLE,
    UNKNOWN_SHAPE,
    AMBIGUOUS_BROADCAST,
    NO_EQUAL_KERNEL,
    EINSUM,
    EMPTY,
    INVALID_SHAPES,
    INEXPRESSIBLE_LAYOUT,
    WEIGHT_IS_ARGUMENT,
    FUNCTION_ATTRIBUTE,
    FUNCTION_OPSET,
    EXCLUDED,
)
"""Every reason there is, in the order of the documentation."""


def by_code(code: str) -> Reason | None:
    """The reason of a code, whatever its case and with or without ``FC2C-``."""
    wanted = code.upper().removeprefix("FC2C-")
    return next((reason for reason in REASONS if reason.code == f"FC2C-{wanted}"), None)
