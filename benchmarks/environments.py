"""Each peer in an environment of its own, of pinned versions, made once for each list of them."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
MINUTES_TO_INSTALL = 15


@dataclass(frozen=True)
class Environment:
    """A virtual environment, or the reason why there is none."""

    folder: Path
    fault: str = ""

    def program(self, name: str) -> Path:
        """A program of it."""
        return self.folder / "bin" / name


def environment(name: str, cache: Path) -> Environment:
    """The environment of ``peers-NAME.txt`` below a folder; made if it is not there."""
    pins = HERE / f"peers-{name}.txt"
    digest = hashlib.sha256(pins.read_bytes() + sys.version.encode()).hexdigest()[:12]
    folder = cache / "environments" / f"{name}-{digest}"
    done = folder / "complete"
    if done.exists():
        return Environment(folder)
    print(f"making the environment of {name}", file=sys.stderr)
    for command in (
        [sys.executable, "-m", "venv", "--clear", str(folder)],
        [str(folder / "bin/python"), "-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", str(pins)],
    ):
        fault = _failure(command)
        if fault:
            return Environment(folder, f"cannot be installed: {fault}")
    done.touch()
    return Environment(folder)


def _failure(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60 * MINUTES_TO_INSTALL, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if not done.returncode:
        return ""
    errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
    return (errors or done.stderr.strip().splitlines() or ["nothing said"])[-1]
