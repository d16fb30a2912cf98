"""A model that does not fit into memory is not a model that differs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import SAMPLES, model, save, value
from onnx import helper

from fc2conv_cli import Settings, verify
from fc2conv_cli.errors import NotEnoughMemoryError
from fc2conv_cli.verification import reference, runner
from fc2conv_cli.verification.held import memory_hint

MODEL = SAMPLES / "mlp.onnx"


class Short:
    """A session of onnxruntime, of which the last ones that are made lack memory to be loaded, or to run."""

    made = 0
    fails_at = 0
    loading = True

    def __init__(self, *args: Any, **options: Any) -> None:
        type(self).made += 1
        self._fails = self.made >= self.fails_at
        if self._fails and self.loading:
            raise RuntimeError("[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Load model failed:std::bad_alloc")
        self._session = SESSION(*args, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def run(self, names: list[str], feeds: Mapping[str, Any]) -> Any:
        if self._fails:
            raise RuntimeError("BFCArena::AllocateRawInternal(size_t, bool) Failed to allocate memory")
        return self._session.run(names, feeds)


ort = pytest.importorskip("onnxruntime")
SESSION = ort.InferenceSession


@pytest.mark.parametrize(("fails_at", "name"), [(1, "the original"), (2, "the converted model")])
@pytest.mark.parametrize(("loading", "verb"), [(True, "load"), (False, "run")])
@pytest.mark.parametrize("low_memory", [False, True])
def test_memory_that_is_short_is_an_error_and_no_difference(
    monkeypatch: pytest.MonkeyPatch, fails_at: int, name: str, loading: bool, verb: str, low_memory: bool
) -> None:
    runner.warm_up()
    session = type("Session", (Short,), {"fails_at": fails_at, "loading": loading})
    monkeypatch.setattr(ort, "InferenceSession", session)
    with pytest.raises(NotEnoughMemoryError) as raised:
        verify(MODEL, MODEL, settings=Settings(low_memory=low_memory, samples=1))
    assert raised.value.exit_code == 2
    assert raised.value.message == f"there is not enough memory to {verb} {name}"
    assert raised.value.hint == memory_hint(low_memory=low_memory)
    assert ("--low-memory" in raised.value.hint) != low_memory
    assert ("--no-verify" in raised.value.hint) == low_memory


@pytest.mark.parametrize("place", ["load", "run"])
def test_the_reference_evaluator_too(monkeypatch: pytest.MonkeyPatch, place: str, tmp_path: Path) -> None:
    def short(*args: Any, **options: Any) -> None:
        raise MemoryError("Unable to allocate 9 GiB")

    where = "__init__" if place == "load" else "run"
    monkeypatch.setattr(reference._Evaluator, where, short)
    with pytest.raises(MemoryError):
        reference.ReferenceRunner(MODEL).run({})


def test_the_command_ends_with_2(tmp_path: Path) -> None:
    """In an address space that holds Python and onnxruntime many times over, and no tensor of 32 GB."""
    resource = pytest.importorskip("resource")
    nodes = [helper.make_node("Expand", ["x", "shape"], ["a"]), helper.make_node("ReduceSum", ["a"], ["y"], keepdims=0)]
    large = model(nodes, [value("x", [1])], [value("y", [])], {"shape": np.array([2**33])})
    path = save(large, tmp_path / "large.onnx")
    done = subprocess.run(
        [sys.executable, "-m", "fc2conv_cli", "verify", str(path), str(path), "--samples", "1"],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (2**33, 2**33)),
    )
    assert done.stderr == f"fc2conv: there is not enough memory to run the original\n{memory_hint(low_memory=False)}\n"
    assert (done.returncode, done.stdout) == (2, "")
