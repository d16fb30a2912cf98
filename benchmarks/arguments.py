"""What the commands of this folder take alike."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "fc2conv-benchmarks"


def some(text: str) -> int:
    """A number from 1 up."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 up")
    return int(text)


def parser(module: str, says: str) -> argparse.ArgumentParser:
    """A parser whose help begins with what the docstring of the module says, as it stands there."""
    shape = argparse.RawDescriptionHelpFormatter
    return argparse.ArgumentParser(prog=f"python -m {module}", description=says, formatter_class=shape)
