"""What the user says of a model's inputs, handed to whoever uses it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fc2conv_cli.frontends.input_specs import parse
from fc2conv_cli.frontends.loading import Loading
from fc2conv_cli.frontends.source import Source
from fc2conv_cli.verification.settings import Settings

if TYPE_CHECKING:
    from os import PathLike

    from torch.export import ExportedProgram
    from torch.nn import Module

    AnyModel = str | PathLike[str] | Module | ExportedProgram


def with_inputs(loading: Loading | None, example_inputs: Any) -> Loading:
    """How to load, with what a live module is called with."""
    loading = loading or Loading()
    return loading if example_inputs is None else replace(loading, example_inputs=example_inputs)


def with_shapes(settings: Settings | None, source: Source, loading: Loading) -> Settings:
    """Settings that take the shapes of single inputs, which for a PyTorch model went into its export."""
    settings = settings or Settings()
    if source.exported or not loading.inputs:
        return settings
    return replace(settings, feeding=replace(settings.feeding, specs=parse(loading.inputs)))
