"""fc2conv: every fully connected layer of a network as a convolution that computes the same thing, and proof of it.

    from fc2conv_cli import convert, verify, inspect

The three functions return records and print nothing; see `fc2conv_cli.pipeline`. They are imported when they are first
used, so that importing this package costs nothing.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from fc2conv_cli.errors import FC2ConvError

if TYPE_CHECKING:
    from fc2conv_cli.frontends.loading import Loading
    from fc2conv_cli.layout.solve import Wishes
    from fc2conv_cli.pipeline import convert, inspect, verify
    from fc2conv_cli.verification.compare import Settings

__all__ = ["FC2ConvError", "Loading", "Settings", "Wishes", "__version__", "convert", "inspect", "verify"]

try:
    __version__ = version("fc2conv")
except PackageNotFoundError:  # run from a source tree that is not installed
    __version__ = "0.0.0"


def __getattr__(name: str) -> Any:
    """Import the library's face on first use (PEP 562)."""
    if name in ("convert", "inspect", "verify"):
        from fc2conv_cli import pipeline

        return getattr(pipeline, name)
    if name == "Wishes":
        from fc2conv_cli.layout.solve import Wishes

        return Wishes
    if name == "Settings":
        from fc2conv_cli.verification.compare import Settings

        return Settings
    if name == "Loading":
        from fc2conv_cli.frontends.loading import Loading

        return Loading
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
