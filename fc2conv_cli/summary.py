"""What reports say of a plan: names, sizes and shapes, and no graph.

A plan holds nodes and weights of a model that is open. A report that was saved has neither, and yet is to be written
again as text or as anything else; so what is written is always this summary, made of a plan or read from a file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fc2conv_cli.sizes import Shape, Size

if TYPE_CHECKING:
    from fc2conv_cli.records import Plan, PlannedLayer, Skip


@dataclass(frozen=True)
class LayerSummary:
    """A fully connected layer and the convolution that it becomes.

    Attributes:
        name: Name of its node.
        spelling: How the file writes it.
        in_features: Features that are summed.
        out_features: Features that it gives.
        groups: Groups of the convolution.
        positions: Sizes of the axes along which it is repeated.
        parameters: Number of weights and biases.
        macs: Multiply-accumulates of one run.
        folded: What --fuse took into it: operator and name.
        becomes: The operator that it becomes.
        reads: Name of its activation.
        kernel_shape: Height and width.
        input_shape: The 4-D shape that the convolution reads.
        output_shape: The 4-D shape that it writes.
    """

    name: str
    spelling: str
    in_features: int
    out_features: int
    groups: int
    positions: Shape
    parameters: int
    macs: Size
    folded: tuple[tuple[str, str], ...]
    becomes: str
    reads: str | None
    kernel_shape: tuple[int, int]
    input_shape: Shape
    output_shape: Shape

    @property
    def convolution(self) -> str:
        """``Conv 1x1``, or ``Conv 1x1, 2 groups``."""
        height, width = self.kernel_shape
        return f"{self.becomes} {height}x{width}" + (f", {self.groups} groups" if self.groups > 1 else "")


@dataclass(frozen=True)
class SkipSummary:
    """A node that stays, and why.

    Attributes:
        name: Its name.
        op_type: Its operator.
        code: The stable code of the reason.
        rule: The reason in general.
        sentence: The reason, with what is special to this node.
        advice: What the user can do about it.
        is_layer: Whether it is a fully connected layer.
        is_wish: Whether the user asked for it to stay.
    """

    name: str
    op_type: str
    code: str
    rule: str
    sentence: str
    advice: str
    is_layer: bool
    is_wish: bool


@dataclass(frozen=True)
class PlanSummary:
    """What a conversion would do.

    Attributes:
        layers: The layers that become convolutions.
        skips: The nodes that stay.
        cost: Of all layout nodes that are chosen.
        bound: What no choice can go below.
        gap: How far the choice of layouts may be from the best, as a share of its cost.
        units: Number of nodes that had a choice.
        options: Number of ways in which those nodes could work.
    """

    layers: tuple[LayerSummary, ...]
    skips: tuple[SkipSummary, ...]
    cost: float
    bound: float
    gap: float
    units: int
    options: int

    @property
    def found(self) -> int:
        """Number of fully connected layers, converted or not."""
        return len(self.layers) + len(self.staying)

    @property
    def staying(self) -> tuple[SkipSummary, ...]:
        """The fully connected layers that stay, for whatever reason."""
        return tuple(skip for skip in self.skips if skip.is_layer)


def summarise(plan: Plan | PlanSummary) -> PlanSummary:
    """The summary of a plan; the summary itself if it is one already."""
    if isinstance(plan, PlanSummary):
        return plan
    layers, skips = tuple(map(_layer, plan.layers)), tuple(map(_skip, plan.skips))
    return PlanSummary(layers, skips, plan.cost, plan.bound, plan.gap, plan.units, plan.options)


def _layer(planned: PlannedLayer) -> LayerSummary:
    from fc2conv_cli.records import node_label  # a summary that comes from a file needs no onnx

    layer, form = planned.layer, planned.form
    return LayerSummary(
        layer.name,
        layer.spelling,
        layer.contraction.in_features,
        layer.contraction.out_features,
        form.group,
        layer.contraction.position_shape,
        layer.parameters,
        layer.macs,
        tuple((node.op_type, node_label(node)) for node in layer.folded),
        layer.becomes,
        layer.x.name,
        form.kernel_shape,
        form.read.target_shape,
        form.write.target_shape,
    )


def _skip(skip: Skip) -> SkipSummary:
    reason = skip.reason
    return SkipSummary(
        skip.name,
        skip.node.op_type,
        reason.code,
        reason.sentence,
        skip.sentence,
        reason.advice,
        reason.is_layer,
        reason.is_wish,
    )
