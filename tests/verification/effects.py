"""What a change to a model truly does: own runs in onnxruntime, on other inputs and sizes than fc2conv's verifier.

Nothing here asks fc2conv. The tolerance is restated, so that a verifier whose tolerance grew would be found out.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

TOLERANCES = {"tensor(float)": (1e-5, 1e-5), "tensor(float16)": (1e-3, 5e-3)}
"""(atol, rtol) by type of an output, as the README says; anything else has to be equal."""

SIZES = (1, 2, 3, 5)
RUNS = 24
_TYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(uint8)": np.uint8,
    "tensor(bool)": np.bool_,
}

Feeds = dict[str, np.ndarray]


FILLS = 1e30
"""What is as large stands where nothing was computed; where it is the same it makes no tolerance."""


@dataclass(frozen=True)
class Effect:
    """How far a changed model is from the original, in the run that was farthest.

    Attributes:
        fault: What is wrong beyond numbers (a name, a type, a shape, a refusal, NaN), in words; empty if nothing is.
        delta: The largest absolute difference of an element.
        allowed: What the tolerance allows there.
    """

    fault: str = ""
    delta: float = 0.0
    allowed: float = 0.0

    @property
    def ratio(self) -> float:
        """The difference as a multiple of what is allowed; infinite for a fault."""
        if self.fault:
            return math.inf
        if self.allowed == 0:
            return math.inf if self.delta else 0.0
        return self.delta / self.allowed

    @property
    def above(self) -> bool:
        """Whether it is outside of the tolerance, so that a gate has to stop it."""
        return self.ratio > 1


def effect(original: Path, changed: Path) -> Effect:
    """The effect of a change, over many inputs at several sizes."""
    try:
        candidate = _session(changed)
    except Exception as error:  # onnxruntime has a class for each status
        return Effect(f"does not load ({type(error).__name__})")
    names = [o.name for o in candidate.get_outputs()]
    worst = Effect()
    for feeds, expected in _expected(original):
        if names != list(expected):
            return Effect("other outputs")
        try:
            actual = dict(zip(names, candidate.run(None, feeds), strict=True))
        except Exception:
            return Effect("does not run at every size")
        for name, (array, kind) in expected.items():
            worst = max(worst, _compared(array, actual[name], kind), key=lambda e: (e.ratio, e.allowed))
    return worst


def _compared(ours: np.ndarray, theirs: np.ndarray, kind: str) -> Effect:
    if ours.dtype != theirs.dtype:
        return Effect("another type")
    if ours.shape != theirs.shape:
        return Effect("another shape")
    wide = ours.astype(np.float64)
    delta = np.abs(wide - theirs.astype(np.float64))
    if np.isnan(delta).any():
        return Effect("NaN")
    atol, rtol = TOLERANCES.get(kind, (0.0, 0.0))
    sizes = np.abs(wide)[(np.abs(wide) < FILLS) | (delta > 0)]
    return Effect("", float(delta.max()), atol + rtol * float(sizes.max(initial=0)))


@cache
def _expected(original: Path) -> list[tuple[Feeds, dict[str, tuple[np.ndarray, str]]]]:
    """The inputs, and what the original gives for them."""
    session = _session(original)
    kinds = {o.name: o.type for o in session.get_outputs()}
    runs = []
    for feeds in _feeds(session):
        outputs = session.run(None, feeds)
        runs.append((feeds, {n: (a, k) for (n, k), a in zip(kinds.items(), outputs, strict=True)}))
    return runs


def _feeds(session: Any) -> list[Feeds]:
    """Random inputs at every combination of sizes: N(0, 1), and all values for uint8."""
    ports = session.get_inputs()
    symbols = list(dict.fromkeys(d for p in ports for d in p.shape if isinstance(d, str)))
    combinations = [dict(zip(symbols, sizes, strict=True)) for sizes in itertools.product(SIZES, repeat=len(symbols))]
    rng = np.random.default_rng(20_260)
    made = []
    for _, sizes in zip(range(RUNS), itertools.cycle(combinations), strict=False):
        made.append({p.name: _drawn(p, sizes, rng) for p in ports})
    return made


def _drawn(port: Any, sizes: Mapping[str, int], rng: np.random.Generator) -> np.ndarray:
    shape = [d if isinstance(d, int) else sizes[d] for d in port.shape]
    dtype = np.dtype(_TYPES[port.type])
    most = {"u": 256, "b": 2}.get(dtype.kind)
    drawn = rng.standard_normal(shape) if most is None else rng.integers(0, most, shape)
    return np.asarray(drawn).astype(dtype)


def _session(path: Path) -> Any:
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
