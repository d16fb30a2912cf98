"""Which layers to convert, and which layout is wanted, as options."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

import typer


class Layouts(StrEnum):
    """How far the layouts of convolutions reach."""

    auto = "auto"
    isolated = "isolated"


class TokensTo(StrEnum):
    """Where the tokens of a sequence go."""

    width = "width"
    height = "height"
    batch = "batch"


class IoLayout(StrEnum):
    """How the model's own inputs and outputs are stored."""

    keep = "keep"
    nchw = "nchw"


FreezeOption = Annotated[
    bool,
    typer.Option("--freeze-inputs", help="Make initializers that are also inputs constant; changes the interface."),
]
UnverifiableOption = Annotated[
    bool,
    typer.Option(
        "--allow-unverifiable", help="Take layers that onnxruntime cannot run; compare in ONNX's reference evaluator."
    ),
]


@dataclass(frozen=True)
class Layers:
    """Which layers are converted, and how."""

    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="GLOB", help="Only the layers whose node name matches; repeatable."),
    ] = None
    skip: Annotated[
        list[str] | None,
        typer.Option("--skip", metavar="GLOB", help="All layers but those whose node name matches; repeatable."),
    ] = None
    freeze_inputs: FreezeOption = False
    allow_unverifiable: UnverifiableOption = False
    fuse: Annotated[
        bool,
        typer.Option("--fuse", help="Fold BatchNormalization, Mul, Div, Add, Sub behind a layer; changes rounding."),
    ] = False
    layout: Annotated[
        Layouts,
        typer.Option("--layout", help="auto: whole regions stay 4-D; isolated: each layer is wrapped on its own."),
    ] = Layouts.auto
    tokens: Annotated[
        TokensTo, typer.Option("--tokens", help="Where tokens go: (B,C,1,S), (B,C,S,1) or (B*S,C,1,1).")
    ] = TokensTo.width
    decompose_layernorm: Annotated[
        bool,
        typer.Option(
            "--decompose-layernorm", help="Write LayerNormalization as simpler nodes where that saves layout."
        ),
    ] = False
    io_layout: Annotated[
        IoLayout,
        typer.Option(
            "--io-layout", help="nchw: inputs and outputs become 4-D where the network is; changes the interface."
        ),
    ] = IoLayout.keep

    def arguments(self) -> dict[str, Any]:
        """The same as arguments of the library's `convert` and `inspect`.

        Raises:
            UsageError: Two of them contradict each other.
        """
        from fc2conv_cli.layout.solve import Wishes

        spread = self.layout is Layouts.auto
        return {
            "only": self.only or (),
            "skip": self.skip or (),
            "freeze_inputs": self.freeze_inputs,
            "allow_unverifiable": self.allow_unverifiable,
            "fuse": self.fuse,
            "wishes": Wishes(spread, self.tokens.value, self.decompose_layernorm, self.io_layout.value),
        }
