"""fc2conv: every fully connected layer of a network as a convolution that computes the same thing, and proof of it.

    from fc2conv_cli import convert, verify, inspect

The three functions return records and print nothing; see `fc2conv_cli.pipeline`. They are imported when they are first
used, so that importing this package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from fc2conv_cli.errors import FC2ConvError

if TYPE_CHECKING:
    from fc2conv_cli.frontends.loading import Loading
    from fc2conv_cli.layout.solve import Wishes
    from fc2conv_cli.pipeline.comparison import verify
    from fc2conv_cli.pipeline.conversion import convert
    from fc2conv_cli.pipeline.inspection import inspect
    from fc2conv_cli.verification.settings import Settings

_HOMES = {
    "Loading": "fc2conv_cli.frontends.loading",
    "Settings": "fc2conv_cli.verification.settings",
    "Wishes": "fc2conv_cli.layout.solve",
    "convert": "fc2conv_cli.pipeline.conversion",
    "inspect": "fc2conv_cli.pipeline.inspection",
    "verify": "fc2conv_cli.pipeline.comparison",
}

__all__ = ["FC2ConvError", "Loading", "Settings", "Wishes", "__version__", "convert", "inspect", "verify"]

try:
    __version__ = version("fc2conv")
except PackageNotFoundError:  # run from a source tree that is not installed
    __version__ = "0.0.0"


def __getattr__(name: str) -> Any:
    """Import the library's face on first use (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
