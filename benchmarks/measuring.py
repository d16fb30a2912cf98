"""What a command costs: wall seconds, processor seconds, peak memory; how it ended, however that was."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

LAUNCHER = Path(__file__).with_name("launcher.py")
_COMPILED = {"PYTHONDONTWRITEBYTECODE": ""}
"""Python keeps what it compiled, as it does of whatever is installed, even where the user's variables say otherwise."""


@dataclass(frozen=True)
class Limits:
    """What a command may take: seconds, and bytes of memory of its own."""

    seconds: float = 120.0
    memory: int = 16 << 30


@dataclass(frozen=True)
class Cost:
    """One run. `code` is the exit code, a negative one the signal that ended it; `said` is what it printed."""

    seconds: float
    cpu: float
    peak: int
    code: int
    late: bool
    said: str

    @property
    def fault(self) -> str:
        """What went wrong, in a line; empty if nothing did."""
        if self.late:
            return f"stopped after {self.seconds:.0f} s"
        if self.code == 0:
            return ""
        ended = f"signal {-self.code}" if self.code < 0 else f"exit code {self.code}"
        lines = [line.strip() for line in self.said.splitlines() if line.strip()]
        return f"{ended}: {lines[-1][:160]}" if lines else ended


def run(command: Sequence[str | Path], log: Path, limits: Limits, environment: Mapping[str, str]) -> Cost:
    """Run a command in the folder of its log."""
    launch = [sys.executable, "-I", "-S", str(LAUNCHER), str(limits.seconds), str(limits.memory), str(log)]
    done = subprocess.run(
        [*launch, *map(str, command)],
        cwd=log.parent,
        env={**os.environ, **_COMPILED, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["nothing said"])[-1]
        return Cost(0.0, 0.0, 0, 127, late=False, said=f"cannot be started: {last}")
    return Cost(**json.loads(done.stdout), said=log.read_text(errors="replace"))
