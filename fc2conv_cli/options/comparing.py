"""How to compare two models, as options."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from fc2conv_cli.verification.judgement import Judgement
    from fc2conv_cli.verification.settings import Settings

_PANEL = "Comparison"


class Values(StrEnum):
    """What random floats are drawn from."""

    normal = "normal"
    uniform = "uniform"
    ones = "ones"
    zeros = "zeros"
    integers = "integers"


def _option(*names: str, **more: Any) -> Any:
    return typer.Option(*names, rich_help_panel=_PANEL, **more)


def _tolerance(text: str) -> str:
    """The text itself, if a number from 0 up stands in it, alone or behind the name of an output."""
    name, equals, number = str(text).rpartition("=")
    if equals and not name:
        raise typer.BadParameter(f"{text!r} names no output; for example 1e-4, or logits=1e-4 for one output.")
    try:
        fits = 0 <= float(number) < math.inf
    except ValueError:
        fits = False
    if not fits:
        raise typer.BadParameter(f"{number!r} is no number from 0 up; for example 1e-4, or logits=1e-4 for one output.")
    return str(text)


@dataclass(frozen=True)
class Judging:
    """What outputs are held to; what is not given is as it was, in a saved report, or the default, in a comparison."""

    atol: Annotated[
        list[str] | None,
        _option(
            "--atol",
            metavar="[OUTPUT=]NUMBER",
            parser=_tolerance,
            help="Absolute tolerance of float outputs. Default: by dtype, or as in the saved report.",
        ),
    ] = None
    rtol: Annotated[
        list[str] | None,
        _option(
            "--rtol",
            metavar="[OUTPUT=]NUMBER",
            parser=_tolerance,
            help="Tolerance relative to the largest reference value.",
        ),
    ] = None
    elementwise: Annotated[
        bool | None,
        _option("--elementwise", help="Hold each element to atol + rtol * |its own reference|, as numpy does."),
    ] = None
    accept_ill_conditioned: Annotated[
        bool | None,
        _option("--accept-ill-conditioned", help="Let pass what is within 4 times the model's own rounding noise."),
    ] = None

    def judgement(self) -> Judgement:
        """The same for the library.

        Raises:
            UsageError: Something cannot be read, or contradicts itself.
        """
        from fc2conv_cli.verification.judgement import Judgement
        from fc2conv_cli.verification.settings import parse_tolerances

        tolerances = parse_tolerances(self.atol or (), self.rtol or ())
        return Judgement(*tolerances, self.elementwise, self.accept_ill_conditioned)


@dataclass(frozen=True)
class Comparing(Judging):
    """How to compare two models."""

    samples: Annotated[int, _option("--samples", min=1, help="Random inputs for each choice of dynamic sizes.")] = 4
    seed: Annotated[int, _option("--seed", min=0, help="Seed of the random inputs.")] = 0
    data: Annotated[
        Path | None,
        _option("--inputs", metavar="PATH", help="Inputs to compare on: .npz, .npy, or a folder of them or test data."),
    ] = None
    dim: Annotated[
        list[str] | None,
        _option("--dim", metavar="NAME=SIZES", help="Sizes of a dynamic dim, as N=1,3,16; repeatable."),
    ] = None
    distribution: Annotated[
        Values, _option("--distribution", help="Random floats: N(0, 1), [0, 1), all 1, all 0, or -3 to 3 in whole.")
    ] = Values.normal
    range_: Annotated[
        list[str] | None,
        _option("--range", metavar="NAME:LO..HI", help="Values of an input, as ids:0..511; repeatable."),
    ] = None

    low_memory: Annotated[
        bool, _option("--low-memory", help="Have one of the two models in memory at a time; slower.")
    ] = False

    def settings(self, *, reference: bool) -> Settings:
        """The same for the library.

        Raises:
            UsageError: Something cannot be read, or contradicts itself.
        """
        from fc2conv_cli.verification.feeding import Feeding, parse_dims, parse_ranges
        from fc2conv_cli.verification.settings import Settings

        judgement = self.judgement()
        ranges = parse_ranges(self.range_ or ())
        feeding = Feeding(self.data, parse_dims(self.dim or ()), (), self.distribution.value, ranges)
        return Settings(
            self.samples,
            self.seed,
            judgement.atol,
            judgement.rtol,
            reference,
            judgement.outputs,
            bool(judgement.elementwise),
            bool(judgement.accept_ill_conditioned),
            feeding,
            self.low_memory,
        )


_MAKES_UP = ("samples", "seed", "dim", "distribution", "range_")


def settle_inputs(ctx: typer.Context) -> None:
    """Where --inputs gives the inputs, nothing makes them up: what a settings file says of that is for other runs.

    Raises:
        UsageError: It stands on the command line, where it must mean something.
    """
    if ctx.params.get("data") is None:
        return
    defaults = {f.name: f.default for f in fields(Comparing)}
    for name in _MAKES_UP:
        source = ctx.get_parameter_source(name)
        if name == "samples" and ctx.params.get("per_layer"):
            continue  # so many of the given ones are compared layer by layer
        if source is not None and source.name == "COMMANDLINE":
            from fc2conv_cli.errors import UsageError

            option = f"--{name.rstrip('_')}"
            raise UsageError(f"--inputs gives the inputs, {option} makes them up", hint="Leave one out.")
        ctx.params[name] = defaults[name]
