"""The records that travel from analysis to the written file and its reports.

Everything here is plain, frozen and printable. Nothing here changes a graph.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from fc2conv_cli.constants import Constant
from fc2conv_cli.contraction import Contraction
from fc2conv_cli.dequantization import Dequantization
from fc2conv_cli.sizes import Size, product

if TYPE_CHECKING:
    from fc2conv_cli.layers.reasons import Reason
    from fc2conv_cli.layout.options import ConvForm
    from fc2conv_cli.layout.region import Choice


@dataclass(frozen=True)
class Addend:
    """A term that is added to a layer's output and is no bias: it varies along positions, or is computed at run time.

    Attributes:
        value: The term; broadcasts to the output.
        scale: Factor on it (beta of Gemm).
    """

    value: ir.Value
    scale: float


@dataclass(frozen=True)
class Activation:
    """A function that the layer's node applies to its result; it becomes a node of its own.

    Attributes:
        op_type: The standard operator.
        attributes: Its attributes.
    """

    op_type: str
    attributes: tuple[tuple[str, float | str], ...] = ()


@dataclass(frozen=True)
class Rescale:
    """What turns the int32 sums of a layer into its float result: ``(sum + bias) * scale * scale ...``.

    Attributes:
        scales: The factors; each broadcasts to the output.
        bias: An int32 term, or None.
    """

    scales: tuple[ir.Value, ...]
    bias: ir.Value | None = None


@dataclass(frozen=True)
class IntegerConv:
    """The convolution that a quantised layer becomes, when it is not a plain Conv.

    Attributes:
        op_type: ``QLinearConv`` or ``ConvInteger``.
        before: Inputs between the activation and the weight (scale and zero point of the activation).
        after: Inputs behind the weight; an array becomes a constant.
        x_dtype: Type of the activation.
        dtype: Type of its result.
        keeps_order: Whether the sum must keep its order to stay equal, because onnxruntime's kernel may saturate.
        quantizes: Whether the activation is a float that a DynamicQuantizeLinear quantises first; its zero point is
            then the first input behind the weight, and its scale the first factor of `rescale`.
        rescale: How the sums become floats; None if they do not.
    """

    op_type: str
    x_dtype: ir.DataType
    dtype: ir.DataType
    before: tuple[ir.Value, ...]
    after: tuple[ir.Value | npt.NDArray[np.generic], ...]
    keeps_order: bool = False
    quantizes: bool = False
    rescale: Rescale | None = None


@dataclass(frozen=True)
class FullyConnected:
    """One fully connected layer, whatever its spelling in the file.

    Attributes:
        node: The node that multiplies.
        spelling: How the file writes the layer: ``Gemm``, ``MatMul``, ``MatMul+Add``.
        x: The activation.
        y: The output; it keeps its name.
        weight: The weight by reference, not copied.
        contraction: The axes of x, weight and y in shared factors.
        alpha: Factor on the weight, not folded yet.
        folds_alpha: Whether alpha goes into the weight; if not it becomes a Mul behind the convolution.
        gain: A factor for each of `contraction.outs` to go into the weight (float64); None without one.
        bias: Bias with beta folded in, a number for each of `contraction.outs`; None without one.
        bias_scale: How an integer bias becomes floats; None if the bias is floats.
        addend: What is added after the layer, or None.
        activation: What is applied last, or None.
        lifted: Layout nodes between `head` and the layer that do not fit its factors: they are done first, as they are.
        head: The DequantizeLinear between x, which then are integers, and the layer: it is repeated on the 4-D input.
        tail: The QuantizeLinear behind the layer and an activation between, to be repeated behind the convolution.
        integer: The integer convolution that it becomes; None for a float layer.
        folded: What --fuse took into weight and bias.
        absorbed: The nodes that the convolution replaces, `node` included.
    """

    node: ir.Node
    spelling: str
    x: ir.Value
    y: ir.Value
    weight: Constant
    contraction: Contraction
    alpha: float = 1.0
    folds_alpha: bool = True
    gain: npt.NDArray[np.float64] | None = None
    bias: npt.NDArray[np.generic] | None = None
    bias_scale: Dequantization | None = None
    addend: Addend | None = None
    activation: Activation | None = None
    lifted: tuple[ir.Node, ...] = ()
    head: tuple[ir.Node, ...] = ()
    tail: tuple[ir.Node, ...] = ()
    integer: IntegerConv | None = None
    folded: tuple[ir.Node, ...] = ()
    absorbed: tuple[ir.Node, ...] = ()

    @property
    def name(self) -> str:
        """The layer's name in reports and for ``--only`` and ``--skip``."""
        return node_label(self.node)

    @property
    def dtype(self) -> ir.DataType:
        """Type of what the convolution gives."""
        if self.integer is not None:
            return self.integer.dtype
        stored = self.weight.dequantization
        return self.weight.dtype if stored is None else stored.dtype

    @property
    def becomes(self) -> str:
        """The operator that it becomes."""
        return "Conv" if self.integer is None else self.integer.op_type

    @property
    def parameters(self) -> int:
        """Number of weights and biases."""
        return int(np.prod(self.weight.shape, dtype=np.int64)) + (0 if self.bias is None else self.bias.size)

    @property
    def macs(self) -> Size:
        """Multiply-accumulates of one run, symbolic where positions are."""
        c = self.contraction
        return Size.of(c.in_features * c.out_features) * product(c.position_shape)


