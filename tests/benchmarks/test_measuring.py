"""What a command costs, and every way in which it can end."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.measuring import Limits, run

MB = 10**6


def python(code: str, folder: Path, **limits: float) -> tuple[str, int, float]:
    given = Limits(limits.get("seconds", 60), int(limits.get("memory", 2**33)))
    cost = run([sys.executable, "-S", "-c", code], folder / "log", given, {"WORD": "hello"})
    return cost.fault, cost.peak, cost.seconds


def test_memory_and_time_are_of_the_command(tmp_path: Path) -> None:
    here = bytearray(150 * MB)  # what this process takes is not counted as the child's
    _, little, _ = python("pass", tmp_path)
    fault, much, seconds = python(f"import time; x = bytearray({100 * MB}); time.sleep(0.3)", tmp_path)
    assert not fault
    assert len(here) > little
    assert little < 50 * MB
    assert 100 * MB < much < 150 * MB
    assert 0.3 <= seconds < 30


def test_a_failure_is_a_cost_with_its_last_words(tmp_path: Path) -> None:
    fault, _, _ = python("raise SystemExit('first\\nno such op\\n')", tmp_path)
    assert fault == "exit code 1: no such op"


def test_a_crash_is_a_cost(tmp_path: Path) -> None:
    fault, _, _ = python("import os; os.abort()", tmp_path)
    assert fault.startswith("signal 6")


def test_what_takes_too_long_is_stopped(tmp_path: Path) -> None:
    fault, _, seconds = python("import time; time.sleep(50)", tmp_path, seconds=0.5)
    assert fault.startswith("stopped after")
    assert seconds < 20


def test_memory_has_a_limit(tmp_path: Path) -> None:
    fault, _, _ = python(f"x = bytearray({900 * MB})", tmp_path, memory=400 * MB)
    assert fault == "exit code 1: MemoryError"


def test_what_does_not_exist_is_a_cost(tmp_path: Path) -> None:
    cost = run([tmp_path / "nothing"], tmp_path / "log", Limits(), {})
    assert cost.fault.startswith("exit code 127: cannot be started: FileNotFoundError")


def test_the_command_sees_its_variables(tmp_path: Path) -> None:
    fault, _, _ = python("import os, sys; sys.exit(os.environ['WORD'])", tmp_path)
    assert fault == "exit code 1: hello"


def test_a_module_is_compiled_once_as_an_installed_one_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    (tmp_path / "module.py").write_text("x = 1")
    fault, _, _ = python(f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import module", tmp_path)
    assert not fault
    assert list((tmp_path / "__pycache__").glob("module.*.pyc"))