@dataclass(frozen=True)
class Skip:
    """A node that stays, and why.

    Attributes:
        node: The node.
        reason: The rule that keeps it, with its stable code.
        detail: What it is about this very node; may be empty.
    """

    node: ir.Node
    reason: Reason
    detail: str = ""

    @property
    def name(self) -> str:
        """The node's name in reports."""
        return node_label(self.node)

    @property
    def sentence(self) -> str:
        """The reason in one sentence, with what is special to this node."""
        return f"{self.reason.sentence} ({self.detail})" if self.detail else self.reason.sentence


@dataclass(frozen=True)
class PlannedLayer:
    """A layer and the convolution that it becomes."""

    layer: FullyConnected
    form: ConvForm


@dataclass(frozen=True)
class Plan:
    """What a conversion would do.

    Attributes:
        layers: The layers that become convolutions, in graph order.
        skips: The nodes that stay, in graph order.
        choices: By graph: how each unit of it works.
        cost: Of all layout nodes that are chosen, in the units of `fc2conv_cli.layout.steps`.
        bound: What no choice can go below.
    """

    layers: tuple[PlannedLayer, ...]
    skips: tuple[Skip, ...]
    choices: Mapping[ir.Graph, Sequence[Choice]] = field(default_factory=dict)
    cost: float = 0.0
    bound: float = 0.0

    @property
    def gap(self) -> float:
        """How far the choice of layouts may be from the best, as a share of its cost."""
        return 0.0 if self.cost <= self.bound or not self.cost else (self.cost - self.bound) / self.cost

    @property
    def units(self) -> int:
        """Number of nodes that had a choice."""
        return sum(len(choices) for choices in self.choices.values())

    @property
    def options(self) -> int:
        """Number of ways in which those nodes could work."""
        return sum(len(c.unit.options) for choices in self.choices.values() for c in choices)

    @property
    def left(self) -> tuple[Skip, ...]:
        """The fully connected layers that stay though nobody asked for it; ``--strict`` fails on them."""
        return tuple(s for s in self.skips if s.reason.is_layer and not s.reason.is_wish)

    @property
    def found(self) -> int:
        """Number of fully connected layers, converted or not."""
        return len(self.layers) + sum(s.reason.is_layer for s in self.skips)


def node_label(node: ir.Node) -> str:
    """The node's name, or its op_type and first output when the file leaves it unnamed."""
    if node.name:
        return node.name
    outputs: Sequence[ir.Value] = node.outputs
    return f"{node.op_type}:{outputs[0].name if outputs else ''}"
